"""The table of golang-migrate: the last version, and whether its migration ended.

https://github.com/golang-migrate/migrate, database/*: one row, on ClickHouse the last of many. All versions up
to it count as applied, although one that was added late may never have been.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from startupctl.migrations.history import Applied, Dirty, History, is_true

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration

TABLES = ("schema_migrations",)
NEIGHBOURS = ()

_SEQUENCE = "sequence"
_COLUMNS = frozenset({"version", "dirty"})
_SALT = 1486364155  # database/util.go
_NONE_YET = -1  # the version before the first one


def owns(table: Table, neighbours: Collection[str]) -> bool:
    """Whether it has golang-migrate's columns."""
    del neighbours
    return table.columns in (_COLUMNS, _COLUMNS | {_SEQUENCE})


async def read(reader: Reader, table: Table) -> History:
    """Return the last version as the one up to which all is applied."""
    last = " ORDER BY sequence DESC LIMIT 1" if _SEQUENCE in table.columns else ""
    rows = await reader.rows(f"SELECT version, dirty FROM {table.quoted}{last}")  # noqa: S608  (quoted)
    found = [(version or "", is_true(dirty)) for version, dirty in rows]
    applied = tuple(Applied(version) for version, dirty in found if not dirty and int(version) > _NONE_YET)
    half = tuple(_dirty(version) for version, dirty in found if dirty)
    return History("golang-migrate", table, applied, half, applied[0].version if applied else "")


def _dirty(version: str) -> Dirty:
    cure = (
        f"look what of version {version} is in the database and complete or undo it by hand; then tell golang-migrate, "
        f"`migrate force {version}` when all of it is there, or `migrate force` with the version before when nothing is"
    )
    return Dirty(version, "dirty", cure)


def key(version: str) -> int:
    """Compare as numbers."""
    return int(version)


def edited(history: History, done: Sequence[tuple[Migration, Applied]]) -> tuple[Migration, ...]:
    """Return none: golang-migrate keeps no checksums."""
    del history, done
    return ()


def lock_keys(table: Table) -> tuple[int, ...]:
    """Return two keys: its command line names the database `/name`, as in the URL, a program that embeds it `name`."""
    return tuple(_lock_key(table, name) for name in (f"/{table.database}", table.database))


def _lock_key(table: Table, database: str) -> int:
    return crc32(f"{table.schema}\0{table.name}\0{database}".encode()) * _SALT % 2**32
