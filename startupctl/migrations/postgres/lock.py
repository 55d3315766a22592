"""The migration lock of PostgreSQL: a transaction-level advisory lock on a connection of its own.

It works through a pooler in transaction mode, a crash frees it, and it stands in nobody's way: asked for
by the simple protocol in READ COMMITTED it leaves no snapshot, which CREATE INDEX CONCURRENTLY would
wait for; those who wait for it have no open transaction.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.migrations.lock import HeldLock, Holder, kept, wait_for
from startupctl.quoting import quote_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from startupctl.check import Run
    from startupctl.databases.postgres import PostgresSession
    from startupctl.databases.session import Reader

LABEL = "postgres advisory"
FRESH = 1.0  # seconds a sign of life stands for the next: small files are not slowed by asking before each
# the two halves of the key are unsigned in pg_locks; https://www.postgresql.org/docs/current/view-pg-locks.html
_HELD = """
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = {high} AND l.objid = {low}
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_HOLDER = f"""
SELECT coalesce(nullif(a.application_name, ''), 'somebody'), l.pid, coalesce(host(a.client_addr), 'local'),
  to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), extract(epoch FROM clock_timestamp() - a.state_change)
{_HELD}"""  # noqa: S608  (constants)
_SNAPSHOT = f"SELECT a.backend_xmin IS NOT NULL {_HELD}"


SESSION_PREFIX = "startupctl:"
HOST_SHOWN = 40  # the server keeps 63 bytes of an application name


def session_name(process: str) -> str:
    """Return how the sessions of a process, `host:pid`, are called on the server."""
    host, _, number = process.rpartition(":")
    return f"{SESSION_PREFIX}{host[:HOST_SHOWN]}:{number}"


def lock_key(schema: str, table: str) -> int:
    """Return the key of a ledger's lock: signed 64 bits, the same for every version of startupctl."""
    digest = hashlib.sha256(f"startupctl/lock/1:{schema}.{table}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@asynccontextmanager
async def postgres_lock(
    session: PostgresSession, keys: Sequence[int], run: Run, patience: float
) -> AsyncIterator[HeldLock]:
    """Hold all of these locks on a session that does nothing else; raises Unhealthy (LCK001, LCK002) and StatementFailed."""
    waited = await wait_for(partial(_take, session, keys), run, patience)
    async with kept(HeldLock(LABEL, waited, _Pulse(session))) as held:
        try:
            yield held
        finally:
            await session.roll_back()


async def _take(session: PostgresSession, keys: Sequence[int]) -> Holder | None:
    """Try to take all locks, or none; return who else has the first that is taken."""
    await session.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    for key in keys:
        if await session.rows(f"SELECT pg_try_advisory_xact_lock({key})") != [("t",)]:
            await session.execute("ROLLBACK")
            return await holder_of(session, key) or Holder("somebody", silent=0.0)  # it was freed in this moment
    await session.execute(session.unlimited)
    return None


async def holder_of(reader: Reader, key: int) -> Holder | None:
    """Return who holds the lock, None when it is free."""
    found = await reader.rows(_HOLDER.format_map(_halves(key)))
    if not found:
        return None
    name, pid, address, since, silent = found[0]
    who = f"{name} (server process {pid}, from {address})"
    return Holder(who, since or "", float(silent) if silent else None, _ending(name or "", pid))


def _ending(name: str, pid: str | None) -> str:
    """Return the statement that ends a holder; of one of ours also the session that changes something."""
    if not name.startswith(SESSION_PREFIX):
        return f"SELECT pg_terminate_backend({pid})"
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = {quote_text(name)}"  # noqa: S608  (quoted)


async def holds_snapshot(reader: Reader, key: int) -> bool | None:
    """Return whether the holder of the lock keeps a snapshot, seen from another connection; None without a holder."""
    found = await reader.rows(_SNAPSHOT.format_map(_halves(key)))
    return found[0][0] == "t" if found else None


def _halves(key: int) -> dict[str, int]:
    bits = key & 0xFFFFFFFFFFFFFFFF
    return {"high": bits >> 32, "low": bits & 0xFFFFFFFF}


class _Pulse:
    """The sign of life on the lock's connection; one given a moment ago is good enough."""

    def __init__(self, session: PostgresSession) -> None:
        self._session, self._seen = session, time.monotonic()

    async def __call__(self) -> None:
        if time.monotonic() - self._seen < FRESH:
            return
        try:
            await self._session.execute("SELECT 1")
        except StatementFailed as error:
            raise ConnectionError(error.said) from error
        self._seen = time.monotonic()
