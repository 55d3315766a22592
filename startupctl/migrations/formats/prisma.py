"""Prisma's folders: `20260131120000_users/migration.sql`, the whole name of the folder being the version.

The rules are those of Prisma's schema engine; `down.sql`, which people keep beside, is left alone as Prisma does.
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

    from startupctl.migrations.folder import Folder

RANK = BY_NAME
APPLIES_LATE = True
FILLS_PLACEHOLDERS = False
OUTSIDE = ""

LOCK = "migration_lock.toml"
SCRIPT = "migration.sql"
_PROVIDER = re.compile(r"^[ \t]*provider[ \t]*=[ \t]*[\"']([^\"']*)[\"']", re.MULTILINE)
_PROVIDERS = {"postgresql": ("postgresql", "postgres", "cockroachdb"), "sqlite": ("sqlite",), "clickhouse": ()}


def sign(folder: Folder) -> str:
    """Return the lock file, or the first script in a folder of its own."""
    if LOCK in folder.files:
        return LOCK
    scripts = (f"{name}/{SCRIPT}" for name in folder.folders)
    return next((script for script in scripts if (folder.path / script).is_file()), "")


def order(migration: Migration) -> str:
    """Order by the name of the folder."""
    return migration.version


def read(folder: Folder) -> Iterator[Migration]:
    """Read the script of every folder."""
    _refuse_other_database(folder)
    for name in filter(is_sql, folder.files):
        folder.refuse(name, "stands in no folder of its own", f"move it to a folder, as `{SCRIPT}`")
    for name in folder.folders:
        script = f"{name}/{SCRIPT}"
        if not (folder.path / script).exists():
            folder.refuse(name, f"holds no `{SCRIPT}`", "remove the folder or restore the file")
            continue
        source = folder.source(script)
        if source and not refuse_foreign(folder, source, "prisma"):
            yield Migration(name, name, "prisma", source.raw, Script(source.path, source.text))


def _refuse_other_database(folder: Folder) -> None:
    """Note a problem when the files are for another database than the one they would be applied to."""
    lock = folder.source(LOCK) if LOCK in folder.files else None
    provider = _PROVIDER.search(lock.text) if lock else None
    if provider and folder.database and provider[1] not in _PROVIDERS.get(folder.database, ()):
        line = lock.place(provider.start())[0] if lock else 0
        what = f"says that the files are for {provider[1]}, not for {folder.database}"
        folder.refuse(LOCK, what, "correct `migrations.dir`", line)
