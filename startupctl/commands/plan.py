"""`startupctl plan`: show the order, the waves and the critical path."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from startupctl.cli.flags import ManifestFlags, SelectFlags, takes


@takes(manifest=ManifestFlags, select=SelectFlags)
def command(
    names: Annotated[list[str] | None, Argument(metavar="[NAME]...", help="Only these and what they require")] = None,
    *,
    output: Annotated[
        str, Option("--output", "-o", metavar="tree|mermaid|dot|json", help="How to draw it", show_default=False)
    ] = "tree",
    moment: Annotated[
        str, Option("--moment", metavar="check|init-db|run|serve", help="For which command", show_default=False)
    ] = "check",
    manifest: ManifestFlags,
    select: SelectFlags,
) -> None:
    """Show what would run and in which order; contacts nothing, resolves no variable."""
    from startupctl.cli.running import read_manifest, read_selection
    from startupctl.errors import PlanError, Problem
    from startupctl.model import MOMENTS
    from startupctl.plan import make_plan
    from startupctl.reports.graph import FORMS, draw

    if output not in FORMS:
        raise PlanError([Problem(f"unknown form `{output}`", "--output", f"use one of {', '.join(FORMS)}")])
    if moment not in MOMENTS:
        raise PlanError([Problem(f"unknown moment `{moment}`", "--moment", f"use one of {', '.join(MOMENTS)}")])
    selection = read_selection(names, select, databases=moment == "init-db")
    sys.stdout.write(draw(make_plan(read_manifest(manifest, resolve=False), selection, moment=moment), output))
