"""`startupctl migrate status`: where every migration stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Exit

from startupctl.cli.flags import ManifestFlags, OutputFlags, option, takes
from startupctl.cli.migrating import ComponentFlags

if TYPE_CHECKING:
    from startupctl.check import Facts


@takes(which=ComponentFlags, manifest=ManifestFlags, output=OutputFlags)
def command(
    *,
    exit_code: Annotated[
        bool, option("--exit-code", help="Exit with 1 unless every migration is applied and none needs a look")
    ] = False,
    which: ComponentFlags,
    manifest: ManifestFlags,
    output: OutputFlags,
) -> None:
    """Show every migration: applied, pending, drifted, half-applied, without a file; read-only.

    Exit codes: 0 when it could look, whatever it saw; else as `check`. `-o json` writes one document,
    `startupctl.migrations/1`.
    """
    from startupctl.check import Mode
    from startupctl.cli.migrating import Errand, perform
    from startupctl.migrations.status import read_status
    from startupctl.reports.migrations import STATUS

    ending = _ending if exit_code else lambda _: 0
    raise Exit(perform(Errand("migrate status", read_status, Mode.CHECK, STATUS, ending), which, manifest, output))


def _ending(facts: Facts) -> int:
    """Return 1 when something is pending or does not fit."""
    from startupctl.migrations.status import FINE

    return int(any(count for state, count in facts["counts"].items() if state not in FINE))
