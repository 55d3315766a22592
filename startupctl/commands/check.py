"""`startupctl check`: look at everything, change nothing."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Exit

from startupctl.check import Mode
from startupctl.cli.flags import ManifestFlags, OutputFlags, RunFlags, SelectFlags, option, takes


@takes(manifest=ManifestFlags, select=SelectFlags, how=RunFlags, output=OutputFlags)
def command(
    names: Annotated[list[str] | None, Argument(metavar="[NAME]...", help="Only these and what they require")] = None,
    *,
    allow_pending: Annotated[
        bool,
        option("--allow-pending", help="What `init-db` will mend is a warning: missing databases, pending migrations"),
    ] = False,
    await_init: Annotated[bool, option("--await-init", help="Wait for what another `init-db` will mend")] = False,
    healthcheck: Annotated[bool, option("--healthcheck", help="One line; exit 0 unless FAILED, else 1")] = False,
    manifest: ManifestFlags,
    select: SelectFlags,
    how: RunFlags,
    output: OutputFlags,
) -> None:
    """Check every component; read-only, for CI gates and before a deploy.

    Exit codes: 0 ready, 1 failed, 2 usage or manifest, 3 degraded, 70 bug, 78 failed for good,
    124 deadline, 130 and 143 interrupted.
    """
    from startupctl.cli.running import Job, execute

    job = Job(
        "check",
        Mode.CHECK,
        tuple(names or ()),
        allow_pending=allow_pending,
        await_init=await_init,
        healthcheck=healthcheck,
    )
    raise Exit(execute(job, manifest, select, how, output))
