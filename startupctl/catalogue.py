"""The list of every diagnosis code: the general ones and those that kinds declare."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from startupctl.diagnoses import GENERAL
from startupctl.discover import find_kind, kind_names
from startupctl.network_codes import NETWORK

if TYPE_CHECKING:
    from startupctl.diagnosis import Code


@cache
def catalogue() -> dict[str, Code]:
    """Return every code by its number, sorted; imports the modules of all kinds."""
    kinds = [find_kind(name) for name in kind_names()]
    codes = {*GENERAL, *NETWORK, *(code for kind in kinds for code in kind.codes)}
    return {code.code: code for code in sorted(codes, key=lambda code: code.code)}
