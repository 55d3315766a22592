"""A lock in ClickHouse Keeper, through a table of the engine KeeperMap: all servers of the Keeper see the same one.

In strict mode an INSERT fails when the key is there, and a change when the row is no longer what was read.
https://clickhouse.com/docs/engines/table-engines/special/keeper-map
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.migrations.clickhouse.rows import quoted_table
from startupctl.migrations.lease import Claim
from startupctl.quoting import clickhouse_text, is_clickhouse_table

if TYPE_CHECKING:
    from startupctl.databases.clickhouse import ClickHouseSession
    from startupctl.databases.session import Reader

LABEL = "keeper lease"
SUFFIX = "_keeper"
KEEPER_EXCEPTION = "999"  # somebody was faster, or Keeper is away: the next look tells
# keeper_map_path_prefix is not set, no Keeper in the configuration, no such engine, no right to use it
NOT_CONFIGURED = frozenset({"36", "56", "139", "225", "497"})
CREATE_TRIES = 5
STRICT = "keeper_map_strict_mode = 1"
PATIENCE = 10.0  # seconds a swap may take when the run is interrupted
NOW = "toUnixTimestamp64Milli(now64(3))"
_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (name String, token String, holder String, since UInt64, seen UInt64, length UInt64)
ENGINE = KeeperMap({path}) PRIMARY KEY name"""


class KeeperLook:
    """Who has the lease of one ledger; `find_leases` makes it."""

    def __init__(self, reader: Reader, quoted: str) -> None:
        """Take the table, quoted; nothing is asked yet."""
        self._reader, self._quoted = reader, quoted

    async def look(self) -> tuple[Claim | None, int]:
        """Return who has it."""
        columns = "any(token), any(holder), any(since), any(seen), any(length)"
        sql = f"SELECT {NOW}, count(), {columns} FROM {self._quoted} WHERE name = 'lock'"  # noqa: S608  (quoted)
        [(now, count, token, holder, *times)] = await self._reader.rows(sql)
        since, seen, length = (int(time or 0) for time in times)
        return (Claim(token or "", holder or "", since, seen, length) if count != "0" else None), int(now or 0)


class KeeperLeases(KeeperLook):
    """The lease of one ledger, to be taken and given back; `open_leases` makes it."""

    label = LABEL

    def __init__(self, session: ClickHouseSession, quoted: str) -> None:
        """Take the table, quoted; nothing is asked yet."""
        super().__init__(session, quoted)
        self._session = session

    async def swap(self, old: Claim | None, new: Claim | None) -> bool:
        """Put one claim in the place of another; what is not there any more is not changed."""
        try:
            if old and new and old.token == new.token:
                await self._note(f"ALTER TABLE {self._quoted} UPDATE seen = {new.seen} {_where(old)} SETTINGS {STRICT}")
                return True
            if old:
                await self._note(f"ALTER TABLE {self._quoted} DELETE {_where(old)} SETTINGS {STRICT}")
            if new:
                await self._note(self._insert(new))
        except StatementFailed as error:
            if error.code != KEEPER_EXCEPTION:
                raise
            return False
        return True

    def _insert(self, claim: Claim) -> str:
        texts = (clickhouse_text(text) for text in ("lock", claim.token, claim.name))
        values = ", ".join((*texts, str(claim.since), str(claim.seen), str(claim.length)))
        return f"INSERT INTO {self._quoted} SETTINGS {STRICT}, async_insert = 0 VALUES ({values})"  # noqa: S608  (quoted)

    async def _note(self, sql: str) -> None:
        await self._session.note(sql)


async def find_leases(reader: Reader, schema: str, ledger: str) -> KeeperLook | None:
    """Return the lease of a ledger where its table is there."""
    where = is_clickhouse_table(schema, ledger + SUFFIX, "name")
    rows = await reader.rows(f"SELECT 1 FROM system.tables WHERE {where}")  # noqa: S608  (quoted)
    return KeeperLook(reader, quoted_table(schema, ledger + SUFFIX)) if rows else None


async def open_leases(session: ClickHouseSession, schema: str, ledger: str) -> KeeperLeases | None:
    """Make the table unless it is there; None when this server keeps no such tables.

    Raises StatementFailed when Keeper is away: others may hold a lock in it.
    """
    rows = await session.rows("SELECT currentDatabase()")
    path = _path(schema or rows[0][0] or "", ledger)
    quoted = quoted_table(schema, ledger + SUFFIX)
    for tries_left in reversed(range(CREATE_TRIES)):
        try:
            await session.note(_TABLE.format(table=quoted, path=clickhouse_text(path)))
        except StatementFailed as error:
            if error.code in NOT_CONFIGURED:
                return None
            if error.code != KEEPER_EXCEPTION or not tries_left:  # servers that create it at once
                raise
        else:
            break
    return KeeperLeases(session, quoted)


def _path(database: str, ledger: str) -> str:
    """Return where it lies in Keeper, below the prefix of the server."""
    digest = hashlib.sha256(f"{database}.{ledger}".encode()).hexdigest()
    return f"/startupctl_{digest[:16]}"


def _where(claim: Claim) -> str:
    """Return the condition for a row that is still as it was read."""
    return f"WHERE name = 'lock' AND token = {clickhouse_text(claim.token)} AND seen = {claim.seen}"
