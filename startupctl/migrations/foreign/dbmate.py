"""The table of dbmate: the versions as text, a row each.

https://github.com/amacneil/dbmate, pkg/driver: the same table everywhere but on ClickHouse, where rows are
only added and a rollback is a row with `applied` 0. dbmate takes no lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.history import Applied, History, moment

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration

TABLES = ("schema_migrations",)
RAILS = "ar_internal_metadata"  # Rails keeps its versions in a table of the same name and shape
NEIGHBOURS = (RAILS,)

_ON_CLICKHOUSE = frozenset({"version", "ts", "applied"})


def owns(table: Table, neighbours: Collection[str]) -> bool:
    """Whether it has dbmate's columns, and is not Rails's."""
    return RAILS not in neighbours and table.columns in ({"version"}, _ON_CLICKHOUSE)


async def read(reader: Reader, table: Table) -> History:
    """Return the versions."""
    if table.columns == _ON_CLICKHOUSE:
        query = f"SELECT version, ts FROM {table.quoted} FINAL WHERE applied ORDER BY version"  # noqa: S608  (quoted)
    else:
        query = f"SELECT version, NULL FROM {table.quoted} ORDER BY version"  # noqa: S608  (quoted)
    rows = await reader.rows(query)
    return History("dbmate", table, tuple(Applied(version or "", at=moment(at)) for version, at in rows))


def key(version: str) -> str:
    """Compare as text: `1` and `001` are two versions."""
    return version


def edited(history: History, done: Sequence[tuple[Migration, Applied]]) -> tuple[Migration, ...]:
    """Return none: dbmate keeps no checksums."""
    del history, done
    return ()


def lock_keys(table: Table) -> tuple[int, ...]:
    """Return none: dbmate takes no lock."""
    del table
    return ()
