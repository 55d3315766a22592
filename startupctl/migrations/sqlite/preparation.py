"""A SQLite database made ready: file and folders created where they are missing, and migrated."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from startupctl.databases.sqlite import opened
from startupctl.migrations.lock_file import file_holder, file_lock
from startupctl.migrations.runner import migrate, rehearse
from startupctl.migrations.site import Latch, Site
from startupctl.migrations.sqlite.ledger import SqliteLedger
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from pathlib import Path

    from startupctl.check import Facts, Run
    from startupctl.databases.sqlite import SqliteSession
    from startupctl.migrations.keys import MigrationKeys


@dataclass(frozen=True, slots=True)
class SqlitePreparation:
    """What is wanted of one database file."""

    path: Path
    create: bool = False
    migrations: MigrationKeys | None = None

    async def carry_out(self, run: Run) -> Facts:
        """Create and migrate; raises OSError, StatementFailed, Unhealthy."""
        created = self.create and await in_thread(_create, self.path)
        if created:
            run.note(created=True)
        return {"created": created, **(await migrate(run, self.site(run)) if self.migrations else {})}

    async def rehearse(self, run: Run) -> Facts:
        """Say what would be done; raises OSError when the file could not be created."""
        if await in_thread(self.path.exists):
            async with opened(self.path, mode="ro") as session:
                plan = await rehearse(run, self.site(run), session) if self.migrations else {}
            return {"created": False, "would_create": False, **plan}
        await in_thread(_require_room, self.path)
        plan = await rehearse(run, self.site(run), None) if self.migrations else {}
        return {"created": False, "would_create": True, **plan}

    def site(self, run: Run) -> Site[SqliteSession]:
        """Return where the migrations go; there must be some."""
        assert self.migrations is not None
        patience = self.migrations.lock_timeout
        return Site(
            keys=self.migrations,
            ledger=SqliteLedger(self.migrations.table),
            reader=partial(opened, self.path, mode="ro"),
            lock=lambda _: file_lock(self.path, run, patience),
            session=partial(opened, self.path, mode="rw"),
            latch=Latch(partial(file_holder, self.path)),
        )


def _create(path: Path) -> bool:
    """Create an empty file, which is an empty database; return whether this process did."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    except FileExistsError:
        return False
    return True


def _require_room(path: Path) -> None:
    """Raise PermissionError when the nearest folder that exists cannot be written to."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
