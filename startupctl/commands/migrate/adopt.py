"""`startupctl migrate adopt`: take over what another tool applied."""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

from startupctl.cli.flags import ManifestFlags, OutputFlags, option, takes
from startupctl.cli.migrating import ComponentFlags


@takes(which=ComponentFlags, manifest=ManifestFlags, output=OutputFlags)
def command(
    *,
    tool: Annotated[
        str | None,
        Option("--from", metavar="TOOL", help="Whose table is read; default: the one there is", show_default=False),
    ] = None,
    table: Annotated[
        str | None,
        Option("--table", metavar="TABLE", help="Where it has another name than usual", show_default=False),
    ] = None,
    dry_run: Annotated[bool, option("--dry-run", help="Say what would be taken over; change nothing")] = False,
    which: ComponentFlags,
    manifest: ManifestFlags,
    output: OutputFlags,
) -> None:
    """Record what another tool applied, as its table says, without running anything.

    `init-db` does the same by itself where the table belongs to the format of the files. Exit codes as `check`.
    """
    from startupctl.check import Mode
    from startupctl.cli.migrating import Errand, perform, refuse_unknown
    from startupctl.migrations.adopt import adopt, find_tools
    from startupctl.reports.migrations import CHANGES

    if tool is not None:
        refuse_unknown("--from", tool, find_tools())
    mode = Mode.DRY_RUN if dry_run else Mode.PREPARE
    errand = Errand("migrate adopt", lambda run, site: adopt(run, site, tool, table), mode, CHANGES)
    raise Exit(perform(errand, which, manifest, output))
