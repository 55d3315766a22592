"""The table of goose: a row for each time a version went up, in older databases also for each time it went down.

https://github.com/pressly/goose, internal/dialects: the last row of a version decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.history import Applied, History, is_true, moment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration

TABLES = ("goose_db_version",)
NEIGHBOURS = ()

_COLUMNS = frozenset({"version_id", "is_applied", "tstamp"})
_ORIGIN = "0"  # the row that goose begins with
_LOCK_KEY = 4097083626  # lock/postgres.go: the same for every table


def owns(table: Table, neighbours: Collection[str]) -> bool:
    """Whether it has goose's columns."""
    del neighbours
    return table.columns >= _COLUMNS


async def read(reader: Reader, table: Table) -> History:
    """Return the versions whose last row says applied."""
    order = "id" if "id" in table.columns else "tstamp"
    rows = await reader.rows(f"SELECT version_id, is_applied, tstamp FROM {table.quoted} ORDER BY {order}")  # noqa: S608  (quoted)
    last = {version: (is_true(applied), at) for version, applied, at in rows if version and version != _ORIGIN}
    applied = (Applied(version, at=moment(at)) for version, (up, at) in last.items() if up)
    return History("goose", table, tuple(sorted(applied, key=lambda row: key(row.version))))


def key(version: str) -> int:
    """Compare as numbers."""
    return int(version)


def edited(history: History, done: Sequence[tuple[Migration, Applied]]) -> tuple[Migration, ...]:
    """Return none: goose keeps no checksums."""
    del history, done
    return ()


def lock_keys(table: Table) -> tuple[int, ...]:
    """Return goose's one key."""
    del table
    return (_LOCK_KEY,)
