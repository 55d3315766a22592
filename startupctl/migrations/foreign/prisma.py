"""The table of Prisma Migrate: a row for each try, with the checksum of the file.

https://github.com/prisma/prisma-engines, schema-engine: a row that is neither finished nor rolled back is a
migration that failed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from startupctl.migrations.history import Applied, Dirty, History, moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration

TABLES = ("_prisma_migrations",)
NEIGHBOURS = ()

_COLUMNS = ("migration_name", "checksum", "started_at", "finished_at", "rolled_back_at")
_LOCK_KEY = 72707369


def owns(table: Table, neighbours: Collection[str]) -> bool:
    """Whether it has Prisma's columns."""
    del neighbours
    return table.columns >= set(_COLUMNS)


async def read(reader: Reader, table: Table) -> History:
    """Return the migrations that were finished and not rolled back, and those that are neither."""
    rows = await reader.rows(f"SELECT {', '.join(_COLUMNS)} FROM {table.quoted} ORDER BY started_at")  # noqa: S608  (quoted)
    kept = [row for row in rows if not row[4]]
    applied = (Applied(row[0] or "", row[0] or "", moment(row[3]), row[1] or "") for row in kept if row[3])
    dirty = (_dirty(row[0] or "", moment(row[2])) for row in kept if not row[3])
    return History("prisma", table, tuple(applied), tuple(dirty))


def _dirty(name: str, since: str) -> Dirty:
    cure = (
        "look what of it is in the database and complete or undo it by hand; then tell Prisma, "
        f"`prisma migrate resolve --applied {name}` when all of it is there, "
        f"or `prisma migrate resolve --rolled-back {name}` when nothing is"
    )
    return Dirty(name, f"begun at {since} and neither finished nor rolled back", cure)


def key(version: str) -> str:
    """Compare as text: the name of the folder is the version."""
    return version


def edited(history: History, done: Sequence[tuple[Migration, Applied]]) -> Iterator[Migration]:
    """Yield the files whose SHA-256 is another; Prisma takes one in other line ends for the same."""
    del history
    for migration, row in done:
        if row.checksum and migration.raw != row.checksum and row.checksum not in _checksums(migration.up.text):
            yield migration


def _checksums(text: str) -> Iterator[str]:
    unix = text.replace("\r\n", "\n")
    for variant in (text, unix, unix.replace("\n", "\r\n")):
        digest = hashlib.sha256(variant.encode()).digest()
        yield digest.hex()
        yield "".join(f"{byte:x}" for byte in digest)  # older versions left out the leading zero of each byte


def lock_keys(table: Table) -> tuple[int, ...]:
    """Return Prisma's one key."""
    del table
    return (_LOCK_KEY,)
