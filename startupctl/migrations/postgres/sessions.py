"""The sessions that migrations change a PostgreSQL database with: what stands between them and the server is found out."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.databases.postgres_signals import POOLER_STATE
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.codes import LOCK_UNSAFE
from startupctl.migrations.ledger import this_process
from startupctl.wire.pg import open_session
from startupctl.wire.pg_messages import PgError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from startupctl.check import Run
    from startupctl.databases.postgres import PostgresSession
    from startupctl.databases.session import Reader
    from startupctl.wire.pg_target import PgTarget

ROOM_TIMEOUT = 10.0  # seconds until a connection beside the lock's must answer
PROBE_TIMEOUT = 2.0  # seconds until a third one must; a pooler may have no room for it
PROBES = 3
LOOKS, PAUSE = 20, 0.1  # at the holder of the lock: it has a snapshot for a moment while it shows life
SERVER_PROCESS = "SELECT pg_backend_pid()"
NO_ROOM = {
    "what": "a second connection gets no answer while the first holds the lock: a pooler has room for one",
    "cure": "set `migrations.url` to the server itself, past the pooler, or enlarge its pool",
}
ELSEWHERE = {
    "what": "the lock that was taken is not to be seen on the connection that migrates: a proxy leads to different servers",
    "cure": "set `migrations.url` to the server that is written to",
}
PINNED = {
    "what": "the connection that holds the lock keeps a snapshot, for which CREATE INDEX CONCURRENTLY would wait for ever",
    "cure": "set `migrations.url` to the server itself, past what stands in between",
}


@asynccontextmanager
async def beside_lock(
    place: PgTarget, run: Run, lock_key: Callable[[Reader], Awaitable[int]]
) -> AsyncIterator[PostgresSession]:
    """Connect while the lock is held; raises Unhealthy (LCK003) when it does not protect this connection.

    That is where a pooler has no second connection for us, where this one leads to another server, and where
    the lock's stands in the way of others.
    """
    async with AsyncExitStack() as stack:
        try:
            session = await stack.enter_async_context(driver_session(place, run))
            async with asyncio.timeout(ROOM_TIMEOUT):
                process = await _server_process(session)
        except (TimeoutError, PgError, StatementFailed) as error:
            if not _lacks_room(error):
                raise
            raise Unhealthy(Diagnosis(LOCK_UNSAFE, NO_ROOM)) from error
        await _require_lock(session, await lock_key(session))
        session.shared = process != str(session.process) and await _is_shared(session, place, run)
        yield session


def _lacks_room(error: TimeoutError | PgError | StatementFailed) -> bool:
    """Whether a connection beside the lock's gets no answer, or a pooler's own that none became free for it."""
    if isinstance(error, PgError):
        return error.sqlstate == POOLER_STATE
    return isinstance(error, TimeoutError) or error.code == POOLER_STATE


@asynccontextmanager
async def driver_session(place: PgTarget, run: Run) -> AsyncIterator[PostgresSession]:
    """Connect by the speaker, then by psycopg as the speaker got in; raises what the speaker finds, and StatementFailed.

    psycopg does not tell why it was refused, and must not fall back to what was not proven.
    """
    from startupctl.databases.postgres import connected
    from startupctl.migrations.postgres.lock import session_name

    hurried = replace(run, deadline=time.monotonic() + run.connect_timeout)
    async with open_session(place, hurried) as session:
        met = place.proven(encrypted=bool(session.tls))
    name = session_name(this_process())
    opening = connected(met.parameters(), connect_timeout=run.connect_timeout, application_name=name)
    async with opening as driver:
        yield driver


async def _require_lock(session: PostgresSession, key: int) -> None:
    """Raise Unhealthy (LCK003) unless the lock is seen to be held from here, without a snapshot."""
    from startupctl.migrations.postgres.lock import holds_snapshot

    for _ in range(LOOKS):
        pinned = await holds_snapshot(session, key)
        if pinned is None:
            raise Unhealthy(Diagnosis(LOCK_UNSAFE, ELSEWHERE))
        if not pinned:
            return
        await asyncio.sleep(PAUSE)
    raise Unhealthy(Diagnosis(LOCK_UNSAFE, PINNED))


async def _is_shared(session: PostgresSession, place: PgTarget, run: Run) -> bool:
    """Whether a pooler gives the session of the server to others between two transactions.

    It tells clients another process than the server's. Pooling whole sessions it keeps what it gave us; pooling
    transactions it changes that, or gives it to the next who asks.
    """
    ours = {await _server_process(session)}
    try:
        async with asyncio.timeout(PROBE_TIMEOUT), open_session(place, run) as other:
            for _ in range(PROBES):
                ours.add(await _server_process(session))
                if len(ours) > 1 or await _server_process(other) in ours:
                    return True
    except TimeoutError:
        return False
    return False


async def _server_process(reader: Reader) -> str | None:
    [(process,)] = await reader.rows(SERVER_PROCESS)
    return process
