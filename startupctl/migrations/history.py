"""What another tool's table says: which versions it applied, which it left half-applied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from startupctl.quoting import quote_name

TRUE = frozenset({"t", "true", "1"})  # PostgreSQL, ClickHouse, SQLite


class Table(NamedTuple):
    """A table that was found; `schema` and `database` where the server tells them.

    `readable` says whether this role may look into it.
    """

    name: str
    columns: frozenset[str]
    schema: str = ""
    database: str = ""
    readable: bool = True

    @property
    def quoted(self) -> str:
        """The name as it stands in a statement; ClickHouse takes double quotes, too."""
        return ".".join(quote_name(part) for part in (self.schema, self.name) if part)

    def __str__(self) -> str:
        """Return the name as it stands in a message."""
        return ".".join(part for part in (self.schema, self.name) if part)


class Applied(NamedTuple):
    """A version that was applied, as the tool writes it; time and checksum where it keeps them."""

    version: str
    name: str = ""
    at: str = ""
    checksum: str = ""


class Dirty(NamedTuple):
    """A version that was begun: what the tool's table says of it, and what to do about it with that tool."""

    version: str
    state: str
    cure: str


class History(NamedTuple):
    """All that one table says.

    Everything up to the version `up_to`, if there is one, counts as applied without a row of its own.
    """

    tool: str
    table: Table
    applied: tuple[Applied, ...] = ()
    dirty: tuple[Dirty, ...] = ()
    up_to: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever applied."""
        return not (self.applied or self.dirty or self.up_to)


def is_true(value: str | None) -> bool:
    """Read a truth value as any of the databases writes it."""
    return value in TRUE


def moment(value: str | None) -> str:
    """Return a time as text; SQLite may hold milliseconds since 1970."""
    if value and value.isdecimal():
        return datetime.fromtimestamp(int(value) / 1000, UTC).isoformat(sep=" ")
    return value or ""
