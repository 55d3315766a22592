"""Flyway's files: `V1.2__users.sql`, `R__views.sql` that is applied again when it changed, `U1.2__users.sql` for the way back.

The rules are those of its ResourceNameParser and MigrationVersion, with the default prefixes and suffix;
folders below the directory are read too.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.folder import base_of, is_sql
from startupctl.migrations.formats import BY_NAME
from startupctl.migrations.markers import refuse_foreign
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.migrations.folder import Folder

RANK = BY_NAME
APPLIES_LATE = False
FILLS_PLACEHOLDERS = True
OUTSIDE = "write `executeInTransaction=false` into `{file}.conf`"

CONF = ".conf"
_NAME = re.compile(r"(?:([VUB])(\d+(?:[._]\d+)*)(?:__.*)?|R__.*)\.(?:[sS][qQ][lL])", re.ASCII)
_PROGRAM = re.compile(r"V(\d+(?:[._]\d+)*)__.*\.(?:java|kt|py|sh|bash|ps1|cmd|bat)", re.ASCII)
_CALLBACK = re.compile(r"(?:(?:before|after)[A-Z][A-Za-z]*|createSchema)(?:__.*)?\.(?:[sS][qQ][lL])")


class _Named(NamedTuple):
    """A file and what its name says; repeatable ones have no version."""

    name: str
    prefix: str
    version: str


def sign(folder: Folder) -> str:
    """Return the first file that has one of the prefixes; folders below count when there is no SQL above them."""
    names = folder.sql or (folder.everything if folder.folders else [])
    return next((name for name in names if _NAME.fullmatch(base_of(name))), "")


def order(migration: Migration) -> tuple[bool, tuple[int, ...], str]:
    """Order by the numbers of the version; repeatable ones come last, by name."""
    if migration.repeatable:
        return True, (), migration.version.replace("_", " ")  # a description has spaces
    return False, tuple(map(int, migration.version.split("."))), ""


def canonical(version: str) -> str:
    """Return the one spelling of versions that Flyway takes for the same, as `1_0` and `01`."""
    numbers = [str(int(number)) for number in re.split("[._]", version)]
    while len(numbers) > 1 and numbers[-1] == "0":
        numbers.pop()
    return ".".join(numbers)


def read(folder: Folder) -> Iterator[Migration]:
    """Read every file; baselines, callbacks and what only Flyway can do are problems or obstacles."""
    known = list(_named(folder))
    undone = {one.version: one for one in known if one.prefix == "U"}
    versions = {one.version for one in known if one.prefix == "V"}
    for one in known:
        migration = _read(folder, one) if one.prefix in "VR" else None
        if migration:
            yield migration._replace(down=_down(folder, undone.get(one.version)))
        elif one.prefix == "U" and one.version not in versions:
            folder.refuse(one.name, f"undoes version {one.version}, which no file has", "remove it")
    yield from _programs(folder)


def _named(folder: Folder) -> Iterator[_Named]:
    for name in folder.everything:
        found = _NAME.fullmatch(base_of(name))
        if found and found[1] == "B":
            hint = f"remove it where the files up to {found[2]} are kept, otherwise begin its name with V"
            folder.refuse(name, "is a baseline, of which only Flyway knows whether it applies", hint)
        elif found:
            yield _Named(name, found[1] or "R", canonical(found[2]) if found[2] else "")
        elif is_sql(name):
            _refuse_name(folder, name)
        elif is_sql(name.removesuffix(CONF)) and not folder.holds(name.removesuffix(CONF)):
            folder.refuse(name, "stands beside no file of its name", "name it as the file, with `.conf` behind")


def _refuse_name(folder: Folder, name: str) -> None:
    if _CALLBACK.fullmatch(base_of(name)):
        hint = (
            "put its statements into a migration, `R__` for those that are to run again, or run them beside startupctl"
        )
        folder.refuse(name, "is a callback, which startupctl does not run", hint)
    else:
        folder.refuse(name, "is no name of a migration", "name it as V1__what_it_does.sql or R__what_it_is.sql")


def _read(folder: Folder, one: _Named) -> Migration | None:
    from startupctl.migrations.flyway_settings import fill, settings_of

    settings = settings_of(folder, one.name)
    source = folder.source(one.name, settings.encoding) if settings.runs else None
    if not source or refuse_foreign(folder, source, "flyway"):
        return None
    text = fill(folder, source) if settings.fills else source.text
    repeatable, raw = not one.version, source.raw
    if repeatable and text != source.text:  # other values are another content
        raw = hashlib.sha256(text.encode()).hexdigest()
    written = None if repeatable or text == source.text else source.text
    up = Script(source.path, text, transaction=settings.transaction, written=written)
    version = one.version or source.base[: -len(".sql")]
    return Migration(version, source.base, "flyway", raw, up, repeatable=repeatable)


def _down(folder: Folder, one: _Named | None) -> Script | None:
    undone = _read(folder, one) if one else None
    return undone.up if undone else None


def _programs(folder: Folder) -> Iterator[Migration]:
    """Yield what is no SQL and has a version: only Flyway applies it."""
    names: Sequence[str] = [name for name in folder.everything if _PROGRAM.fullmatch(base_of(name))]
    for source in folder.sources(names):
        found = _PROGRAM.fullmatch(source.base)
        script = Script(source.path, "", parts=(), written=source.text)
        version = canonical(found[1]) if found else ""
        yield Migration(
            version,
            source.base,
            "flyway",
            source.raw,
            script,
            obstacle="it is a program, not SQL; only Flyway can apply it",
        )
