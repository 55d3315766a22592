"""`startupctl migrate unlock`: who holds the lock, and removing what was left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from startupctl.cli.flags import ManifestFlags, OutputFlags, takes
from startupctl.cli.migrating import ComponentFlags

if TYPE_CHECKING:
    from startupctl.check import Facts


@takes(which=ComponentFlags, manifest=ManifestFlags, output=OutputFlags)
def command(
    *,
    force: Annotated[
        bool, Option("--force", "--yes", help="Remove it, if it can be left behind and still is that holder's")
    ] = False,
    which: ComponentFlags,
    manifest: ManifestFlags,
    output: OutputFlags,
) -> None:
    """Say who holds the migration lock and how that ends; with --force remove one that was left behind.

    Locks of PostgreSQL and SQLite end with the process that holds them. Exit codes: 0 nobody holds it, or it was
    removed; 1 it is held; else as `check`.
    """
    from startupctl.check import Mode
    from startupctl.cli.migrating import Errand, perform
    from startupctl.migrations.unlock import look_at_lock, remove_lock
    from startupctl.reports.migrations import LOCK

    work, mode = (remove_lock, Mode.PREPARE) if force else (look_at_lock, Mode.CHECK)
    raise Exit(perform(Errand("migrate unlock", work, mode, LOCK, _ending, files=False), which, manifest, output))


def _ending(facts: Facts) -> int:
    """Return 1 while somebody holds it."""
    from startupctl.migrations.unlock import is_held

    return int(is_held(facts))
