"""Files against another tool's table: which of them it applied, which of its rows have no file. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl.migrations.foreign import find_tool
from startupctl.migrations.formats import format_name
from startupctl.migrations.ledger import Entry, State

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from startupctl.migrations.files import Directory
    from startupctl.migrations.history import Applied, Dirty, History
    from startupctl.migrations.script import Migration

_NUMBER = re.compile(r"V?0*(\d+)(?:_.*)?", re.ASCII | re.DOTALL)


class Match(NamedTuple):
    """What a history says of the files, beside a ledger that has the versions `known`.

    `done` are the files with their rows, `covered` those that only count as applied, `rest` the rows
    without files, `dirty` what was left half-applied with its file, if there is one. `edited` are the
    versions of files that are not what was applied, `gone` the files that the ledger adopted and the history,
    which has others, does not name.
    """

    history: History
    known: frozenset[str]
    done: tuple[tuple[Migration, Applied], ...]
    covered: tuple[Migration, ...]
    rest: tuple[Applied, ...]
    dirty: tuple[tuple[Dirty, Migration | None], ...]
    edited: frozenset[str] = frozenset()
    gone: tuple[Migration, ...] = ()

    @property
    def overlaps(self) -> bool:
        """Whether the table says anything of these files."""
        return bool(self.done or self.covered or any(file for _, file in self.dirty))

    @property
    def entries(self) -> list[Entry]:
        """Rows for the ledger, which does not have them yet; what was edited has the tool's checksum, not the file's."""
        new = [(migration, row) for migration, row in self.done if migration.version not in self.known]
        kept = [(one, row) for one, row in new if not (one.repeatable and one.version in self.edited)]
        rows = [entry_of(one, row.checksum if one.version in self.edited else "", row.at) for one, row in kept]
        return rows + [entry_of(one) for one in self.covered]

    @property
    def others(self) -> list[Entry]:
        """Entries for the rows without files, which the ledger does not have either."""
        tool = self.history.tool
        rows = [row for row in self.rest if row.version not in self.known]
        return [
            Entry(row.version, row.name or row.version, tool, "", "", State.ADOPTED, finished_at=row.at) for row in rows
        ]


def match(directory: Directory, history: History, own: Sequence[Entry]) -> Match:
    """Lay the rows beside the files and the ledger; blocks where files are read again.

    The tool of the files compares versions by its own rule, any other by the number they begin with.
    """
    tool = find_tool(history.tool)
    native = tool and history.tool == format_name(directory.format)
    key = _lenient(tool.key) if tool and native else number_of
    known = frozenset(entry.version for entry in own)
    files = {name: one for one in directory.migrations if (name := key(_spelled(one))) is not None}
    rows = {name: row for row in history.applied if (name := key(row.version)) is not None}
    done = tuple((migration, rows[name]) for name, migration in files.items() if name in rows)
    named = {*rows, *(key(row.version) for row in history.dirty)}
    limit = key(history.up_to) if history.up_to else None
    edited = tool.edited(history, done) if tool and native and done else ()
    return Match(
        history,
        known,
        done,
        tuple(_covered(files, rows, known, limit)),
        tuple(row for row in history.applied if key(row.version) not in files),
        tuple((one, files.get(key(one.version))) for one in history.dirty),
        frozenset(migration.version for migration in edited),
        tuple(_gone(files, named, own, limit)) if rows else (),
    )


def _lenient(key: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return None for a version that the tool could not have written itself."""

    def read(version: str) -> Any:
        try:
            return key(version)
        except ValueError:
            return None

    return read


def number_of(version: str) -> int | None:
    """Return the number that a version begins with, as tools agree on it; None for one with dots."""
    found = _NUMBER.fullmatch(version)
    return int(found[1]) if found else None


def _spelled(migration: Migration) -> str:
    """Return the version; of a repeatable file its name without the ending."""
    return PurePosixPath(migration.name).stem if migration.repeatable else migration.version


def _covered(files: dict[Any, Migration], rows: Container[Any], known: Container[str], limit: Any) -> list[Migration]:
    """Return the files up to the limit that neither the tool nor the ledger names.

    One that is older than a file in the ledger came after that was taken over: the tool never applied it.
    """
    if limit is None:
        return []
    versioned = {name: migration for name, migration in files.items() if not migration.repeatable}
    newest = max((name for name, migration in versioned.items() if migration.version in known), default=None)
    unnamed = {name: one for name, one in versioned.items() if name not in rows and one.version not in known}
    return [one for name, one in unnamed.items() if name <= limit and (newest is None or name > newest)]


def _gone(files: dict[Any, Migration], named: Container[Any], own: Sequence[Entry], limit: Any) -> list[Migration]:
    """Return the files that the ledger adopted and the tool does not name, above the limit."""
    kept = {entry.version for entry in own if entry.state is State.ADOPTED}
    unnamed = {name: one for name, one in files.items() if name not in named and one.version in kept}
    return [one for name, one in unnamed.items() if not one.repeatable and (limit is None or name > limit)]


def entry_of(migration: Migration, raw: str = "", at: str = "") -> Entry:
    """Return a row for an adopted file, without the hash of its content: computing it takes cutting the file."""
    form, version, name = migration.format, migration.version, migration.name
    return Entry(version, name, form, raw or migration.raw, "", State.ADOPTED, started_at=at, finished_at=at)
