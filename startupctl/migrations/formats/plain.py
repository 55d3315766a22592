"""Numbered `.sql` files, all of them up: `1_users.sql`, `0002-plans.sql`, `20260131120000_events.sql`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.errors import Mark, Problem
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.migrations.folder import Folder, Source

RANK = 0
APPLIES_LATE = False

_NAME = re.compile(r"(\d+)(?:[_. -].*)?\.sql", re.ASCII)
_REVERSE = re.compile(r"\.(up|down|rollback|undo)\.sql$", re.IGNORECASE)
_FOREIGN = re.compile(r"^--[ \t]*(migrate:(?:up|down)|\+goose|migrator:(?:up|down))\b.*$", re.MULTILINE | re.IGNORECASE)
_OUTSIDE = re.compile(r"^--[ \t]*transaction:false[ \t]*\r?$", re.MULTILINE)


def recognises(folder: Folder) -> bool:
    """Whether a file has a number: everything that no other format claims is read here."""
    return any(map(_NAME.fullmatch, folder.top))


def order(migration: Migration) -> int:
    """Order by number."""
    return int(migration.version)


def read(folder: Folder) -> Iterator[Migration]:
    """Read every file; a line `-- transaction:false` keeps it out of a transaction.

    A file with the markers of a tool that also has a way down is refused: its down part would run too.
    """
    for source in folder.sources(folder.top):
        found = _read(source, folder.problems)
        if found:
            yield found


def _read(source: Source, problems: list[Problem]) -> Migration | None:
    name = source.name
    numbered = _NAME.fullmatch(name)
    foreign = _FOREIGN.search(source.text)
    if not numbered or _REVERSE.search(name):
        what = "is no name of a numbered migration"
        problems.append(Problem(what, hint="name it as 0001_what_it_does.sql", mark=Mark(str(source.path))))
        return None
    if foreign:
        line = source.text.count("\n", 0, foreign.start()) + 1
        what = f"`{foreign[0].strip()}` marks the file of another tool, which cannot be read as plain SQL"
        problems.append(Problem(what, hint="set `migrations.format`", mark=Mark(str(source.path), line, 1)))
        return None
    return Migration(
        version=str(int(numbered[1])),
        name=name,
        format="plain",
        raw=source.raw,
        up=Script(source.path, source.text, transaction=not _OUTSIDE.search(source.text)),
    )
