"""The table of Atlas: a row for each file, with the hash of all files up to it.

https://github.com/ariga/atlas, sql/migrate and cmd/atlas/internal/migrate.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from typing import TYPE_CHECKING

from startupctl.migrations.history import Applied, Dirty, History, moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from startupctl.databases.session import Reader, Row
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration

TABLES = ("atlas_schema_revisions.atlas_schema_revisions", "atlas_schema_revisions")
NEIGHBOURS = ()

_COLUMNS = ("version", "description", "applied", "total", "executed_at", "hash")
_LOCK_KEY = 2686470616  # 32-bit FNV-1 of "atlas_migrate_execute"
_IGNORED = re.compile(rb"^--[ \t]*atlas:sum[ \t]+ignore\b", re.MULTILINE)


def owns(table: Table, neighbours: Collection[str]) -> bool:
    """Whether it has Atlas's columns."""
    del neighbours
    return table.columns >= set(_COLUMNS)


async def read(reader: Reader, table: Table) -> History:
    """Return the files all of whose statements were applied; nothing before the first row is looked at by Atlas."""
    rows = await reader.rows(f"SELECT {', '.join(_COLUMNS)} FROM {table.quoted} ORDER BY version")  # noqa: S608  (quoted)
    found = [row for row in rows if row[0] and not row[0].startswith(".")]  # Atlas Cloud keeps its name in such a row
    whole = [row for row in found if row[2] == row[3]]
    applied = (Applied(row[0] or "", _name(row), moment(row[4]), row[5] or "") for row in whole)
    dirty = (_dirty(row) for row in found if row not in whole)
    return History("atlas", table, tuple(applied), tuple(dirty), (whole[0][0] or "") if whole else "")


def _name(row: Row) -> str:
    return f"{row[0]}_{row[1]}.sql" if row[1] else f"{row[0]}.sql"


def _dirty(row: Row) -> Dirty:
    cure = (
        "look what of it is in the database and complete or undo it by hand; then tell Atlas, "
        f"`atlas migrate set {row[0]}` when all of it is there, or with the version before when nothing is"
    )
    return Dirty(row[0] or "", f"{row[2]} of {row[3]} statements applied", cure)


def key(version: str) -> str:
    """Compare as text."""
    return version


def edited(history: History, done: Sequence[tuple[Migration, Applied]]) -> Iterator[Migration]:
    """Yield the first file with another hash; each covers the files before it, so those behind it tell nothing.

    A file that came in late changes the hashes behind it: what was applied before it is summed again
    without it. When files were removed, nothing can be summed.
    """
    folder = done[0][0].path.parent
    sums = _sums(sorted(folder.glob("*.sql")))
    known = {migration.version for migration, _ in done}
    for migration, row in done:
        if row.checksum and row.checksum.removeprefix("h1:") != sums.get(migration.path):
            before = sorted(one.path for one, other in done if one.path <= migration.path and other.at <= row.at)
            gone = any(other.version not in known for other in history.applied if other.version < migration.version)
            if not gone and row.checksum.removeprefix("h1:") != _sums(before).get(migration.path):
                yield migration
            return


def _sums(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the hashes as they stand in atlas.sum; a file that is to be ignored has none."""
    total = hashlib.sha256()
    found = {}
    for path in paths:
        total.update(path.name.encode())
        content = path.read_bytes()
        if not _IGNORED.search(content):
            total.update(content)
            found[path] = b64encode(total.digest()).decode()
    return found


def lock_keys(table: Table) -> tuple[int, ...]:
    """Return Atlas's one key."""
    del table
    return (_LOCK_KEY,)
