"""Work that goes on in PostgreSQL without the process that asked for it: it is waited for, never disturbed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from startupctl.migrations.postgres.lock import session_name
from startupctl.quoting import quote_text

if TYPE_CHECKING:
    from startupctl.databases.session import Session

POLL = 0.5  # seconds between two looks at work that goes on without its client
# the server notices that a client is gone only when it has something to say to it
_ORPHANS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = {name} AND state = 'active' AND pid <> pg_backend_pid()"""
# what CREATE and DROP INDEX CONCURRENTLY hold to their end; autovacuum holds it too and builds nothing
_AT_WORK = """
SELECT count(*) FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'relation' AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation = {oid} AND coalesce(a.backend_type, '') <> 'autovacuum worker'"""


async def wait_for_orphans(session: Session, process: str) -> None:
    """Wait while the server still works for a process that is gone."""
    await _wait(session, _ORPHANS.format(name=quote_text(session_name(process))))


async def wait_for_work(session: Session, oid: str) -> None:
    """Wait while somebody builds or drops an index of a table, given by the SQL of its oid."""
    await _wait(session, _AT_WORK.format(oid=oid))


async def _wait(session: Session, counting: str) -> None:
    while await session.rows(counting) != [("0",)]:  # noqa: ASYNC110  (the server has no event for it)
        await asyncio.sleep(POLL)
