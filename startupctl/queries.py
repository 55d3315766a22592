"""The manifest keys of `expect.query`: a statement and the value it must return, the same for every database."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import Field

from startupctl.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRUE, _FALSE = frozenset({"t", "true", "1"}), frozenset({"f", "false", "0"})


class QueryExpect(Keys):
    """A statement that reads, and what it must return."""

    sql: str = Field(min_length=1, pattern=r"^[^\x00]*$", description="a statement that reads")
    equals: bool | int | float | str | None = Field(
        default=None, description="the first value of the first row; left out: at least one row"
    )

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        if "equals" not in self.model_fields_set:
            return "at least one row"
        return "NULL" if self.equals is None else f"`{self.equals}`"

    def met_by(self, rows: Sequence[Sequence[str | None]]) -> bool:
        """Whether rows, every value as the server writes it, are what is expected; numbers compare as numbers."""
        if "equals" not in self.model_fields_set:
            return bool(rows)
        return bool(rows and rows[0]) and _same(rows[0][0], self.equals)


def first_value(rows: Sequence[Sequence[str | None]]) -> str:
    """Return the first value of the first row in words: text from outside."""
    if not rows or not rows[0]:
        return "no row"
    return "NULL" if rows[0][0] is None else f"`{rows[0][0]}`"


def _same(value: str | None, wanted: object) -> bool:
    if value is None or wanted is None:
        return value is wanted
    if isinstance(wanted, bool):
        return value.lower() in (_TRUE if wanted else _FALSE)
    return value == wanted if isinstance(wanted, str) else _number(value) == wanted


def _number(text: str) -> float | None:
    for read in (int, float):  # an integer of 64 bits does not fit into a float
        with suppress(ValueError):
            return read(text)
    return None
