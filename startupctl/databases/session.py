"""What migrations know of a database: a Reader that asks, a Session that changes, and how a statement fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from startupctl.diagnosis import FailureClass

T = TypeVar("T")

Row = Sequence["str | None"]
"""The values of one row as the server writes them; None is NULL."""


class Reader(Protocol):
    """Something that can be asked; protocol speakers and sessions are readers."""

    async def rows(self, sql: str) -> Sequence[Row]:
        """Return the rows of one statement, every value as text."""


class Session(Reader, Protocol):
    """A connection that changes something, on the real driver.

    When its caller is cancelled a statement is first ended on the server and its outcome read back.
    """

    async def execute(self, sql: str) -> None:
        """Run one statement, or several where the database takes them together; raises StatementFailed."""


class StatementFailed(Exception):
    """A statement did not succeed.

    `code` is the server's (SQLSTATE, ClickHouse number, SQLite name), `said` its words, `position`
    counts characters of the sent text from 1, `done` the statements of the text that succeeded before.
    `lost` says that the connection ended and that nobody knows what became of the statement. `kept` is a
    sentence about what of the whole script stays, where that is known.
    """

    kept = ""

    def __init__(
        self,
        code: str,
        said: str,
        failure: FailureClass,
        *,
        position: int | None = None,
        done: int | None = None,
        lost: bool = False,
        constraint: str = "",
    ) -> None:
        """Keep what is known; `failure` says whether trying again may help."""
        self.code, self.said, self.failure = code, said, failure
        self.position, self.done, self.lost, self.constraint = position, done, lost, constraint
        super().__init__(f"{code}: {said}" if code else said)


async def end_if_cancelled(work: Awaitable[T], end: Callable[[], Awaitable[object]], patience: float) -> T:
    """Wait for work that must not be abandoned; when the caller is cancelled, end it and wait for what becomes of it.

    `end` asks the database to stop; `patience` is how many seconds it may take then. The cancellation goes on,
    its cause is what became of the work: None when it succeeded, a TimeoutError when nobody knows.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        if not task.done():
            await end()
            await asyncio.wait([task], timeout=patience)
        known = task.done() and not task.cancelled()
        raise cancelled from task.exception() if known else TimeoutError()
