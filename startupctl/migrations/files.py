"""A directory of migrations as values: what each file does, in the order it is applied."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.errors import Mark, Problem
from startupctl.migrations.codes import BAD_FILE
from startupctl.migrations.formats import choose_format
from startupctl.migrations.lexer import normalised
from startupctl.text_file import FileRefused, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from startupctl.migrations.formats import Format
    from startupctl.migrations.lexer import Lexicon

SHOWN = 3  # problems in one diagnosis
MAX_BYTES = 256 * 2**20  # of one file: it is held in memory, and sent as one message


@dataclass(frozen=True, slots=True)
class Migration:
    """One step forward.

    `version` identifies it in a ledger; `up` has the line numbers of the file; `transaction` False
    means that it must not run in one; `raw` is the sha256 of the file's bytes.
    """

    version: str
    name: str
    path: Path
    format: str
    up: str
    raw: str
    transaction: bool = True

    def content_hash(self, lexicon: Lexicon) -> str:
        """Return the sha256 of what the server sees of it: without comments and layout."""
        return hashlib.sha256(normalised(self.up, lexicon).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read, before a format makes sense of it."""

    path: Path
    text: str
    raw: str


@dataclass(frozen=True, slots=True)
class Directory:
    """All migrations of one directory in the order they are applied, and the format they were read with."""

    path: Path
    format: Format
    migrations: tuple[Migration, ...]

    @property
    def names(self) -> list[str]:
        """The file names, in order."""
        return [migration.name for migration in self.migrations]


def read_directory(folder: Path, wanted: str) -> Directory:
    """Read a directory; blocks.

    `wanted` is the name of a format or `auto`. Raises Unhealthy (MIG008) with every problem, by file and line.
    """
    problems: list[Problem] = []
    sources = [source for path in _listing(folder) if (source := _read(path, problems))]
    chosen = choose_format(wanted, sources)
    migrations = [found for source in sources if (found := chosen.read(source, problems))]
    migrations.sort(key=chosen.order)
    problems += _duplicates(migrations)
    if problems:
        raise bad_files(problems)
    if not migrations:
        raise bad_files([Problem("holds no `.sql` file", hint="correct `migrations.dir`", mark=Mark(str(folder)))])
    return Directory(folder, chosen, tuple(migrations))


def bad_files(problems: Sequence[Problem]) -> Unhealthy:
    """Return MIG008 for problems; the first ones are shown."""
    ordered = sorted(problems, key=lambda problem: (str(problem.mark and problem.mark.file), _line(problem)))
    shown = "; ".join(str(problem) for problem in ordered[:SHOWN])
    more = f"; and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    cure = next((problem.hint for problem in ordered if problem.hint), "correct the file")
    return Unhealthy(Diagnosis(BAD_FILE, {"problems": shown + more, "cure": cure}))


def _line(problem: Problem) -> int:
    return problem.mark.line if problem.mark else 0


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".sql" and not path.name.startswith("."))
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise bad_files([Problem(what, hint="correct `migrations.dir`", mark=Mark(str(folder)))]) from error


def _read(path: Path, problems: list[Problem]) -> Source | None:
    try:
        data = read_bytes(path, MAX_BYTES)
        text = data.decode("utf-8-sig")
    except FileRefused as refused:
        problems.append(Problem(f"cannot be read: {refused}", mark=Mark(str(path))))
        return None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problems.append(Problem("is not UTF-8 text", hint="save it as UTF-8", mark=Mark(str(path), line, 1)))
        return None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        problems.append(Problem("holds a NUL character", hint="save it as UTF-8", mark=Mark(str(path), line, 1)))
        return None
    return Source(path, text, hashlib.sha256(data).hexdigest())


def _duplicates(migrations: Iterable[Migration]) -> list[Problem]:
    first: dict[str, Migration] = {}
    found = []
    for migration in migrations:
        other = first.setdefault(migration.version, migration)
        if other is not migration:
            what = f"has version {migration.version}, as `{other.name}` has"
            found.append(Problem(what, hint="give it a number of its own", mark=Mark(str(migration.path))))
    return found
