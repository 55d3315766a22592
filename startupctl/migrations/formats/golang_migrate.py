"""golang-migrate's pairs: `000001_users.up.sql` and, where there is a way back, `000001_users.down.sql`.

The rules are those of its source/parse.go; that a way down needs a way up is ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.migrations.folder import is_sql
from startupctl.migrations.formats import BY_NAME
from startupctl.migrations.markers import refuse_foreign
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.migrations.folder import Folder, Source

RANK = BY_NAME
APPLIES_LATE = False
FILLS_PLACEHOLDERS = False
OUTSIDE = ""

_NAME = re.compile(r"(\d+)_.*\.(down|up)\..*", re.ASCII)


def sign(folder: Folder) -> str:
    """Return the first file that is named as one of a pair."""
    return next(filter(_NAME.fullmatch, folder.sql), "")


def order(migration: Migration) -> int:
    """Order by number."""
    return int(migration.version)


def read(folder: Folder) -> Iterator[Migration]:
    """Read every pair; a file is sent as it is, and no directive is known."""
    pairs = _pairs(folder)
    for version in sorted(pairs):
        names = pairs[version]
        if "up" not in names:
            folder.refuse(names["down"], "has no file for the way up", "add it, empty if there is nothing to do")
        elif up := _whole(folder, names["up"]):
            down = _whole(folder, names["down"]) if "down" in names else None
            back = Script(down.path, down.text) if down else None
            yield Migration(str(version), up.name, "golang-migrate", up.raw, Script(up.path, up.text), back)


def _pairs(folder: Folder) -> dict[int, dict[str, str]]:
    """Return the names of each number by direction."""
    pairs: dict[int, dict[str, str]] = {}
    for name in sorted({*folder.files, *folder.sql}):
        found = _NAME.fullmatch(name)
        if not found:
            if is_sql(name):
                folder.refuse(name, "is no name of a migration", "name it as 000001_what_it_does.up.sql")
            continue
        names = pairs.setdefault(int(found[1]), {})
        other = names.setdefault(found[2], name)
        if other != name:
            folder.refuse(name, f"has version {int(found[1])}, as `{other}` has", "give it a number of its own")
    return pairs


def _whole(folder: Folder, name: str) -> Source | None:
    source = folder.source(name)
    return None if not source or refuse_foreign(folder, source, "golang-migrate") else source
