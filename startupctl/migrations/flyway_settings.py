"""What a `.conf` beside a Flyway file says of it, and the values for `${name}` in the file.

The rules are those of Flyway's SqlScriptMetadata and PlaceholderReplacingReader.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.folder import UTF_8
from startupctl.migrations.formats.flyway import CONF

if TYPE_CHECKING:
    from startupctl.migrations.folder import Folder, Source

_SWITCHES = ("executeInTransaction", "placeholderReplacement", "shouldExecute")
_SETTING = re.compile(r"([^=:\s]+)\s*[=:]?\s*(.*)")
_PLACEHOLDER = re.compile(r"\$\{(.*?)(?:\}|\Z)", re.DOTALL)
_OWN = "flyway:"


class Settings(NamedTuple):
    """How one file is read and run."""

    transaction: bool = True
    fills: bool = True
    runs: bool = True
    encoding: str = UTF_8


def settings_of(folder: Folder, name: str) -> Settings:
    """Return what the `.conf` beside a file says; what is wrong with it becomes a problem."""
    beside = folder.source(name + CONF) if folder.holds(name + CONF) else None
    if not beside:
        return Settings()
    given: dict[str, str] = {}
    for number, line in enumerate(beside.text.splitlines(), 1):
        found = _SETTING.fullmatch(line.strip())
        if found and not line.strip().startswith(("#", "!")):
            given[found[1]] = found[2]
            _refuse_setting(folder, beside, found[1], found[2], number)
    transaction, fills, runs = (given.get(switch, "true").lower() != "false" for switch in _SWITCHES)
    encoding = given.get("encoding", UTF_8)
    return Settings(transaction, fills, runs, encoding if _codec(encoding) not in ("", "utf-8") else UTF_8)


def fill(folder: Folder, source: Source) -> str:
    """Return the text with the values of `migrations.placeholders` in it; a name without one becomes a problem."""
    values = {name.lower(): value for name, value in folder.placeholders.items()}
    values.setdefault(f"{_OWN}filename", source.base)

    def value(found: re.Match[str]) -> str:
        if found[1].lower() not in values or not found[0].endswith("}"):
            _refuse_placeholder(folder, source, found)
        return values.get(found[1].lower(), "")

    return _PLACEHOLDER.sub(value, source.text)


def _refuse_setting(folder: Folder, beside: Source, key: str, value: str, line: int) -> None:
    if key in _SWITCHES:
        if value.lower() not in ("true", "false"):
            folder.refuse(beside.name, f"`{key}` is neither true nor false", "write one of them", line)
    elif key != "encoding":
        hint = f"use {', '.join(_SWITCHES)} or encoding"
        folder.refuse(beside.name, f"`{key}` is no setting of a script", hint, line)
    elif not _codec(value):
        folder.refuse(beside.name, f"`{value}` is no encoding", "write UTF-8, ISO-8859-1 or windows-1252", line)


def _codec(name: str) -> str:
    """Return the name of a codec for text, nothing when there is none."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        return ""
    return found.name if found._is_text_encoding else ""  # noqa: SLF001


def _refuse_placeholder(folder: Folder, source: Source, found: re.Match[str]) -> None:
    name, (line, column) = found[1], source.place(found.start())
    if not found[0].endswith("}"):
        folder.refuse(source.name, "holds a `${` that no `}` closes", "close it", line, column)
        return
    what = f"`${{{name}}}` has no value" + (", which only Flyway knows" if name.lower().startswith(_OWN) else "")
    switch = f"or set `placeholderReplacement=false` in `{source.base}{CONF}`"
    folder.refuse(source.name, what, f"give `{name}` under `migrations.placeholders`, {switch}", line, column)
