"""`startupctl explain`: say what a diagnosis code means."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument


def command(code: Annotated[str, Argument(metavar="CODE|NAME", help="As `PG002` or `authentication-failed`")]) -> None:
    """Explain a diagnosis code: what it means, its class and what to do."""
    from difflib import get_close_matches

    from startupctl.catalogue import catalogue
    from startupctl.errors import PlanError, Problem

    found = [one for one in catalogue().values() if code.lower() in (one.code.lower(), one.name.lower())]
    if not found:
        names = [name for one in catalogue().values() for name in (one.code, one.name)]
        near = ", ".join(get_close_matches(code, names, 3) or get_close_matches(code.upper(), names, 3))
        raise PlanError(
            [Problem(f"no diagnosis is called `{code}`", "explain", f"did you mean {near}?" if near else "")]
        )
    for one in found:
        sys.stdout.write(f"{one.code} {one.name} ({one.failure})\n  {one.summary}\n  cause: {one.cause}\n")
        sys.stdout.write(f"  hint: {one.hint}\n" if one.hint else "")
