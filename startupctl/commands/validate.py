"""`startupctl validate`: find every mistake of a manifest without contacting anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from startupctl.cli.flags import ManifestFlags, option, takes

if TYPE_CHECKING:
    from startupctl.plan import Step


@takes(manifest=ManifestFlags)
def command(
    *,
    env: Annotated[bool, option("--env", help="Also resolve variables and read secret files")] = False,
    manifest: ManifestFlags,
) -> None:
    """Check the manifest: syntax, keys, values, dependencies; contacts nothing, resolves no variable.

    Exits with 2 and every mistake at its line when there is one.
    """
    from startupctl.cli.running import read_manifest
    from startupctl.plan import make_plan

    loaded = read_manifest(manifest, resolve=env)
    whole = make_plan(loaded)
    for step in whole.steps.values():
        if step.promoted:
            sys.stderr.write(f"{step.component.mark}: components.{step.component.name}: {promotion(step)}\n")
    count = len(whole.steps)
    sys.stdout.write(f"{loaded.file}: {count} component{'' if count == 1 else 's'}, no mistakes\n")


def promotion(step: Step) -> str:
    """Say that a component matters more than its priority says."""
    from startupctl.diagnoses import PROMOTED
    from startupctl.diagnosis import Diagnosis

    facts = {
        "name": step.component.name,
        "priority": step.component.priority,
        "effective": step.effective_priority,
    }
    found = Diagnosis(PROMOTED, facts)
    return f"warning: {found.summary}, {found.hint}"
