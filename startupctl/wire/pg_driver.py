"""The same conversation through psycopg and libpq, for targets the speaker does not know."""

from __future__ import annotations

import asyncio
import ctypes
import re
import time
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken
from startupctl.threads import in_thread
from startupctl.wire.pg_messages import PgError, Row, text_of
from startupctl.wire.pg_session import DriverFailed
from startupctl.wire.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from psycopg import pq

    from startupctl.check import Run
    from startupctl.wire.pg_target import PgTarget

# libpq keeps only the text of a refused connection. With this verbosity the text holds the SQLSTATE at a
# fixed place, in any language: https://www.postgresql.org/docs/current/libpq-control.html#LIBPQ-PQSETERRORVERBOSITY
PQERRORS_VERBOSE = 2
_REFUSAL = re.compile(r":  ([0-9A-Z]{5}): ([^\n]*)")


class DriverSession:
    """A connection of libpq, driven from the event loop."""

    def __init__(self, connection: pq.abc.PGconn, target: PgTarget, run: Run) -> None:
        """Take over a connection that was made."""
        self._connection, self._target, self._run = connection, target, run

    @property
    def tls(self) -> str | bool:
        """Whether there is TLS; libpq does not tell the version through psycopg."""
        return self._connection.ssl_in_use

    async def rows(self, sql: str) -> list[Row]:
        """Execute statements; return the rows of the last one that has any, as text. Raises PgError, ConnectionBroken."""
        import psycopg
        from psycopg import generators, waiting

        self._connection.send_query(sql.encode())
        try:
            async with asyncio.timeout(self._run.left()):
                results = await waiting.wait_async(generators.execute(self._connection), self._connection.socket)
        except (psycopg.OperationalError, TimeoutError) as error:
            cause = error if isinstance(error, TimeoutError) else EOFError()
            raise ConnectionBroken(self._target.endpoint, Phase.QUERY, cause, received=1) from error
        return _rows(results)


@asynccontextmanager
async def open_driver_session(target: PgTarget, run: Run) -> AsyncIterator[DriverSession]:
    """Connect by libpq; the connection is closed at the end.

    Raises PgError, ConnectionBroken where a look of our own finds why, else DriverFailed.
    """
    from psycopg import conninfo, errors

    try:
        text = conninfo.make_conninfo(**target.parameters())
    except errors.Error as error:
        raise DriverFailed(target, str(error), invalid=True) from error
    connection = await in_thread(_started, text.encode())
    await _connected(connection, target, run)
    try:
        yield DriverSession(connection, target, run)
    finally:
        connection.finish()


def _started(text: bytes) -> pq.abc.PGconn:
    """Begin to connect; resolves names, so it blocks."""
    from psycopg import pq

    connection = pq.PGconn.connect_start(text)
    library = _libpq()
    if library:
        library.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.PQsetErrorVerbosity(getattr(connection, "pgconn_ptr", None), PQERRORS_VERBOSE)
    return connection


async def _connected(connection: pq.abc.PGconn, target: PgTarget, run: Run) -> None:
    """Go through with connecting; closes the connection when that fails."""
    from psycopg.pq import ConnStatus, PollingStatus

    started = time.monotonic()
    status = PollingStatus.FAILED if connection.status == ConnStatus.BAD else PollingStatus.WRITING
    try:
        async with asyncio.timeout(run.left()):
            while status in (PollingStatus.READING, PollingStatus.WRITING):
                status = PollingStatus(await _step(connection, reading=status == PollingStatus.READING))
    except TimeoutError as error:
        seconds = time.monotonic() - started
        raise ConnectionBroken(target.endpoint, Phase.GREET, error, seconds=seconds) from error
    if status != PollingStatus.OK:
        text = text_of(connection.error_message)
        connection.finish()
        raise await _why(text, target, run)


async def _step(connection: pq.abc.PGconn, *, reading: bool) -> int:
    """Wait for the socket and go on, on a thread: it resolves the name of the next host.

    When the caller is cancelled meanwhile the connection is closed as soon as the thread has left it.
    """
    try:
        await _ready(connection.socket, reading=reading)
    except asyncio.CancelledError:
        connection.finish()
        raise
    polling = asyncio.ensure_future(in_thread(connection.connect_poll))
    try:
        return await asyncio.shield(polling)
    except asyncio.CancelledError:
        polling.add_done_callback(lambda _: connection.finish())
        raise


async def _ready(socket: int, *, reading: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add, remove = (loop.add_reader, loop.remove_reader) if reading else (loop.add_writer, loop.remove_writer)
    add(socket, ready.set)
    try:
        await ready.wait()
    finally:
        remove(socket)


async def _why(text: str, target: PgTarget, run: Run) -> Exception:
    """Return the server's refusal, else what a look of our own at the address finds, else libpq's words."""
    refusal = _REFUSAL.search(text)
    if refusal:
        return PgError({"C": refusal[1], "M": refusal[2], "V": "FATAL"}, phase=Phase.AUTH)
    try:
        async with Stream.open(target.endpoint, run):
            return DriverFailed(target, text.strip())
    except ConnectionBroken as error:
        return error


def _rows(results: list[pq.abc.PGresult]) -> list[Row]:
    from psycopg.pq import DiagnosticField, ExecStatus

    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            fields = {field.value: result.error_field(field) for field in DiagnosticField}
            raise PgError({chr(key): text_of(value) for key, value in fields.items() if value}, phase=Phase.QUERY)
    last = next((result for result in reversed(results) if result.nfields), results[-1])
    columns = range(last.nfields)
    return [
        tuple(None if (value := last.get_value(row, column)) is None else value.decode() for column in columns)
        for row in range(last.ntuples)
    ]


@cache
def _libpq() -> ctypes.CDLL | None:
    """Return the libpq that psycopg has loaded, None where the system does not tell which."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    found = re.search(r"\S*/libpq[-.][^/\n]*\.so[^/\n]*", maps)
    return ctypes.CDLL(found[0]) if found else None
