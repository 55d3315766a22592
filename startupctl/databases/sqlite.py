"""A SQLite session on the standard library's module: every call on a thread of its own, no implicit transactions."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from startupctl.databases.session import StatementFailed, end_if_cancelled
from startupctl.databases.sqlite_codes import code_of
from startupctl.threads import in_thread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from startupctl.databases.session import Row

BUSY_TIMEOUT = 5.0  # seconds a statement waits for another process's transaction
# a process was killed in its transaction: who may not write cannot roll it back, and may not read before
UNFINISHED = frozenset({"SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY"})
PATIENCE = 10.0  # seconds an interrupted statement may take to end


class SqliteSession:
    """One connection."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Open a connection that is in autocommit mode; `opened` does so on a thread."""
        self._connect = connect
        self._connection = connect()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    async def rows(self, sql: str) -> list[Row]:
        """Run one statement and return its rows as text; raises StatementFailed."""
        return await end_if_cancelled(in_thread(_translated, self._fetch, sql), self._interrupt, PATIENCE)

    async def execute(self, sql: str) -> None:
        """Run one statement; raises StatementFailed."""
        await self.rows(sql)

    async def roll_back(self) -> None:
        """End an open transaction."""
        if self.in_transaction:
            await self.execute("ROLLBACK")

    async def renew(self) -> None:
        """Close and open again: nothing is set, attached or temporary any more. Raises StatementFailed."""
        await self.close()
        self._connection = await in_thread(_translated, self._connect)

    async def close(self) -> None:
        """Close; what was not committed is rolled back."""
        await in_thread(self._connection.close)

    def _fetch(self, sql: str) -> list[Row]:
        found = self._connection.execute(sql).fetchall()
        return [tuple(None if value is None else str(value) for value in row) for row in found]

    async def _interrupt(self) -> None:
        self._connection.interrupt()


@asynccontextmanager
async def opened(path: Path, *, mode: str) -> AsyncIterator[SqliteSession]:
    """Open a database file and close it at the end.

    `mode` is `ro`, `rw` or `rwc`, which creates the file. Raises StatementFailed.
    """
    session: SqliteSession = await in_thread(_translated, SqliteSession, partial(_connect, path, mode))
    try:
        yield session
    finally:
        await session.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    import sqlite3

    try:
        return _open(path, mode)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in UNFINISHED:
            raise
    _open(path, "rw").close()
    return _open(path, mode)


def _open(path: Path, mode: str) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA schema_version").fetchall()  # opening alone reads nothing
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _translated(call: Callable[..., Any], *args: Any) -> Any:
    import sqlite3

    try:
        return call(*args)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise failed(error) from error


def failed(error: sqlite3.Error | sqlite3.Warning) -> StatementFailed:
    """Translate an error of the module; `code` is the name of SQLite's result code."""
    name = getattr(error, "sqlite_errorname", "")
    return StatementFailed(name, str(error), code_of(name).failure)
