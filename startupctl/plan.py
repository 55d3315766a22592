"""Manifest + selection -> Plan: what runs, in which order, how much it matters, and the longest way through."""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

from startupctl.errors import PlanError, Problem
from startupctl.near import near_hint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from startupctl.fields import Priority
    from startupctl.model import Component, Manifest


class Selection(NamedTuple):
    """What the user asked for; nothing named means everything."""

    names: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    no_deps: bool = False
    databases: bool = False
    """Only database components and what they require."""


class Step(NamedTuple):
    """One component of a plan; `needs` are its edges inside the plan, `unproven` those that lead out of it."""

    component: Component
    effective_priority: Priority
    needs: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    @property
    def promoted(self) -> bool:
        """Whether something that requires it matters more than it does."""
        return self.effective_priority > self.component.priority


class Plan(NamedTuple):
    """The steps in manifest order; `order` is one in which every dependency comes first."""

    manifest: Manifest
    steps: Mapping[str, Step]
    order: tuple[str, ...] = ()

    @property
    def waves(self) -> list[list[str]]:
        """The steps by how many dependencies lie before them; a step starts as soon as its own have settled."""
        depth: dict[str, int] = {}
        for name in self.order:
            depth[name] = 1 + max((depth[need] for need in self.steps[name].needs), default=-1)
        waves: dict[int, list[str]] = defaultdict(list)
        for name in self.steps:
            waves[depth[name]].append(name)
        return [waves[level] for level in sorted(waves)]

    @property
    def critical_path(self) -> tuple[str, ...]:
        """The chain of dependencies whose timeouts add up to the most seconds."""
        spent: dict[str, float] = {}
        before: dict[str, str | None] = {}
        for name in self.order:
            before[name] = max(self.steps[name].needs, key=spent.__getitem__, default=None)
            spent[name] = self.steps[name].component.policy.timeout + spent.get(before[name] or "", 0.0)
        return chain_back(max(spent, key=spent.__getitem__), before)

    @property
    def longest_wait(self) -> float:
        """Seconds the critical path may take at most."""
        return sum(self.steps[name].component.policy.timeout for name in self.critical_path)


def make_plan(manifest: Manifest, selection: Selection | None = None, *, moment: str | None = None) -> Plan:
    """Select, order and weigh the components of a manifest for one moment, None for any.

    Effective priority comes from the whole enabled manifest, never from the selection. Raises
    PlanError for unknown names, an empty selection and cycles.
    """
    enabled = {name: component for name, component in manifest.components.items() if component.enabled}
    weights = _weigh(enabled)
    chosen = _select(enabled, selection or Selection(), moment)
    steps = {name: _step(enabled[name], weights[name], chosen) for name in enabled if name in chosen}
    return Plan(manifest, steps, tuple(_sort({name: step.needs for name, step in steps.items()})))


def chain_back(name: str | None, before: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the chain that ends in `name`, first link first."""
    chain = []
    while name is not None:
        chain.append(name)
        name = before[name]
    return tuple(reversed(chain))


def _step(component: Component, weight: Priority, chosen: Collection[str]) -> Step:
    needs = tuple(name for name in component.depends_on if name in chosen)
    unproven = tuple(name for name in component.depends_on if name not in chosen)
    return Step(component, weight, needs, unproven)


def _weigh(enabled: Mapping[str, Component]) -> dict[str, Priority]:
    """Effective priority: the highest of its own and of everything that requires it."""
    weights = {name: component.priority for name, component in enabled.items()}
    for name in reversed(_sort({name: component.depends_on for name, component in enabled.items()})):
        for need, required in enabled[name].depends_on.items() if name in enabled else ():
            if required and need in weights:
                weights[need] = max(weights[need], weights[name])
    return weights


def _sort(edges: Mapping[str, Iterable[str]]) -> list[str]:
    try:
        return list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise PlanError([Problem(f"dependency cycle: {path}", "components", "remove one of these edges")]) from error


def _select(enabled: Mapping[str, Component], selection: Selection, moment: str | None) -> set[str]:
    _known(enabled, (*selection.names, *selection.skip), selection.tags)
    present = {name for name, component in enabled.items() if moment is None or moment in component.when} - set(
        selection.skip
    )
    wanted = {name for name in present if _asked_for(enabled[name], selection)}
    chosen = wanted if selection.no_deps else _with_requirements(wanted, enabled, present)
    if not chosen:
        hint = "check the names, tags, `enabled`, `when` and the profile"
        raise PlanError([Problem("nothing is selected, so nothing can be proved", "selection", hint)])
    return chosen


def _asked_for(component: Component, selection: Selection) -> bool:
    if selection.databases and not component.database:
        return False
    named = component.name in selection.names or bool(component.tags.intersection(selection.tags))
    return named or not (selection.names or selection.tags)


def _with_requirements(wanted: set[str], enabled: Mapping[str, Component], present: set[str]) -> set[str]:
    chosen: set[str] = set()
    stack = list(wanted)
    while stack:
        name = stack.pop()
        if name not in chosen:
            chosen.add(name)
            stack += [need for need, required in enabled[name].depends_on.items() if required and need in present]
    return chosen


def _known(enabled: Mapping[str, Component], names: Iterable[str], tags: Iterable[str]) -> None:
    all_tags = {tag for component in enabled.values() for tag in component.tags}
    problems = [_unknown("component", name, enabled) for name in names if name not in enabled]
    problems += [_unknown("tag", tag, all_tags) for tag in tags if tag not in all_tags]
    if problems:
        raise PlanError(problems)


def _unknown(what: str, name: str, known: Iterable[str]) -> Problem:
    return Problem(f"no enabled {what} is called `{name}`", "selection", near_hint(name, known))
