"""A plan as a picture: tree, mermaid, dot, JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from startupctl.plan import Plan, Step


def draw(plan: Plan, form: str) -> str:
    """Return the plan in one of FORMS; raises KeyError for another."""
    return FORMS[form](plan)


def _tree(plan: Plan) -> str:
    return "\n".join(_tree_lines(plan)) + "\n"


def _tree_lines(plan: Plan) -> Iterator[str]:
    for number, wave in enumerate(plan.waves, 1):
        yield f"wave {number}"
        for name in wave:
            yield f"  {_label(plan.steps[name])}"
    yield f"critical path: {' -> '.join(plan.critical_path)} (at most {plan.longest_wait:g} s)"


def _label(step: Step) -> str:
    component = step.component
    priority = (
        f"{step.effective_priority} (raised from {component.priority})" if step.promoted else str(component.priority)
    )
    parts = [f"{component.name}  {component.kind}  {priority}  timeout {component.policy.timeout:g}s"]
    if step.needs:
        parts.append("after " + ", ".join(_edge(step, need) for need in step.needs))
    return "  ".join(parts)


def _edge(step: Step, need: str) -> str:
    return need if step.component.depends_on[need] else f"{need} (not required)"


def _mermaid(plan: Plan) -> str:
    numbers = {name: f"n{number}" for number, name in enumerate(plan.steps)}
    critical = set(plan.critical_path)
    lines = ["flowchart LR"]
    lines += [
        f'  {numbers[name]}["{name}<br/>{step.component.kind} {step.effective_priority}"]'
        for name, step in plan.steps.items()
    ]
    for name, step in plan.steps.items():
        for need in step.needs:
            lines.append(f"  {numbers[need]} {'-->' if step.component.depends_on[need] else '-.->'} {numbers[name]}")
    lines += [f"  style {numbers[name]} stroke-width:3px" for name in plan.steps if name in critical]
    return "\n".join(lines) + "\n"


def _dot(plan: Plan) -> str:
    critical = set(plan.critical_path)
    lines = ["digraph startup {", "  rankdir=LR;", "  node [shape=box];"]
    for name, step in plan.steps.items():
        weight = ", penwidth=3" if name in critical else ""
        lines.append(f'  "{name}" [label="{name}\\n{step.component.kind} {step.effective_priority}"{weight}];')
    for name, step in plan.steps.items():
        for need in step.needs:
            style = "" if step.component.depends_on[need] else " [style=dashed]"
            lines.append(f'  "{need}" -> "{name}"{style};')
    return "\n".join([*lines, "}"]) + "\n"


def _json(plan: Plan) -> str:
    document = {
        "schema": "startupctl.plan/1",
        "manifest": plan.manifest.file,
        "waves": plan.waves,
        "critical_path": list(plan.critical_path),
        "longest_wait": plan.longest_wait,
        "components": {name: _json_step(step) for name, step in plan.steps.items()},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _json_step(step: Step) -> dict[str, object]:
    component = step.component
    return {
        "kind": component.kind,
        "priority": component.priority.name,
        "effective_priority": step.effective_priority.name,
        "timeout": component.policy.timeout,
        "depends_on": {need: {"required": component.depends_on[need]} for need in step.needs},
        "tags": sorted(component.tags),
    }


FORMS: dict[str, Callable[[Plan], str]] = {"tree": _tree, "mermaid": _mermaid, "dot": _dot, "json": _json}
