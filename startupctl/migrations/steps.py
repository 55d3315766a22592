"""How the statements of a file are sent: together or one by one, inside of a transaction or not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.lexer import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from startupctl.migrations.script import Script


class How(StrEnum):
    """What protects a step when the process ends in the middle of it."""

    FILE = "in the transaction of the file"
    RECORDED = "in a transaction with its record"
    ALONE = "outside of a transaction"
    WHOLE = "in transactions of its own"


class Step(NamedTuple):
    """What is sent and recorded at once; `opening` is how the file itself begins its transaction."""

    statements: tuple[Statement, ...]
    how: How
    opening: tuple[Statement, ...] = ()


def parts_of(script: Script, cut: Callable[[str], Sequence[Statement]]) -> tuple[Statement, ...]:
    """Return the statements as the server counts them, also where a format cuts a file into larger pieces."""
    if script.parts is None:
        return tuple(cut(script.text))
    inside = ((part.start, inner) for part in script.parts for inner in cut(part.text))
    return tuple(Statement(inner.text, start + inner.start) for start, inner in inside)
