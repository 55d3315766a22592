"""`startupctl explain`: say what a diagnosis code means."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument


def command(code: Annotated[str, Argument(metavar="CODE|NAME", help="As `PG002` or `authentication-failed`")]) -> None:
    """Explain a diagnosis code: what it means, its class and what to do."""
    from startupctl.catalogue import catalogue
    from startupctl.errors import PlanError, Problem
    from startupctl.near import near_hint

    found = [one for one in catalogue().values() if code.lower() in (one.code.lower(), one.name.lower())]
    if not found:
        names = [name for one in catalogue().values() for name in (one.code, one.name)]
        hint = near_hint(code, names) or near_hint(code.upper(), names)
        raise PlanError([Problem(f"no diagnosis is called `{code}`", "explain", hint)])
    for one in found:
        sys.stdout.write(f"{one.code} {one.name} ({one.failure})\n  {one.summary}\n  cause: {one.cause}\n")
        sys.stdout.write(f"  hint: {one.hint}\n" if one.hint else "")
