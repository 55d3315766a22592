"""A lock in a ClickHouse without Keeper: a table whose one column is named after the holder.

CREATE TABLE succeeds for one of several, and so does an ALTER that adds a column and drops one that must be
there: each is a compare and swap. What the column says of the holder stands in its comment. The table stays, for
who drops it might drop the lock of another. It is best-effort: the lease of a holder that stands still runs out,
and where several servers answer at one address each has a table of its own.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.clickhouse.lock_keeper import NOW, find_leases, open_leases
from startupctl.migrations.clickhouse.rows import quoted_table
from startupctl.migrations.codes import LOCK_UNSAFE
from startupctl.migrations.lease import Claim, break_lease, holder_of, leased
from startupctl.quoting import clickhouse_name, clickhouse_text, is_clickhouse_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from startupctl.check import Run
    from startupctl.databases.clickhouse import ClickHouseSession
    from startupctl.databases.session import Reader
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.lease import Leases
    from startupctl.migrations.lock import HeldLock, Holder

LABEL = "best-effort"
SUFFIX = "_lock"
FREE, HELD = "free", "held_"
TABLE_EXISTS, NO_SUCH_COLUMN, NO_SUCH_TABLE = "57", "10", "60"


@asynccontextmanager
async def clickhouse_lock(session: ClickHouseSession, keys: MigrationKeys, run: Run) -> AsyncIterator[HeldLock]:
    """Hold the lock of a ledger, on a session that does nothing else.

    Raises Unhealthy (LCK001, LCK002, LCK003) and StatementFailed.
    """
    leases = await leases_of(session, keys.table)
    async with leased(leases, run, keys.lock_timeout) as held:
        yield held


async def holder_on(reader: Reader, table: str) -> Holder | None:
    """Return who holds the lock of a ledger, None when it is free; asking makes no table."""
    schema, _, ledger = table.rpartition(".")
    return await holder_of(await find_leases(reader, schema, ledger) or TableLook(reader, schema, ledger))


async def unlock(session: ClickHouseSession, table: str, holder: Holder) -> bool:
    """Free the lock of a ledger if this holder still has it; return whether it had."""
    return await break_lease(await leases_of(session, table), holder)


async def leases_of(session: ClickHouseSession, table: str) -> Leases:
    """Return where the lock of a ledger is: in Keeper, else in a table of its own."""
    schema, _, ledger = table.rpartition(".")
    return await open_leases(session, schema, ledger) or TableLeases(session, schema, ledger)


class TableLook:
    """Who has the lease of one ledger; without a schema its table is in the database of the session."""

    def __init__(self, reader: Reader, schema: str, ledger: str) -> None:
        """Nothing is asked yet."""
        self._reader, self._schema, self._name = reader, schema, ledger + SUFFIX
        self._quoted = quoted_table(schema, self._name)
        self._made = False

    async def look(self) -> tuple[Claim | None, int]:
        """Return who has it; raises Unhealthy (LCK003) for a table that is no lock."""
        where = is_clickhouse_table(self._schema, self._name)
        sql = f"SELECT {NOW}, count(), any(name), any(comment) FROM system.columns WHERE {where}"  # noqa: S608  (quoted)
        [(now, count, column, comment)] = await self._reader.rows(sql)
        self._made = count != "0"
        if not self._made or column == FREE:
            return None, int(now or 0)
        claim = _read(column or "", comment or "") if count == "1" else None
        if claim is None:
            raise Unhealthy(Diagnosis(LOCK_UNSAFE, _not_ours(self._quoted)))
        return claim, int(now or 0)


class TableLeases(TableLook):
    """The lease of one ledger, to be taken and given back."""

    label = LABEL

    def __init__(self, session: ClickHouseSession, schema: str, ledger: str) -> None:
        """Nothing is asked yet."""
        super().__init__(session, schema, ledger)
        self._session = session

    async def swap(self, old: Claim | None, new: Claim | None) -> bool:
        """Put one claim in the place of another; it is not broken off in the middle."""
        try:
            await self._session.note(self._statement(old, new))
        except StatementFailed as error:
            if error.code not in (TABLE_EXISTS, NO_SUCH_COLUMN, NO_SUCH_TABLE):
                raise
            return False
        return True

    def _statement(self, old: Claim | None, new: Claim | None) -> str:
        column, comment = _written(new)
        if not self._made:
            return f"CREATE TABLE {self._quoted} ({column} UInt8 COMMENT {comment}) ENGINE = MergeTree ORDER BY tuple()"
        before, _ = _written(old)
        if before == column:
            return f"ALTER TABLE {self._quoted} COMMENT COLUMN {column} {comment}"
        return f"ALTER TABLE {self._quoted} ADD COLUMN {column} UInt8 COMMENT {comment}, DROP COLUMN {before}"


def _written(claim: Claim | None) -> tuple[str, str]:
    """Return the column and its comment, quoted."""
    if claim is None:
        return clickhouse_name(FREE), clickhouse_text("")
    words = "|".join((claim.name, str(claim.since), str(claim.seen), str(claim.length)))
    return clickhouse_name(HELD + claim.token), clickhouse_text(words)


def _read(column: str, comment: str) -> Claim | None:
    name, *times = comment.rsplit("|", 3)
    if not column.startswith(HELD) or len(times) != 3 or not all(time.isdecimal() for time in times):  # noqa: PLR2004  (as they are written)
        return None
    since, seen, length = map(int, times)
    return Claim(column.removeprefix(HELD), name, since, seen, length)


def _not_ours(table: str) -> dict[str, str]:
    return {
        "what": f"the table {table} is where the migration lock belongs, and it is no lock of startupctl",
        "cure": "give `migrations.table` another name: that of the lock follows from it",
    }
