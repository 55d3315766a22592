"""A file as one transaction with its row: one message, so one round trip.

That alone makes it exactly-once: a racer waits for the row, then violates its key.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import uniform
from typing import TYPE_CHECKING, TypeVar

from startupctl.databases.postgres import LOCK_NOT_AVAILABLE, UNIQUE_VIOLATION
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.failed import NOTHING_KEPT
from startupctl.migrations.lexer import Statement
from startupctl.migrations.postgres.message import Message
from startupctl.migrations.postgres.natures import begins
from startupctl.migrations.postgres.rows import OURSELVES
from startupctl.migrations.postgres.steps import is_simple, steps_of
from startupctl.redact import masked
from startupctl.threads import aside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from startupctl.databases.postgres import PostgresSession
    from startupctl.migrations.rows import LedgerRow
    from startupctl.migrations.script import Script

T = TypeVar("T")

DONE_BY_ANOTHER = frozenset({UNIQUE_VIOLATION, "22012"})  # division_by_zero
SHORT_WAITS = "SET LOCAL lock_timeout = '5s'"  # a waiting ALTER TABLE stalls everybody who comes behind it
LOCK_TRIES = 8
LOCK_PAUSE = 2.0  # seconds, at most, between two tries
# what a script may have left in the session; DISCARD ALL cannot be sent together with others
_RESET = ("CLOSE ALL", *OURSELVES, "RESET ALL", "UNLISTEN *", "DISCARD TEMP", "DISCARD SEQUENCES")


async def run_whole(session: PostgresSession, script: Script, before: Sequence[str], last: str) -> bool:
    """Run a script in one transaction, behind statements of ours and before the `last` one, which returns a row.

    False when the last of those before violates a key or divides by zero: somebody else has done it. While the script only waits
    for a lock on a table it gives way and tries again. Raises StatementFailed with the place in the script.
    """
    message = await aside(script.text, _message, session, script, before, last)
    return await patiently(lambda: _send(session, message, script))


async def _send(session: PostgresSession, message: Message, script: Script) -> bool:
    try:
        found = await session.rows(message.text)
    except StatementFailed as error:
        await leave_clean(session)
        if error.code in DONE_BY_ANOTHER and error.done == message.before - 2:
            return False
        message.locate(error, len(steps_of(script)[0].statements))
        error.kept = NOTHING_KEPT
        raise
    except BaseException:
        await leave_clean(session)
        raise
    if not found:
        said = "the row of this migration is gone: the script has removed it, or rolled it back"
        raise StatementFailed("", said, FailureClass.PERMANENT)
    return True


def _message(session: PostgresSession, script: Script, before: Sequence[str], last: str) -> Message:
    """Return the transaction, and what leaves the session as it was."""
    pieces: Sequence[Statement] = [Statement(script.text, 0)]
    opening: Sequence[Statement] = ()
    if not is_simple(script):
        [step] = steps_of(script)
        pieces, opening = step.statements, step.opening
    message = Message()
    message.ours(*begins(opening))
    message.opening(opening)
    if session.more_follows:
        message.ours("SET LOCAL synchronous_commit = off")
    # a row that somebody is about to write is waited for as long as it takes: it may be an orphan's whole file
    message.ours("SET LOCAL lock_timeout = 0", *unlimited(session), *before, SHORT_WAITS)
    message.main(pieces)
    message.ours(*(() if session.shared else ("SELECT pg_advisory_unlock_all()",)), *OURSELVES, last, "COMMIT")
    message.ours(*reset(session))
    return message


def unlimited(session: PostgresSession) -> tuple[str, ...]:
    """Return what switches off the timeouts that would end this transaction."""
    return tuple(f"SET LOCAL {name} = 0" for name in session.limits)


def reset(session: PostgresSession) -> tuple[str, ...]:
    """Return what undoes all a script may have left in the session.

    Prepared statements of a session that a pooler shares are not ours.
    """
    return _RESET if session.shared else (*_RESET, "DEALLOCATE ALL")


async def leave_clean(session: PostgresSession) -> None:
    """Roll back, and leave the session as it was; one that is gone has nothing left in it."""
    await session.roll_back()
    if not session.closed:
        unlock = () if session.shared else ("SELECT pg_advisory_unlock_all()",)
        with suppress(StatementFailed):
            await session.execute("; ".join((*unlock, *reset(session))))


async def note_failure(session: PostgresSession, row: LedgerRow, error: StatementFailed) -> None:
    """Record why a script failed that has left nothing; nothing depends on it."""
    if not error.lost and not session.closed:
        with suppress(StatementFailed):
            await session.execute(row.note_failure(masked(error.said)))


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make attempts while they only wait for a lock on a table in vain; between them others have their turn."""
    for _ in range(LOCK_TRIES - 1):
        try:
            return await attempt()
        except StatementFailed as error:
            if error.code != LOCK_NOT_AVAILABLE:
                raise
        await asyncio.sleep(uniform(LOCK_PAUSE / 4, LOCK_PAUSE))  # noqa: S311  (jitter)
    return await attempt()
