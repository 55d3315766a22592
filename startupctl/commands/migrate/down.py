"""`startupctl migrate down`: take back what was applied."""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

from startupctl.cli.flags import ManifestFlags, OutputFlags, option, takes
from startupctl.cli.migrating import ComponentFlags


@takes(which=ComponentFlags, manifest=ManifestFlags, output=OutputFlags)
def command(
    *,
    steps: Annotated[
        int | None,
        Option("--steps", metavar="N", min=1, help="How many, the newest first; default 1", show_default=False),
    ] = None,
    to: Annotated[
        str | None,
        Option("--to", metavar="VERSION", help="All that come behind this one; `0` takes back all", show_default=False),
    ] = None,
    dry_run: Annotated[bool, option("--dry-run", help="Say what would be taken back; change nothing")] = False,
    which: ComponentFlags,
    manifest: ManifestFlags,
    output: OutputFlags,
) -> None:
    """Take the newest migrations back by their ways down, one by one, under the lock.

    Nothing is done when one of them has no way down, was edited, or was applied before something that has
    no file here. Exit codes as `check`.
    """
    from startupctl.check import Mode
    from startupctl.cli.migrating import Errand, exclude, perform
    from startupctl.migrations.down import Reversal
    from startupctl.reports.migrations import CHANGES

    exclude({"--steps": steps is not None, "--to": to is not None})
    mode = Mode.DRY_RUN if dry_run else Mode.PREPARE
    errand = Errand("migrate down", Reversal(steps or 1, to), mode, CHANGES)
    raise Exit(perform(errand, which, manifest, output))
