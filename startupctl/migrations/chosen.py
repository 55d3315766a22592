"""Which migrations a person means who names one, by its version, its number or the name of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.codes import UNKNOWN_VERSION
from startupctl.near import near_hint, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from startupctl.migrations.files import Directory
    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.script import Migration
    from startupctl.migrations.standing import Standing


def limited(standing: Standing, last: str | None) -> Standing:
    """Return a standing where nothing behind the migration `last` is pending; None changes nothing."""
    return standing if last is None else standing._replace(pending=up_to(standing.directory, standing.pending, last))


def up_to(directory: Directory, migrations: Iterable[Migration], last: str) -> tuple[Migration, ...]:
    """Return those that come before the migration `last` or are it; none for `0`. Raises Unhealthy (MIG020)."""
    if last == "0" and not any(names(migration, last) for migration in directory.migrations):
        return ()
    versioned = [migration for migration in directory.migrations if not migration.repeatable]
    end = versioned.index(find_migration(directory, last)) + 1
    return tuple(migration for migration in migrations if migration in versioned[:end])


def find_migration(directory: Directory, wanted: str) -> Migration:
    """Return the migration of this version, number or name; raises Unhealthy (MIG020)."""
    for migration in directory.migrations:
        if names(migration, wanted) and not migration.repeatable:
            return migration
    known = [word for migration in directory.migrations for word in (migration.version, migration.name)]
    facts = {"dir": str(directory.path), "version": shown(wanted)}
    raise Unhealthy(Diagnosis(UNKNOWN_VERSION, facts, advice=near_hint(wanted, known)))


def names(one: Migration | Entry, wanted: str) -> bool:
    """Whether a person means this one: `0001` and `1` are the same number."""
    if wanted in (one.version, one.name):
        return True
    return wanted.isdigit() and one.version.isdigit() and wanted.lstrip("0") == one.version.lstrip("0")
