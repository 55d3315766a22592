"""`startupctl migrate repair`: what does not fit, and mending it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from startupctl.cli.flags import ManifestFlags, OutputFlags, takes
from startupctl.cli.migrating import ComponentFlags

if TYPE_CHECKING:
    from startupctl.check import Facts
    from startupctl.cli.migrating import Errand


@takes(which=ComponentFlags, manifest=ManifestFlags, output=OutputFlags)
def command(
    version: Annotated[str | None, Argument(metavar="[VERSION]", help="Which; without it all are listed")] = None,
    *,
    accept: Annotated[
        bool, Option("--accept", help="Half-applied: take it as applied. Edited, renamed: take the file as it is")
    ] = False,
    rerun: Annotated[bool, Option("--rerun", help="Make it pending again")] = False,
    forget: Annotated[bool, Option("--forget", help="Remove the row of a migration whose file is gone")] = False,
    which: ComponentFlags,
    manifest: ManifestFlags,
    output: OutputFlags,
) -> None:
    """List what does not fit its file, with what can be done; with a version and a flag do it, under the lock.

    Only the record is changed, nothing is run. Exit codes: 0 nothing to repair, or repaired; 1 there is something
    to repair; else as `check`.
    """
    from startupctl.cli.migrating import exclude, perform

    flags = {"--accept": accept, "--rerun": rerun, "--forget": forget}
    exclude(flags)
    chosen = next((flag for flag, given in flags.items() if given), None)
    raise Exit(perform(_errand(version, chosen), which, manifest, output))


def _errand(version: str | None, flag: str | None) -> Errand:
    """Return what is to be done; raises PlanError for a version without a flag, and a flag without a version."""
    from startupctl.check import Mode
    from startupctl.cli.migrating import Errand
    from startupctl.errors import PlanError, Problem
    from startupctl.migrations.repair import Cure, Repair, find_repairs
    from startupctl.reports.migrations import CHANGES, FINDINGS

    if version is not None and flag is not None:
        return Errand("migrate repair", Repair(version, Cure(flag.removeprefix("--"))), renderers=CHANGES)
    if version is not None:
        raise PlanError(
            [Problem("what is to be done with it is not said", "VERSION", "add --accept, --rerun or --forget")]
        )
    if flag is not None:
        raise PlanError([Problem("which migration is meant is not said", flag, "name its version before it")])
    return Errand("migrate repair", find_repairs, Mode.CHECK, FINDINGS, _ending)


def _ending(facts: Facts) -> int:
    """Return 1 when there is something to repair."""
    return int(bool(facts["findings"]))
