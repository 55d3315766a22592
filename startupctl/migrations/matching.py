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
    """What a history says of the files.

    `done` are the files with their rows, `covered` those that only count as applied, `rest` the rows
    without files, `dirty` what was left half-applied with its file, if there is one. `edited` are the
    versions of files that are not what was applied.
    """

    history: History
    done: tuple[tuple[Migration, Applied], ...]
    covered: tuple[Migration, ...]
    rest: tuple[Applied, ...]
    dirty: tuple[tuple[Dirty, Migration | None], ...]
    edited: frozenset[str] = frozenset()

    @property
    def overlaps(self) -> bool:
        """Whether the table says anything of these files."""
        return bool(self.done or self.covered or any(file for _, file in self.dirty))

    def entries(self, own: Sequence[Entry]) -> list[Entry]:
        """Return rows for a ledger that does not have them yet, in the order of the files.

        What was edited has the tool's checksum in place of the file's.
        """
        known = {entry.version for entry in own}
        found = [(migration, row) for migration, row in self.done if migration.version not in known]
        found = [(one, row) for one, row in found if not (one.repeatable and one.version in self.edited)]
        rows = [entry_of(one, row.checksum if one.version in self.edited else one.raw, row.at) for one, row in found]
        return rows + [entry_of(one) for one in self.covered if one.version not in known]

    def others(self, own: Sequence[Entry]) -> list[Entry]:
        """Return entries for the rows without files, which the ledger does not have either."""
        known = {entry.version for entry in own}
        rows = [row for row in self.rest if row.version not in known]
        return [
            Entry(row.version, row.name or row.version, self.history.tool, "", "", State.ADOPTED, finished_at=row.at)
            for row in rows
        ]


def match(directory: Directory, history: History) -> Match:
    """Lay the rows beside the files; blocks where files are read again.

    The tool of the files compares versions by its own rule, any other by the number they begin with.
    """
    tool = find_tool(history.tool)
    native = tool and history.tool == format_name(directory.format)
    key: Callable[[str], Any] = tool.key if tool and native else number_of
    files = {name: one for one in directory.migrations if (name := _file_key(one, key)) is not None}
    rows = {name: row for row in history.applied if (name := key(row.version)) is not None}
    done = tuple((migration, rows[name]) for name, migration in files.items() if name in rows)
    edited = tool.edited(history, done) if tool and native and done else ()
    return Match(
        history,
        done,
        tuple(_covered(files, rows, key(history.up_to) if history.up_to else None)),
        tuple(row for row in history.applied if key(row.version) not in files),
        tuple((one, files.get(key(one.version))) for one in history.dirty),
        frozenset(migration.version for migration in edited),
    )


def number_of(version: str) -> int | None:
    """Return the number that a version begins with, as tools agree on it; None for one with dots."""
    found = _NUMBER.fullmatch(version)
    return int(found[1]) if found else None


def _file_key(migration: Migration, key: Callable[[str], Any]) -> Any:
    return key(PurePosixPath(migration.name).stem if migration.repeatable else migration.version)


def _covered(files: dict[Any, Migration], rows: Container[Any], limit: Any) -> list[Migration]:
    """Return the files up to the limit that have no row."""
    if limit is None:
        return []
    return [one for name, one in files.items() if not one.repeatable and name not in rows and name <= limit]


def entry_of(migration: Migration, raw: str = "", at: str = "") -> Entry:
    """Return a row for an adopted file, without the hash of its content: computing it takes cutting the file."""
    form, version, name = migration.format, migration.version, migration.name
    return Entry(version, name, form, raw or migration.raw, "", State.ADOPTED, started_at=at, finished_at=at)
