"""A PostgreSQL session on psycopg: autocommit, the simple protocol, every value as text."""

from __future__ import annotations

import math
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import psycopg

    from startupctl.databases.session import Row

LEAST_TIMEOUT = 2  # seconds; libpq takes less for none
# a peer that is gone is noticed within a minute
KEEPALIVE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
# https://www.postgresql.org/docs/current/errcodes-appendix.html: what may succeed when it is tried again
TRANSIENT_CLASSES = frozenset({"08", "40", "53", "57", "58", "XX"})
TRANSIENT_STATES = frozenset({"55006"})  # object_in_use
PERMANENT_STATES = frozenset({"53100", "XX001", "XX002"})  # disk_full, data_corrupted, index_corrupted
# admin_shutdown, crash_shutdown, idle_session_timeout, idle_in_transaction_session_timeout, transaction_timeout
ENDS_SESSION = frozenset({"57P01", "57P02", "57P05", "25P03", "25P04"})
LOCK_NOT_AVAILABLE = "55P03"
# what the loser of a race to create an object gets: duplicate_database, _schema, _table, _object, object_in_use
MADE_BY_ANOTHER = frozenset({"42P04", "42P06", "42P07", "42710", "55006"})
UNIQUE_VIOLATION = "23505"
TRANSACTION_TIMEOUT_SINCE = 170000  # as a number of the server's version


class PostgresSession:
    """One connection.

    psycopg itself ends a statement on the server when the waiting task is cancelled, and reads what
    became of it before the cancellation goes on (AsyncConnection.wait).
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Wrap a connection; use `connected` to make one."""
        self._connection = connection
        self.shared = False
        """Whether a pooler gives the server's session to others between our transactions."""
        self.more_follows = False
        """Whether another commit of this run will wait for the disk, so that the next one need not."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, also a failed one."""
        return self._connection.info.transaction_status.name in ("INTRANS", "INERROR", "ACTIVE")

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.closed

    @property
    def process(self) -> int:
        """The id of the server's process as the login told it; a pooler tells one of its own."""
        return self._connection.info.backend_pid

    @property
    def limits(self) -> tuple[str, ...]:
        """The settings that end a transaction or a session that takes its time."""
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        since = self._connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE
        return (*names, "transaction_timeout") if since else names

    @property
    def unlimited(self) -> str:
        """The statements that switch off what would end this transaction: it takes as long as it takes."""
        return "; ".join(f"SET LOCAL {name} = 0" for name in self.limits)

    async def rows(self, sql: str) -> list[Row]:
        """Send the text as one simple query; return the rows of its last statement that has any."""
        import psycopg
        from psycopg import generators

        connection = self._connection
        try:
            async with connection.lock:
                connection.pgconn.send_query(sql.encode())
                results = await connection.wait(generators.execute(connection.pgconn))
        except psycopg.Error as error:
            raise failed(error, lost=True) from error
        _require_success(results, lost=connection.closed)
        return next((_text_rows(result) for result in reversed(results) if result.nfields), [])

    async def execute(self, sql: str) -> None:
        """Send the text, which may hold several statements, as one simple query."""
        await self.rows(sql)

    async def roll_back(self) -> None:
        """End an open transaction; a connection that is gone has ended it already."""
        if not self.closed and self.in_transaction:
            with suppress(StatementFailed):
                await self.execute("ROLLBACK")

    async def close(self) -> None:
        """Close; the server rolls back what was not committed."""
        await self._connection.close()


@asynccontextmanager
async def connected(
    parameters: Mapping[str, str], *, connect_timeout: float, application_name: str
) -> AsyncIterator[PostgresSession]:
    """Connect with libpq parameters and close at the end; raises StatementFailed with `lost` when it cannot.

    psycopg does not tell the SQLSTATE of a refused connection.
    """
    import psycopg

    given: dict[str, Any] = {
        **KEEPALIVE,
        **parameters,
        **await _address(parameters),
        "application_name": application_name,
        "client_encoding": "UTF8",
        "connect_timeout": max(LEAST_TIMEOUT, math.ceil(connect_timeout)),
    }
    try:
        connection = await psycopg.AsyncConnection.connect(**given, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise failed(error, lost=True) from error
    session = PostgresSession(connection)
    try:
        yield session
    finally:
        await session.close()


def failed(error: psycopg.Error, *, lost: bool, done: int | None = None) -> StatementFailed:
    """Translate an error of psycopg; `lost` says that the connection is gone, `done` what succeeded before."""
    diagnostic = error.diag
    lost = lost or error.sqlstate in ENDS_SESSION
    position = diagnostic.statement_position
    words = [diagnostic.message_primary or str(error), diagnostic.message_detail, diagnostic.message_hint]
    return StatementFailed(
        error.sqlstate or "",
        "; ".join(word for word in words if word),
        FailureClass.TRANSIENT if lost else failure_of(error.sqlstate or ""),
        position=int(position) if position else None,
        done=done,
        lost=lost,
        constraint=diagnostic.constraint_name or "",
    )


def failure_of(sqlstate: str) -> FailureClass:
    """Return how a failed statement behaves when it is tried again."""
    if sqlstate == LOCK_NOT_AVAILABLE:
        return FailureClass.CONTENTION
    if sqlstate in PERMANENT_STATES:
        return FailureClass.PERMANENT
    if sqlstate in TRANSIENT_STATES or sqlstate[:2] in TRANSIENT_CLASSES:
        return FailureClass.TRANSIENT
    return FailureClass.PERMANENT


def lost_race(error: StatementFailed) -> bool:
    """Whether a CREATE failed because somebody else has just created the same.

    `IF NOT EXISTS` does not prevent it: the loser of a simultaneous creation violates a unique index
    of the catalogue.
    """
    return error.code in MADE_BY_ANOTHER or (error.code == UNIQUE_VIOLATION and error.constraint.startswith("pg_"))


def _require_success(results: Sequence[Any], *, lost: bool) -> None:
    """Raise StatementFailed for the first result that is an error, or that waits for data nobody sends."""
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    for done, result in enumerate(results):
        if result.status == ExecStatus.FATAL_ERROR:
            raise failed(error_from_result(result), lost=lost, done=done)
        if result.status in (ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH):
            said = "COPY from or to the client has no data here; use INSERT, or COPY with a file of the server"
            raise StatementFailed("", said, FailureClass.PERMANENT, done=done)


def _text_rows(result: Any) -> list[Row]:
    columns = range(result.nfields)
    return [tuple(_text(result.get_value(row, column)) for column in columns) for row in range(result.ntuples)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


async def _address(parameters: Mapping[str, str]) -> dict[str, str]:
    """Resolve the host name on a thread of its own: psycopg would take one of the shared executor."""
    host = parameters.get("host", "")
    if not host or host.startswith(("/", "@")) or "," in host or "hostaddr" in parameters:
        return {}
    try:
        found: Sequence[Any] = await in_thread(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise StatementFailed("", f"`{host}` cannot be resolved", FailureClass.TRANSIENT, lost=True) from error
    addresses = list(dict.fromkeys(address[4][0] for address in found))
    return {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses)}
