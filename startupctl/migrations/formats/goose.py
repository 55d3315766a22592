"""goose's files: `00001_users.sql` with `-- +goose Up` and `-- +goose Down`, and Go programs of the same name.

The rules are those of its migration.go and migrate.go.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from startupctl.migrations.folder import is_sql
from startupctl.migrations.formats import BY_CONTENT
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.migrations.folder import Folder, Source
    from startupctl.migrations.goose_sections import Section

RANK = BY_CONTENT
APPLIES_LATE = False
FILLS_PLACEHOLDERS = False
OUTSIDE = "add a line `-- +goose NO TRANSACTION` to `{file}`"

_NAME = re.compile(r"(\d+)_.*\.(?:sql|go)", re.ASCII)
_PROGRAM = "it is written in Go; only the program it is built into can apply it, with goose"
_UNFILLED = "set the variable for startupctl, or correct the line"


def sign(folder: Folder) -> str:
    """Return the first file that has a directive."""
    return next((source.name for source in folder.sources(folder.sql) if _has_directive(source.text)), "")


def order(migration: Migration) -> int:
    """Order by number."""
    return int(migration.version)


def read(folder: Folder) -> Iterator[Migration]:
    """Read every file; a Go program is a migration with an obstacle, as is one whose values are missing."""
    programs = [name for name in folder.files if name.endswith(".go") and not name.endswith("_test.go")]
    for source in folder.sources([*folder.sql, *programs]):
        numbered = _NAME.fullmatch(source.name)
        if numbered and int(numbered[1]):
            migration = _read(folder, source, str(int(numbered[1])))
            if migration:
                yield migration
        elif is_sql(source.name):
            folder.refuse(source.name, "is no name of a migration", "name it as 00001_what_it_does.sql, from 1 on")


def _has_directive(text: str) -> bool:
    return "+goose" in text and any(map(is_directive, text.split("\n")))


def is_directive(line: str) -> bool:
    """Whether goose takes a line for one of its directives, right or wrong."""
    return "+goose" in line and line.lstrip().startswith("--")


def _read(folder: Folder, source: Source, version: str) -> Migration | None:
    from startupctl.migrations.goose_sections import NotRead, sections

    if source.name.endswith(".go"):
        program = Script(source.path, "", parts=(), written=source.text)
        return Migration(version, source.name, "goose", source.raw, program, obstacle=_PROGRAM)
    try:
        found = sections(source.text, os.environ)
    except NotRead as error:
        folder.refuse(source.name, error.what, error.hint, error.line)
        return None
    up = _script(source, found.up, transaction=found.transaction)
    down = _script(source, found.down, transaction=found.transaction) if found.down else None
    return Migration(version, source.name, "goose", source.raw, up, down, obstacle=found.obstacle, cure=_UNFILLED)


def _script(source: Source, section: Section, *, transaction: bool) -> Script:
    written = None if section.written == section.text else section.written
    return Script(source.path, section.text, transaction=transaction, parts=section.parts, written=written)
