"""`startupctl migrate baseline`: declare what is applied."""

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
        Option("--to", metavar="VERSION", help="The last that is applied; `0`: none; default: all", show_default=False),
    ] = None,
    dry_run: Annotated[bool, option("--dry-run", help="Say what would be recorded; change nothing")] = False,
    which: ComponentFlags,
    manifest: ManifestFlags,
    output: OutputFlags,
) -> None:
    """Record migrations as applied without running them, for a database that has their tables already.

    Exit codes as `check`.
    """
    from startupctl.check import Mode
    from startupctl.cli.migrating import Errand, perform
    from startupctl.migrations.adopt import baseline
    from startupctl.reports.migrations import CHANGES

    mode = Mode.DRY_RUN if dry_run else Mode.PREPARE
    errand = Errand("migrate baseline", lambda run, site: baseline(run, site, to), mode, CHANGES)
    raise Exit(perform(errand, which, manifest, output))
