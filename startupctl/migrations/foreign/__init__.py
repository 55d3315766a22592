"""Tables in which other tools record what they applied: one file, one tool, found by its name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Applied, History, Table
    from startupctl.migrations.script import Migration

# stated, not looked for in the folder: it is asked with every check
TOOLS = ("atlas", "dbmate", "flyway", "golang-migrate", "goose", "prisma")


class Tool(Protocol):
    """What the module of a tool offers.

    `TABLES` are the usual names of its table, the likeliest first; `NEIGHBOURS` are tables beside it that tell whose
    it is.
    """

    TABLES: tuple[str, ...]
    NEIGHBOURS: tuple[str, ...]

    def owns(self, table: Table, neighbours: Collection[str]) -> bool:
        """Whether a table of that name is of this tool, by its columns and by the tables beside it."""

    async def read(self, reader: Reader, table: Table) -> History:
        """Return what the table says; raises what the reader raises."""

    def key(self, version: str) -> Any:
        """Return what two versions have in common that the tool takes for the same; keys have the tool's order."""

    def edited(self, history: History, done: Sequence[tuple[Migration, Applied]]) -> Iterable[Migration]:
        """Return the files whose checksum is another than the recorded one; blocks where files are read again."""

    def lock_keys(self, table: Table) -> tuple[int, ...]:
        """Return the keys of the advisory locks that the tool takes on PostgreSQL."""


def tool_names() -> list[str]:
    """Return the names of all tools, sorted."""
    return list(TOOLS)


def find_tool(name: str) -> Tool | None:
    """Return a tool by its name, which is also the name of its format; None for one that keeps no table."""
    if name not in TOOLS:
        return None
    module: Any = import_module(f"{__name__}.{name.replace('-', '_')}")
    tool: Tool = module
    return tool
