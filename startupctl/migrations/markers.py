"""The lines by which tools mark what is up and what is down, whole or half-written.

A file with one that its format does not know must not be applied: its way down would run too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from startupctl.migrations.folder import Folder, Source

ATLAS = r"atlas:(?:txmode|delimiter|checkpoint|txtar|import)\b"
_FOREIGN = (
    r"migrate[ \t]*[:_-]?[ \t]*(?:up|down)(?:[ \t]+\w+:\w*)*[ \t\r]*$",
    r"\+[ \t]*goose\b",
    r"goose[ \t:]+(?:up|down|statement[ \t]*(?:begin|end)|no[ \t]+transaction)[ \t\r]*$",
    r"migrator[ \t]*:[ \t]*(?:up|down)\b",  # py-clickhouse-migrator
    r"\+[ \t]*migrate\b",  # sql-migrate
    r"rambler[ \t]+(?:up|down)\b",
    r"-*[ \t]*create above[ \t]*/[ \t]*drop below\b",  # tern
    r"liquibase[ \t]+formatted[ \t]+sql\b",
    r"changeset[ \t]+\S+:\S",  # liquibase
    ATLAS,
)


def refuse_foreign(folder: Folder, source: Source, form: str, own: str = "") -> bool:
    """Note a problem when a file has a marker of another tool, `own` being the one that is known; return whether it has.

    `form` says what the file is read as.
    """
    found = _pattern(own).search(source.text)
    if found:
        what = f"`{found[0].strip()}` marks the file of another tool, which cannot be read as {form}"
        folder.refuse(source.name, what, "set `migrations.format`", source.place(found.start())[0])
    return bool(found)


@cache
def _pattern(own: str) -> re.Pattern[str]:
    marks = "|".join(mark for mark in _FOREIGN if mark != own)
    return re.compile(rf"^[ \t]*--[ \t]*(?:{marks}).*$", re.MULTILINE | re.IGNORECASE)
