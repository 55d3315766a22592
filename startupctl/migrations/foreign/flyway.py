"""The table of Flyway: a row for everything it did, in the order of `installed_rank`.

https://github.com/flyway/flyway, flyway-core: JdbcTableSchemaHistory, LoadableResource, PostgreSQLAdvisoryLockTemplate.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zlib import crc32

from startupctl.migrations.history import Applied, Dirty, History, is_true, moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from startupctl.databases.session import Reader, Row
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration, Script

TABLES = ("flyway_schema_history",)
NEIGHBOURS = ()

_COLUMNS = ("version", "description", "type", "script", "checksum", "installed_on", "success")
_REPEATABLE = "R__"
_LOCK_BASE = 0x466C79776179  # "Flyway"
_CURE = (
    "look what of it is in the database and complete or undo it by hand; then `flyway repair` removes the failed row, "
    "and it is applied again here"
)


def owns(table: Table, neighbours: Collection[str]) -> bool:
    """Whether it has Flyway's columns."""
    del neighbours
    return table.columns >= {*_COLUMNS, "installed_rank"}


async def read(reader: Reader, table: Table) -> History:
    """Return what is in force after all rows, one after the other; rows below rank 0 are locks."""
    ranked = "WHERE installed_rank >= 0 ORDER BY installed_rank"
    rows = await reader.rows(f"SELECT {', '.join(_COLUMNS)} FROM {table.quoted} {ranked}")  # noqa: S608  (quoted)
    applied: dict[str, Applied] = {}
    dirty: dict[str, Dirty] = {}
    baseline = ""
    for row in rows:
        found, kind, success = _applied(row), row[2] or "", is_true(row[6])
        if not found:
            continue
        if kind == "BASELINE":
            baseline = found.version
        _enter(applied, dirty, found, kind, success=success)
    return History("flyway", table, tuple(applied.values()), tuple(dirty.values()), baseline)


def _applied(row: Row) -> Applied | None:
    """Read a row; None for one that is no migration, as the creation of a schema."""
    version, description, kind, script, checksum, at, _ = (value or "" for value in row)
    if kind == "SCHEMA":
        return None
    repeatable = _REPEATABLE + description.replace(" ", "_")
    return Applied(version or repeatable, script, moment(at), checksum)


def _enter(applied: dict[str, Applied], dirty: dict[str, Dirty], found: Applied, kind: str, *, success: bool) -> None:
    """Lay one row over those before it."""
    dirty.pop(found.version, None)
    if kind == "DELETE" or (kind.startswith("UNDO") and success):
        applied.pop(found.version, None)
    elif success:
        applied[found.version] = found
    else:
        dirty[found.version] = Dirty(found.version, "failed", _CURE)


def key(version: str) -> tuple[bool, tuple[int, ...], str]:
    """Compare the parts as numbers, so that `1.0` is `1`; repeatable ones by their description, after all others."""
    if version.startswith(_REPEATABLE):
        return True, (), version.removeprefix(_REPEATABLE).replace("_", " ")
    parts = [int(part) for part in re.split(r"[._]", version) if part]
    while parts and not parts[-1]:
        parts.pop()
    return False, tuple(parts), ""


def edited(history: History, done: Sequence[tuple[Migration, Applied]]) -> Iterator[Migration]:
    """Yield the files whose CRC32, over their lines without line ends, is another; programs have one of their own."""
    del history
    for migration, row in done:
        if row.checksum and not migration.obstacle and _checksum(migration.up) != int(row.checksum):
            yield migration


def _checksum(script: Script) -> int:
    text = script.text if script.written is None else script.written
    total = 0
    for line in re.split(r"\r\n|\r|\n", text):
        total = crc32(line.encode(), total)
    return total - 2**32 if total >= 2**31 else total


def lock_keys(table: Table) -> tuple[int, ...]:
    """Return the key of the lock on this table."""
    return (_LOCK_BASE + java_hash(table.quoted),)


def java_hash(text: str) -> int:
    """Return what String.hashCode of Java gives: signed 32 bits over UTF-16 units."""
    units = text.encode("utf-16-be")
    total = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        total = (total * 31 + (high << 8 | low)) % 2**32
    return total - 2**32 if total >= 2**31 else total
