"""`startupctl config`: print every setting with its origin."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Option

from startupctl.cli.flags import ManifestFlags, RunFlags, takes


@takes(manifest=ManifestFlags, how=RunFlags)
def command(
    *,
    output: Annotated[str, Option("--output", "-o", metavar="text|json", help="Form", show_default=False)] = "text",
    manifest: ManifestFlags,
    how: RunFlags,
) -> None:
    """Print every setting with its value and where it comes from; contacts nothing, shows no secret."""
    import json

    from startupctl.cli.running import read_manifest
    from startupctl.errors import PlanError, Problem

    origins = read_manifest(manifest, how, resolve=False).origins
    if output == "json":
        document = {name: {"value": one.value, "origin": one.origin} for name, one in origins.items()}
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    elif output == "text":
        sys.stdout.writelines(f"{name} = {one.value}  ({one.origin})\n" for name, one in origins.items())
    else:
        raise PlanError([Problem(f"unknown form `{output}`", "--output", "use text or json")])
