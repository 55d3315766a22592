"""What a finished run says to a person: the rows, the verdict, the root causes; formats add only layout."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl.outcome import Status
from startupctl.reports.text import shown, span, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.check import Facts
    from startupctl.diagnosis import Diagnosis
    from startupctl.outcome import Outcome, Report, Warned

HEADINGS = ("STATUS", "COMPONENT", "PRIORITY", "ATTEMPTS", "TIME", "DETAIL")
LISTED = 5  # values of one fact
PLANNED_FILES, PLANNED_STATEMENTS = 20, 3  # of a dry run, and of each of its files
_COUNTED = (Status.DEGRADED, Status.FAILED, Status.SKIPPED, Status.CANCELLED)


class Role(StrEnum):
    """What a line of the closing text is; formats give it a colour and an indentation."""

    VERDICT = "verdict"
    ROOT = "root"
    ERROR = "error"
    ADVICE = "advice"
    CONSEQUENCE = "consequence"
    PLAN = "plan"
    WARNING = "warning"
    BUG = "bug"


class Line(NamedTuple):
    """One line of the closing text; `depth` counts steps of indentation."""

    role: Role
    depth: int
    text: str


def row(outcome: Outcome) -> tuple[str, ...]:
    """Return the cells under HEADINGS; the priority is the effective one, which decides."""
    return (
        outcome.status.lower(),
        shown(outcome.name),
        str(outcome.effective_priority),
        str(outcome.attempts),
        span(outcome.duration),
        detail(outcome),
    )


def detail(outcome: Outcome) -> str:
    """Return one line: the error with its code, whom it lacks, or what was seen."""
    if outcome.diagnosis:
        parts = [error_words(outcome.diagnosis)]
    elif outcome.skipped_because:
        parts = [f"needs {shown(outcome.skipped_because)}"]
    else:
        parts = [facts_words(outcome.facts)]
    if outcome.impaired_by:
        parts.append("without " + ", ".join(map(shown, outcome.impaired_by)))
    return ", ".join(filter(None, parts))


def settled_words(outcome: Outcome) -> str:
    """Return how a component ended: its status, the effort, the error or what was seen."""
    effort = f" after {times(outcome.attempts, 'attempt')} in {span(outcome.duration)}" if outcome.attempts else ""
    more = detail(outcome)
    return f"{outcome.status.lower()}{effort}" + (f", {more}" if more else "")


def error_words(diagnosis: Diagnosis) -> str:
    """Return the fact and, in brackets, its code."""
    return f"{shown(diagnosis.summary)} [{diagnosis.code.code}]"


def facts_words(facts: Facts) -> str:
    """Return facts as `created, version 18.1, migrations 2 applied`; what is empty or false is left out."""
    told = {name: value for name, value in facts.items() if not (name == "would_run" and isinstance(value, Mapping))}
    return ", ".join(_fact(name, value) for name, value in told.items() if value not in (None, False, "", [], (), {}))


def _fact(name: str, value: Any) -> str:
    name = shown(str(name))
    if value is True:
        return name
    if isinstance(value, Mapping):
        counts = ((key, len(part) if isinstance(part, list | tuple) else part) for key, part in value.items())
        return f"{name} " + (
            " ".join(f"{shown(str(part))} {shown(str(key))}" for key, part in counts if part) or "none"
        )
    if isinstance(value, list | tuple):
        return f"{name} {_several(value)}"
    return f"{name} {round(value, 3) if isinstance(value, float) else shown(str(value))}"


def _several(values: Sequence[Any]) -> str:
    """Return the first of several values; of tables only how many there are."""
    if any(isinstance(part, Mapping) for part in values):
        return str(len(values))
    told = [shown(str(part)) for part in values[:LISTED]]
    return " ".join(told) + (f" and {len(values) - LISTED} more" if len(values) > LISTED else "")


def closing(report: Report) -> Iterator[Line]:
    """Yield what stands below the table: verdict, root causes once and first, consequences, warnings, a bug."""
    yield Line(Role.VERDICT, 0, verdict_words(report))
    consequences = _consequences(report)
    for root in sorted(report.roots, key=lambda outcome: outcome.status is not Status.FAILED):
        yield from _root_lines(root, consequences.pop(root.name, []))
    for outcome in report.outcomes.values():
        if planned := list(plan_lines(outcome.facts, depth=1)):
            yield from (Line(Role.PLAN, 0, f"{shown(outcome.name)}:"), *planned)
    for name, skipped in consequences.items():
        yield Line(Role.CONSEQUENCE, 0, f"skipped because of {shown(name)}: {', '.join(skipped)}")
    for outcome in report.outcomes.values():
        for warned in outcome.warnings:
            yield Line(Role.WARNING, 0, warning_words(warned, outcome.name))
    if report.bug:
        yield Line(Role.BUG, 0, "this is a bug in startupctl, please report it with the traceback on stderr")


def plan_lines(facts: Facts, depth: int = 0) -> Iterator[Line]:
    """Yield what a dry run would apply: the first files, their first statements and how these are sent."""
    files = facts.get("would_run")
    if not isinstance(files, Mapping):
        return
    for name, statements in list(files.items())[:PLANNED_FILES]:
        told = [one for one in statements if "statement" in one]
        manners = ", ".join(dict.fromkeys(shown(one["how"]) for one in told))
        yield Line(Role.PLAN, depth, f"would apply {shown(name)}" + (f", {manners}" if manners else ""))
        for one in told[:PLANNED_STATEMENTS]:
            yield Line(Role.PLAN, depth + 1, f"line {one['line']}: {shown(one['statement'])}")
        more = sum(one.get("more", 1) for one in statements) - len(told[:PLANNED_STATEMENTS])
        if more:
            yield Line(Role.PLAN, depth + 1, f"and {times(more, 'statement')} more")
    if len(files) > PLANNED_FILES:
        yield Line(Role.PLAN, depth, f"and {times(len(files) - PLANNED_FILES, 'migration')} more; -o json tells all")


def verdict_words(report: Report) -> str:
    """Return the verdict, the counts, the time and the exit code in one line."""
    counts = [f"{report.count(Status.SUCCESS)} of {times(len(report.outcomes), 'component')} ready"]
    counts += [f"{number} {status.lower()}" for status in _COUNTED if (number := report.count(status))]
    ended = f", ended by {signal.Signals(report.signal).name}" if report.signal else ""
    return f"{report.verdict}: {', '.join(counts)} in {span(report.duration)}{ended}, exit {report.exit_code}"


def warning_words(warned: Warned, name: str = "") -> str:
    """Return a warning of a component in one line."""
    return f"warning: {shown(name)}{': ' if name else ''}{shown(warned.text)} [{warned.code}]"


def _consequences(report: Report) -> dict[str, list[str]]:
    """Return the names that were skipped, under the name of what they lack in the end."""
    found: dict[str, list[str]] = {}
    for outcome in report.outcomes.values():
        if outcome.skipped_because:
            found.setdefault(_root_of(report, outcome.skipped_because), []).append(shown(outcome.name))
    return found


def _root_of(report: Report, name: str) -> str:
    for _ in report.outcomes:  # a chain is never longer than that
        outcome = report.outcomes.get(name)
        if outcome is None or not outcome.skipped_because:
            break
        name = outcome.skipped_because
    return name


def _root_lines(root: Outcome, skipped: list[str]) -> Iterator[Line]:
    diagnosis = root.diagnosis
    assert diagnosis
    yield Line(Role.ROOT, 0, f"{root.status.lower()}: {shown(root.name)} ({root.kind}) at {shown(root.target)}")
    yield Line(Role.ERROR, 1, error_words(diagnosis))
    yield Line(Role.CONSEQUENCE, 1, f"{times(root.attempts, 'attempt')} in {span(root.duration)}")
    if diagnosis.hint:
        yield Line(Role.ADVICE, 1, f"hint: {shown(diagnosis.hint)}")
    if root.runbook:
        yield Line(Role.ADVICE, 1, f"runbook: {shown(root.runbook)}")
    yield Line(Role.ADVICE, 1, f"more: startupctl explain {diagnosis.code.code}")
    if skipped:
        yield Line(Role.CONSEQUENCE, 1, f"skipped because of it: {', '.join(skipped)}")
