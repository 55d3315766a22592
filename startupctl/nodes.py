"""The tree of a manifest: mappings, sequences and text, each with its place in its source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from startupctl.errors import Mark

if TYPE_CHECKING:
    from pathlib import Path

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


@dataclass(frozen=True, slots=True)
class Source:
    """Where text came from: a name for people, the folder its relative paths start in, the profile it belongs to."""

    name: str
    folder: Path
    profile: str = ""


# nodes are never changed either; they are not frozen because that makes each of a hundred thousand twice as slow
@dataclass(slots=True)
class Node:
    """A place in a source; line and column count from 1."""

    source: Source
    line: int
    column: int

    @property
    def mark(self) -> Mark:
        """The place, as problems show it."""
        return Mark(self.source.name, self.line, self.column)


@dataclass(slots=True)
class ScalarNode(Node):
    """Text, whatever it looks like; `plain` when it was written without quotes."""

    text: str
    plain: bool = False

    @property
    def is_null(self) -> bool:
        """Whether nothing was written, or `null`, or `~`."""
        return self.plain and self.text in _NULLS


@dataclass(slots=True)
class SequenceNode(Node):
    """A list of nodes."""

    items: list[Node] = field(default_factory=list)


class Entry(NamedTuple):
    """One key of a mapping and what it holds."""

    key: ScalarNode
    value: Node


@dataclass(slots=True)
class MappingNode(Node):
    """Keys in the order they were written."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def get(self, key: str) -> Node | None:
        """Return the value of a key, None when it is not there or null."""
        entry = self.entries.get(key)
        value = entry.value if entry else None
        return None if isinstance(value, ScalarNode) and value.is_null else value
