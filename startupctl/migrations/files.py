"""A directory of migrations as values: what each one does, in the order they are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.errors import Mark, Problem
from startupctl.migrations.codes import BAD_FILE
from startupctl.migrations.folder import Folder
from startupctl.migrations.formats import choose_format, format_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from startupctl.migrations.formats import Format
    from startupctl.migrations.script import Migration

SHOWN = 3  # problems in one diagnosis


class Directory(NamedTuple):
    """All migrations of one directory in the order they are applied, and the format they were read with."""

    path: Path
    format: Format
    migrations: tuple[Migration, ...]

    @property
    def names(self) -> list[str]:
        """The file names, in order."""
        return [migration.name for migration in self.migrations]


def read_directory(
    path: Path, wanted: str, placeholders: Mapping[str, str] | None = None, database: str = ""
) -> Directory:
    """Read a directory; blocks.

    `wanted` is the name of a format or `auto`, `placeholders` are values for names in the files, `database`
    is `postgresql`, `clickhouse` or `sqlite` where it is known. Raises Unhealthy (MIG008) with every
    problem, by file and line.
    """
    folder = open_folder(path, placeholders, database)
    chosen = choose_format(wanted, folder)
    if not chosen:
        raise bad_files(folder.problems)
    migrations = sorted(chosen.read(folder), key=chosen.order)
    if folder.placeholders and not chosen.FILLS_PLACEHOLDERS:
        what = f"is read as {format_name(chosen)}, which has no placeholders"
        folder.refuse("", what, "remove `migrations.placeholders`")
    problems = [*folder.problems, *_duplicates(migrations)]
    if problems:
        raise bad_files(problems)
    if not migrations:
        raise bad_files([Problem("holds no migration", hint="correct `migrations.dir`", mark=Mark(str(path)))])
    return Directory(path, chosen, tuple(migrations))


def open_folder(path: Path, placeholders: Mapping[str, str] | None = None, database: str = "") -> Folder:
    """List a directory; blocks. Raises Unhealthy (MIG008)."""
    try:
        return Folder(path, placeholders, database)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise bad_files([Problem(what, hint="correct `migrations.dir`", mark=Mark(str(path)))]) from error


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
