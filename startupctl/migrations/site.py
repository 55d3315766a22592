"""Where the migrations of one component go: its files, its ledger, and the ways to its database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from startupctl.check import Held, Run
    from startupctl.databases.session import Reader, Session
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.ledger import Ledger

S = TypeVar("S", bound="Session")


@dataclass(frozen=True, slots=True)
class Site(Generic[S]):
    """What commands on migrations need of a component.

    `reader` opens what asks and changes nothing, without a driver where there is a speaker. `lock` holds the migration
    lock, and beside it the locks of other tools by their keys. `session` opens what changes something; it is
    entered with the lock held.
    """

    keys: MigrationKeys
    ledger: Ledger[S]
    reader: Callable[[], AbstractAsyncContextManager[Reader]]
    lock: Callable[[Sequence[int]], AbstractAsyncContextManager[Held]]
    session: Callable[[], AbstractAsyncContextManager[S]]


@runtime_checkable
class Migrates(Protocol):
    """A kind whose database can be migrated."""

    migrations: MigrationKeys | None

    def site(self, run: Run) -> Site[Any]:
        """Return where the migrations go; only with `migrations`."""
