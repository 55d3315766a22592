"""Version numbers of servers, and the constraints a manifest puts on them."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, WithJsonSchema

if TYPE_CHECKING:
    from collections.abc import Callable

Numbers = tuple[int, ...]

_OPERATORS: dict[str, Callable[[Numbers, Numbers], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "": operator.eq,
}
_TERM = re.compile(r"(>=|<=|!=|==|>|<|=|)\s*v?(\d+(?:\.\d+)*)", re.ASCII)
_VERSION = re.compile(r"\d+(?:\.\d+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a version must satisfy, as `>=15,<17`; all terms must hold.

    Only as many numbers are compared as a term names, so `==15` and `<=15` admit 15.3 and `>15`
    begins with 16: a server's version has more numbers than people write.
    """

    text: str
    terms: tuple[tuple[str, Numbers], ...]

    @classmethod
    def parse(cls, value: object) -> Constraint:
        """Read `>=15,<17`, `!=26.3` or `18`; raises ValueError for anything else."""
        if isinstance(value, Constraint):
            return value
        text = str(value).strip()
        matches = [_TERM.fullmatch(part.strip()) for part in text.split(",")]
        if None in matches:
            raise ValueError("not a version constraint such as >=15,<17 (operators >= > <= < == !=)")
        return cls(text, tuple((match[1], _numbers(match[2])) for match in matches if match))

    def admits(self, version: str) -> bool:
        """Whether a server's version satisfies every term; one without a number satisfies none.

        What follows the first run of numbers is ignored: `18.1 (Debian)`, `7.2.4-rc1`.
        """
        found = _VERSION.search(version)
        if not found:
            return False
        seen = _numbers(found[0])
        return all(_OPERATORS[sign](_cut(seen, len(wanted)), wanted) for sign, wanted in self.terms)

    def __str__(self) -> str:
        """Return the constraint as it was written."""
        return self.text


VersionField = Annotated[
    Constraint,
    BeforeValidator(Constraint.parse),
    WithJsonSchema({"type": ["string", "number"], "description": "a version constraint: >=15,<17"}),
]


def _numbers(text: str) -> Numbers:
    return tuple(map(int, text.split(".")))


def _cut(version: Numbers, length: int) -> Numbers:
    return (version + (0,) * length)[:length]
