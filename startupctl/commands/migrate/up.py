"""`startupctl migrate up`: apply what is pending."""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

from startupctl.cli.flags import ManifestFlags, OutputFlags, option, takes
from startupctl.cli.migrating import ComponentFlags


@takes(which=ComponentFlags, manifest=ManifestFlags, output=OutputFlags)
def command(
    *,
    to: Annotated[
        str | None,
        Option("--to", metavar="VERSION", help="Stop behind this one; default: apply all", show_default=False),
    ] = None,
    dry_run: Annotated[bool, option("--dry-run", help="Say what would be applied; change nothing")] = False,
    which: ComponentFlags,
    manifest: ManifestFlags,
    output: OutputFlags,
) -> None:
    """Apply the pending migrations of one component under the lock, as `init-db` does; creates no database.

    Exit codes as `check`.
    """
    from functools import partial

    from startupctl.check import Mode
    from startupctl.cli.migrating import Errand, perform
    from startupctl.migrations.up import upgrade
    from startupctl.reports.migrations import CHANGES

    mode = Mode.DRY_RUN if dry_run else Mode.PREPARE
    errand = Errand("migrate up", partial(upgrade, to=to), mode, CHANGES, files=to is not None)
    raise Exit(perform(errand, which, manifest, output))
