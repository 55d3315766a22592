"""Statements ON CLUSTER on their way to the hosts: what the queue of distributed DDL says of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from startupctl.databases.session import StatementFailed
from startupctl.quoting import clickhouse_text

if TYPE_CHECKING:
    from startupctl.databases.session import Reader
    from startupctl.migrations.watch import Watch

TIMED_OUT = "159"  # the statement goes on without its client
MARK = "log_comment"  # a setting, which goes with the statement into the queue
FIRST_LOOK, LAST_LOOK = 0.1, 2.0  # seconds between two looks at what goes on without its client
PATIENCE = 600.0  # seconds in which the hosts do nothing
_UNFINISHED = frozenset({"Inactive", "Active"})


class Host(NamedTuple):
    """One host's part of a statement."""

    name: str
    status: str
    code: str
    said: str

    @property
    def is_done(self) -> bool:
        """Whether the host has executed it."""
        return self.status not in _UNFINISHED and self.code in ("", "0")


async def wait_for_hosts(reader: Reader, query_id: str, watch: Watch) -> list[Host]:
    """Return the hosts of a statement when all have answered, or none did anything for PATIENCE seconds.

    None where the queue does not know it, as without Keeper, or may not be read.
    """
    pause, since, before = FIRST_LOOK, time.monotonic(), list[Host]()
    while True:
        hosts = await _hosts(reader, query_id)
        open_ones = [host for host in hosts if host.status in _UNFINISHED]
        since, before = (since, before) if hosts == before else (time.monotonic(), hosts)
        if not open_ones or time.monotonic() - since >= PATIENCE:
            return hosts
        watch.progress(f"waiting for {', '.join(host.name for host in open_ones)} to execute a statement ON CLUSTER")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LAST_LOOK)


def failure_of_hosts(hosts: list[Host]) -> StatementFailed | None:
    """Return why a statement failed, or that hosts have not answered; None when all have executed it."""
    from startupctl.databases.clickhouse import failed

    for host in hosts:
        if host.status not in _UNFINISHED and not host.is_done:
            return failed(int(host.code), f"on {host.name}: {host.said}")
    silent = [host.name for host in hosts if host.status in _UNFINISHED]
    said = f"not executed by {', '.join(silent)}; it stays in system.distributed_ddl_queue"
    return failed(int(TIMED_OUT), said) if silent else None


async def _hosts(reader: Reader, query_id: str) -> list[Host]:
    which = f"settings[{clickhouse_text(MARK)}] = {clickhouse_text(query_id)}"
    columns = "host, status, exception_code, exception_text"
    sql = f"SELECT {columns} FROM system.distributed_ddl_queue WHERE {which} ORDER BY host, port"  # noqa: S608  (quoted)
    try:
        rows = await reader.rows(sql)
    except StatementFailed as error:
        if error.lost:
            raise
        return []
    return [Host(*(value or "" for value in row)) for row in rows]
