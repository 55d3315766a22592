"""Lays one manifest over another: maps merge, lists and scalars replace; profiles are laid over the rest."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from startupctl.nodes import Entry, MappingNode, SequenceNode

if TYPE_CHECKING:
    from startupctl.nodes import Node, Source


def merge(base: MappingNode, over: MappingNode) -> MappingNode:
    """Return `over` laid over `base`: the keys of both, in the order of `base`.

    A merged mapping keeps the place of `base`: its relative paths start where it is written first.
    """
    entries = dict(base.entries)
    for name, entry in over.entries.items():
        below = entries.get(name)
        entries[name] = Entry(below.key, _laid(below.value, entry.value)) if below else entry
    return replace(base, entries=entries)


def in_profile(node: MappingNode, profile: str) -> MappingNode:
    """Return the same tree with every source marked as belonging to a profile."""

    @cache
    def marked(source: Source) -> Source:
        return replace(source, profile=profile)

    def copied(node: Node) -> Node:
        if isinstance(node, MappingNode):
            return copied_mapping(node)
        if isinstance(node, SequenceNode):
            return replace(node, source=marked(node.source), items=[copied(item) for item in node.items])
        return replace(node, source=marked(node.source))

    def copied_mapping(node: MappingNode) -> MappingNode:
        entries = {name: Entry(entry.key, copied(entry.value)) for name, entry in node.entries.items()}
        return replace(node, source=marked(node.source), entries=entries)

    return copied_mapping(node)


def _laid(base: Node, over: Node) -> Node:
    return merge(base, over) if isinstance(base, MappingNode) and isinstance(over, MappingNode) else over
