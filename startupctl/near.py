"""Names as messages show them, and the known names that are near to one nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 64  # characters of a name; the search is quadratic in them


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest; empty when none is near, or the name is too long to look."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, 1)), "") if len(name) <= LONGEST else ""


def near_hint(name: str, known: Iterable[str]) -> str:
    """Return `did you mean priority?`, or nothing when no known name is near."""
    near = nearest(name, known)
    return f"did you mean {shown(near)}?" if near else ""


def shown(name: str) -> str:
    """Return a name from outside as it can stand in a message: cut, control characters escaped."""
    cut = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
    return cut if cut.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)
