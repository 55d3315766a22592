"""A file on SQLite, in one transaction or in steps, its row telling how far it is.

A statement that runs outside of a transaction is recorded as begun before it is sent and as done after; every
other step advances the row in its own transaction.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import uniform
from typing import TYPE_CHECKING, TypeVar

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.failed import GOES_ON
from startupctl.migrations.sqlite.steps import Nature, keeps_state, nature_of
from startupctl.migrations.steps import How
from startupctl.redact import masked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from startupctl.databases.sqlite import SqliteSession
    from startupctl.migrations.lexer import Statement
    from startupctl.migrations.progress import Course
    from startupctl.migrations.rows import LedgerRow
    from startupctl.migrations.steps import Step

T = TypeVar("T")

PATIENCE = 20.0  # seconds within which what only found the database locked is tried again
PAUSE = 0.2  # seconds, at most, between two tries


class Walk:
    """The steps of one script on their way into one database; the row is `running`, and this process's."""

    def __init__(self, session: SqliteSession, row: LedgerRow, course: Course) -> None:
        self._session, self._row, self._course = session, row, course

    async def go_on(self, first: int, last: str) -> None:
        """Run the steps from the `first` on, and `last`; what is before them is only set again in the session.

        Raises StatementFailed with the place in the script; the row then says where it stopped.
        """
        for text in self._state(first):
            await patiently(partial(self._session.execute, text))
        for number in range(first, len(self._course.steps)):
            await self._run(number)
        await self._own(last)

    async def _run(self, number: int) -> None:
        step, done = self._course.steps[number], self._course.ends[number]
        send = self._alone if step.how is How.ALONE else self._recorded
        try:
            await send(number, step)
        except StatementFailed as error:
            error.kept = GOES_ON.format(done=done)
            error.done = None if error.done is None else error.done + done
            with suppress(StatementFailed):
                await self._own(self._row.fail(done, self._course.begun(done), masked(error.said)))
            raise

    async def _recorded(self, number: int, step: Step) -> None:
        """Run a step in a transaction that advances the row first."""
        end = self._course.ends[number + 1]

        async def attempt() -> None:
            async with transaction(self._session):
                await self._own(self._row.mark(end, self._course.begun(end)))
                await send(self._session, step.statements)

        await patiently(attempt)

    async def _alone(self, number: int, step: Step) -> None:
        """Run a statement outside of a transaction, recorded as begun before."""
        done = self._course.ends[number]
        await self._mark(done, done + 1)
        await patiently(lambda: send(self._session, step.statements))
        await self._mark(done + 1, done + 1)

    async def _mark(self, done: int, begun: int) -> None:
        await patiently(lambda: self._own(self._row.mark(done, self._course.begun(begun))))

    async def _own(self, statement: str) -> None:
        """Send a statement of ours; raises StatementFailed when the row is no longer the one this process has begun."""
        if not await self._session.rows(statement):
            said = "another process has taken this migration over, or removed its row"
            raise StatementFailed("", said, FailureClass.TRANSIENT)

    def _state(self, number: int) -> list[str]:
        """Return the statements before a step that have changed the session; inside a transaction some of them do not."""
        return [
            part.text
            for step in self._course.steps[:number]
            for part in step.statements
            if keeps_state(part.text) and (step.how is How.ALONE or nature_of(part.text) is not Nature.ALONE)
        ]


@asynccontextmanager
async def transaction(session: SqliteSession) -> AsyncIterator[None]:
    """Keep all that is done inside, or nothing of it; nobody else writes meanwhile. Raises StatementFailed."""
    await session.execute("BEGIN IMMEDIATE")
    try:
        yield
        await session.execute("COMMIT")
    except BaseException:
        await session.roll_back()
        raise


async def send(session: SqliteSession, parts: Sequence[Statement]) -> None:
    """Send statements one after the other; raises StatementFailed with the number that succeeded."""
    for number, part in enumerate(parts):
        try:
            await session.execute(part.text)
        except StatementFailed as error:
            error.done = number
            raise


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make attempts while they only find the database locked; some pragmas do so at once, whatever the busy timeout."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await attempt()
        except StatementFailed as error:
            if error.failure is not FailureClass.CONTENTION or time.monotonic() > end:
                raise
        await asyncio.sleep(uniform(PAUSE / 4, PAUSE))  # noqa: S311  (jitter)
