"""A directory of migrations as values: what each one does, in the order they are applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.errors import Mark, Problem
from startupctl.migrations.codes import BAD_FILE
from startupctl.migrations.folder import Folder
from startupctl.migrations.formats import choose_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from startupctl.migrations.formats import Format
    from startupctl.migrations.script import Migration

SHOWN = 3  # problems in one diagnosis


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


def read_directory(path: Path, wanted: str) -> Directory:
    """Read a directory; blocks.

    `wanted` is the name of a format or `auto`. Raises Unhealthy (MIG008) with every problem, by file and line.
    """
    try:
        folder = Folder(path)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise bad_files([Problem(what, hint="correct `migrations.dir`", mark=Mark(str(path)))]) from error
    chosen = choose_format(wanted, folder)
    migrations = sorted(chosen.read(folder), key=chosen.order)
    problems = [*folder.problems, *_duplicates(migrations)]
    if problems:
        raise bad_files(problems)
    if not migrations:
        raise bad_files([Problem("holds no migration", hint="correct `migrations.dir`", mark=Mark(str(path)))])
    return Directory(path, chosen, tuple(migrations))


def bad_files(problems: Sequence[Problem]) -> Unhealthy:
    """Return MIG008 for problems; the first ones are shown."""
    ordered = sorted(problems, key=lambda problem: (str(problem.mark and problem.mark.file), _line(problem)))
    shown = "; ".join(str(problem) for problem in ordered[:SHOWN])
    more = f"; and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    cure = next((problem.hint for problem in ordered if problem.hint), "correct the file")
    return Unhealthy(Diagnosis(BAD_FILE, {"problems": shown + more, "cure": cure}))


def _line(problem: Problem) -> int:
    return problem.mark.line if problem.mark else 0


def _duplicates(migrations: Iterable[Migration]) -> list[Problem]:
    first: dict[str, Migration] = {}
    found = []
    for migration in migrations:
        other = first.setdefault(migration.version, migration)
        if other is not migration:
            what = f"has version {migration.version}, as `{other.name}` has"
            found.append(Problem(what, hint="give it a number of its own", mark=Mark(str(migration.path))))
    return found
