"""Finds cycles among named things that need each other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping


def find_cycles(edges: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Return one cycle for each group of names that need each other, as `[a, b, a]`.

    `edges` maps a name to what it needs; names that are only needed are leaves. A name that needs
    itself is a cycle of one. The cycle is the shortest through the first name of its group. Linear in
    names and edges, no recursion.
    """
    order = {name: place for place, name in enumerate(edges)}
    groups = [group for group in _groups(edges) if len(group) > 1 or group[0] in edges[group[0]]]
    firsts = {min(group, key=order.__getitem__): group for group in groups}
    return [_shortest(first, set(firsts[first]), edges) for first in sorted(firsts, key=order.__getitem__)]


def _groups(edges: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Return the strongly connected components (S. R. Kosaraju; M. Sharir, 1981)."""
    needed_by: dict[str, list[str]] = {name: [] for name in edges}
    for name, needs in edges.items():
        for need in needs:
            if need in needed_by:
                needed_by[need].append(name)
    seen: set[str] = set()
    last_first = reversed(_finished(edges, edges, set()))
    return [group for name in last_first if (group := _finished(needed_by, [name], seen))]


def _finished(edges: Mapping[str, Collection[str]], roots: Iterable[str], seen: set[str]) -> list[str]:
    """Return the names not seen before in the order in which a depth-first walk from the roots leaves them."""
    order: list[str] = []
    stack: list[tuple[str, Iterator[str]]] = []
    for root in roots:
        stack += _entered(root, edges, seen)
        while stack:
            name, needs = stack[-1]
            step = next((entered for need in needs if (entered := _entered(need, edges, seen))), None)
            if step:
                stack += step
            else:
                order.append(name)
                stack.pop()
    return order


def _entered(name: str, edges: Mapping[str, Collection[str]], seen: set[str]) -> list[tuple[str, Iterator[str]]]:
    if name in seen or name not in edges:
        return []
    seen.add(name)
    return [(name, iter(edges[name]))]


def _shortest(first: str, group: set[str], edges: Mapping[str, Collection[str]]) -> list[str]:
    """Return the shortest way from a name back to itself inside its group, breadth first."""
    before: dict[str, str] = {}
    queue = deque([first])
    while queue:
        name = queue.popleft()
        for need in edges[name]:
            if need == first:
                return _back(name, first, before)
            if need in group and need not in before:
                before[need] = name
                queue.append(need)
    raise AssertionError(first)  # every member of a group leads back to every other


def _back(name: str, first: str, before: Mapping[str, str]) -> list[str]:
    path = [first]
    while name != first:
        path.append(name)
        name = before[name]
    return [first, *reversed(path)]
