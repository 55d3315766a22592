"""`startupctl init-db`: create databases, apply migrations; any number of replicas at once."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Exit

from startupctl.check import Mode
from startupctl.cli.flags import ManifestFlags, OutputFlags, RunFlags, SelectFlags, option, takes


@takes(manifest=ManifestFlags, select=SelectFlags, how=RunFlags, output=OutputFlags)
def command(
    names: Annotated[list[str] | None, Argument(metavar="[NAME]...", help="Only these and what they require")] = None,
    *,
    dry_run: Annotated[
        bool, option("--dry-run", help="Say what would be done and whether it could; change nothing")
    ] = False,
    manifest: ManifestFlags,
    select: SelectFlags,
    how: RunFlags,
    output: OutputFlags,
) -> None:
    """Create the databases, apply the migrations under a lock, verify.

    Database components and what they require. Running it again changes nothing; any number of
    replicas may run it at once, each migration is applied once. Exit codes as `check`.
    """
    from startupctl.cli.running import Job, execute

    job = Job("init-db", Mode.DRY_RUN if dry_run else Mode.PREPARE, tuple(names or ()), databases=True)
    raise Exit(execute(job, manifest, select, how, output))
