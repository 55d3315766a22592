"""Numbered `.sql` files, all of them up: `1_users.sql`, `0002-plans.sql`, `20260131120000_events.sql`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.migrations.formats import LAST_RESORT
from startupctl.migrations.markers import refuse_foreign
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.migrations.folder import Folder

RANK = LAST_RESORT
APPLIES_LATE = False
FILLS_PLACEHOLDERS = False
OUTSIDE = "add a line `-- transaction:false` to `{file}`"

_NAME = re.compile(r"(\d+)(?:[_. -].*)?\.sql", re.ASCII)
_REVERSE = re.compile(r"\.(up|down|rollback|undo)\.sql$", re.IGNORECASE)
_OUTSIDE = re.compile(r"^--[ \t]*transaction:false[ \t]*\r?$", re.MULTILINE)


def sign(folder: Folder) -> str:
    """Return nothing: a number shows no tool."""
    del folder
    return ""


def order(migration: Migration) -> int:
    """Order by number."""
    return int(migration.version)


def read(folder: Folder) -> Iterator[Migration]:
    """Read every file; a line `-- transaction:false` keeps it out of a transaction.

    A file with the markers of a tool that also has a way down is refused: its down part would run too.
    """
    for source in folder.sources(folder.sql):
        numbered = _NAME.fullmatch(source.name)
        if not numbered or _REVERSE.search(source.name):
            folder.refuse(source.name, "is no name of a numbered migration", "name it as 0001_what_it_does.sql")
        elif not refuse_foreign(folder, source, "plain SQL"):
            up = Script(source.path, source.text, transaction=not _OUTSIDE.search(source.text))
            yield Migration(str(int(numbered[1])), source.name, "plain", source.raw, up)
