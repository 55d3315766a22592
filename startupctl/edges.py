"""Reads what components need, and finds edges that lead nowhere, to what is disabled, or in a circle."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from startupctl.errors import Problem
from startupctl.findings import dotted
from startupctl.fitting import fit
from startupctl.graph import find_cycles
from startupctl.keys import Keys
from startupctl.near import shown
from startupctl.nodes import MappingNode, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from startupctl.errors import Mark
    from startupctl.findings import KeyPath
    from startupctl.fitting import Reading
    from startupctl.model import Component
    from startupctl.nodes import Node

Edges = dict[str, bool]
Marks = dict[str, "Mark"]


class EdgeKeys(Keys):
    """One dependency."""

    required: bool = Field(default=True, description="false: it waits for the result, then runs anyway")


def read_edges(node: Node | None, where: KeyPath, reading: Reading) -> tuple[Edges, Marks]:
    """Return what a component needs, each name with whether it is required, and where it is written."""
    if node is None:
        return {}, {}
    if isinstance(node, SequenceNode):
        return _from_list(node, where, reading)
    if isinstance(node, MappingNode):
        return _from_mapping(node, where, reading)
    hint = f"write `[{shown(node.text)}]`" if isinstance(node, ScalarNode) else ""
    reading.report("must be a list or a mapping of components", where, hint, node)
    return {}, {}


def check_edges(components: Mapping[str, Component], names: Collection[str], reading: Reading) -> None:
    """Report edges to nothing, to itself, required ones to disabled components, and cycles.

    `names` also holds components that could not be read.
    """
    for component in components.values():
        for need in component.depends_on:
            what, hint = _fault(component, need, components, names, reading)
            if what:
                where = dotted(("components", component.name, "depends_on"))
                reading.problems.append(Problem(what, where, hint, component.edge_marks[need]))
    enabled = {name: component for name, component in components.items() if component.enabled}
    edges = {name: [need for need in one.depends_on if need != name] for name, one in enabled.items()}
    for cycle in find_cycles(edges):
        reading.problems.append(_cycle_problem(cycle, components))


def _from_list(node: SequenceNode, where: KeyPath, reading: Reading) -> tuple[Edges, Marks]:
    edges, marks = {}, {}
    for at, item in enumerate(node.items):
        name = reading.text(item, (*where, at))
        if name is not None:
            edges[name], marks[name] = True, item.mark
    return edges, marks


def _from_mapping(node: MappingNode, where: KeyPath, reading: Reading) -> tuple[Edges, Marks]:
    edges, marks = {}, {}
    for name, entry in node.entries.items():
        edges[name], marks[name] = True, entry.key.mark
        if isinstance(entry.value, MappingNode):
            keys = fit(EdgeKeys, entry.value, (*where, name), reading).model or EdgeKeys()
            edges[name] = keys.required
        elif node.get(name):
            reading.report("must be a mapping", (*where, name), "write `{}` or `{required: false}`", entry.value)
    return edges, marks


def _fault(
    component: Component, need: str, components: Mapping[str, Component], names: Collection[str], reading: Reading
) -> tuple[str, str]:
    """Return what is wrong with an edge and the cure, both empty when nothing is."""
    if need == component.name:
        return "needs itself", "remove this edge"
    if need not in names:
        return f"no component is called `{shown(need)}`", reading.near(need, names)
    stands = need not in components or components[need].enabled or not component.enabled
    if component.depends_on[need] and not stands:
        return f"requires `{need}`, which is disabled", f"enable it, or write `{need}: {{required: false}}`"
    return "", ""


def _cycle_problem(cycle: list[str], components: Mapping[str, Component]) -> Problem:
    edges = [(shown(name), shown(need), components[name].edge_marks[need]) for name, need in pairwise(cycle)]
    where, mark = dotted(("components", cycle[0], "depends_on")), edges[0][2]
    lines = "; ".join(f"{name} needs {need} at {place}" for name, need, place in edges)
    what = f"dependency cycle {' -> '.join(map(shown, cycle))} ({lines})"
    return Problem(what, where, "remove one of these edges", mark)
