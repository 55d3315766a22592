"""Where the migrations of one component go: its files, its ledger, and the ways to its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from startupctl.check import Held
    from startupctl.databases.session import Reader, Session
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.ledger import Ledger
    from startupctl.migrations.lock import Holder

S = TypeVar("S", bound="Session")


class Latch(NamedTuple):
    """A migration lock seen from outside: who holds it, and how it is opened.

    `unlock` removes what this holder left behind, unless it is no longer its own, and says whether it did; None where a
    lock ends with its process. Kinds that lend a lock have `.latch(run)`.
    """

    holder: Callable[[], Awaitable[Holder | None]]
    unlock: Callable[[Holder], Awaitable[bool]] | None = None


class Site(NamedTuple, Generic[S]):
    """What commands on migrations need of a component.

    `reader` opens what asks and changes nothing, without a driver where there is a speaker. `lock` holds the migration
    lock, and beside it the locks of other tools by their keys. `session` opens what changes something; it is
    entered with the lock held. `latch` is the lock seen from outside, None where nobody can be asked. `borrows` is the
    name of the component whose lock is taken, empty for the strongest among the dependencies; None for a lock of its own.
    `holder` asks a reader who holds the lock, for as long as it takes; None where a reader cannot know.
    """

    keys: MigrationKeys
    ledger: Ledger[S]
    reader: Callable[[], AbstractAsyncContextManager[Reader]]
    lock: Callable[[Sequence[int]], AbstractAsyncContextManager[Held]]
    session: Callable[[], AbstractAsyncContextManager[S]]
    latch: Latch | None = None
    borrows: str | None = None
    holder: Callable[[Reader], Awaitable[Holder | None]] | None = None
