"""How the statements of a file are sent: together or one by one, inside of a transaction or not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from startupctl.migrations.lexer import Statement


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
