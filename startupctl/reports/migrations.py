"""What `migrate` commands show when they succeeded: the table of all migrations, or what was changed, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from startupctl.reports.text import shown, span, tamed, times
from startupctl.reports.words import facts_words, plan_lines, warning_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from startupctl.check import Facts
    from startupctl.outcome import Outcome, Report

HEADINGS = ("STATE", "VERSION", "NAME", "APPLIED", "TIME", "NOTE")
_CHOICES = ((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 5), (0, 2, 5), (0, 2))
_STYLES = {"applied": "green", "adopted": "green", "pending": "yellow"}
_BAD = "bold red"
# facts that are names of migrations, told one to a line
_LISTED = ("applied", "reverted", "adopted", "would_apply", "would_revert", "would_adopt")


def status_plain(report: Report) -> str:
    """Return where the migrations of the only component of a report stand, as lines of text."""
    rows = _rows(_outcome(report).facts)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, cells, [*widths[:-1], 0])).rstrip() for cells in rows]
    return _text([*lines, "", *_below(_outcome(report))])


def status_table(report: Report, *, width: int, color: bool, ascii_only: bool) -> str:
    """Return the same for a terminal."""
    from startupctl.reports.table import Columns, console, laid_out, printed, wrapped

    outcome = _outcome(report)
    styles = ["bold", *(_STYLES.get(one["state"], _BAD) for one in outcome.facts["migrations"])]
    columns = Columns(_CHOICES, HEADINGS.index("NAME"), HEADINGS.index("NOTE"))
    page = console(width, color=color)
    table = laid_out(_rows(outcome.facts), styles, columns, width, ascii_only=ascii_only)
    return printed([*table, *wrapped(["", *_below(outcome)], page, ascii_only=ascii_only)], page)


def status_json(report: Report) -> str:
    """Return the document `startupctl.migrations/1`."""
    from startupctl.reports.json import dump

    outcome = _outcome(report)
    head = {"schema": "startupctl.migrations/1", "component": outcome.name, "target": outcome.target}
    warnings = [warned._asdict() for warned in outcome.warnings]
    return dump({**head, **outcome.facts, "warnings": warnings})


def findings_plain(report: Report) -> str:
    """Return what does not fit and what can be done about each."""
    return _text(_findings(_outcome(report)))


def findings_table(report: Report, *, width: int, color: bool, ascii_only: bool) -> str:
    """Return the same for a terminal."""
    return _on_terminal(_findings(_outcome(report)), width, color=color, ascii_only=ascii_only)


def lock_plain(report: Report) -> str:
    """Return who holds the migration lock, and how it ends."""
    return _text(_lock(_outcome(report)))


def lock_table(report: Report, *, width: int, color: bool, ascii_only: bool) -> str:
    """Return the same for a terminal."""
    return _on_terminal(_lock(_outcome(report)), width, color=color, ascii_only=ascii_only)


def changes_plain(report: Report) -> str:
    """Return what was changed, or would be, one line each, and the facts in one line."""
    return _text(_changes(_outcome(report)))


def changes_table(report: Report, *, width: int, color: bool, ascii_only: bool) -> str:
    """Return the same for a terminal."""
    return _on_terminal(_changes(_outcome(report)), width, color=color, ascii_only=ascii_only)


STATUS: Mapping[str, Callable[..., str]] = {"plain": status_plain, "table": status_table, "json": status_json}
FINDINGS: Mapping[str, Callable[..., str]] = {"plain": findings_plain, "table": findings_table}
LOCK: Mapping[str, Callable[..., str]] = {"plain": lock_plain, "table": lock_table}
CHANGES: Mapping[str, Callable[..., str]] = {"plain": changes_plain, "table": changes_table}


def _outcome(report: Report) -> Outcome:
    [outcome] = report.outcomes.values()
    return outcome


def _text(lines: Sequence[str]) -> str:
    return tamed("\n".join(lines)) + "\n"


def _on_terminal(lines: Sequence[str], width: int, *, color: bool, ascii_only: bool) -> str:
    from startupctl.reports.table import console, printed, wrapped

    page = console(width, color=color)
    return printed([*wrapped(lines, page, ascii_only=ascii_only)], page)


def _rows(facts: Facts) -> list[tuple[str, ...]]:
    return [HEADINGS, *(tuple(map(shown, _cells(one))) for one in facts["migrations"])]


def _cells(one: Mapping[str, Any]) -> Iterator[str]:
    yield one["state"].replace("_", " ")
    yield from (one["version"], one["name"])
    yield one["applied_at"] or ""
    yield "" if one["duration"] is None else span(one["duration"])
    yield one["note"]


def _below(outcome: Outcome) -> list[str]:
    """Return what stands below the table: the counts, where it was looked, who is at it, warnings."""
    facts = outcome.facts
    counts = [f"{count} {state.replace('_', ' ')}" for state, count in facts["counts"].items() if count]
    directory, table = shown(facts["directory"]), shown(facts["table"])
    lines = [
        f"{shown(outcome.name)} at {shown(outcome.target)}: {', '.join(counts)}",
        f"format {facts['format']}, decided by {facts['format_from']} in {directory}, recorded in table {table}",
    ]
    if facts["adopted_from"]:
        lines.append(f"what {shown(facts['adopted_from'])} applied counts; the next run records it")
    if lock := facts["lock"]:
        since = f" since {shown(lock['since'])}" if lock["since"] else ""
        lines.append(f"the migration lock is held by {shown(lock['holder'])}{since}")
    return [*lines, *map(warning_words, outcome.warnings)]


def _findings(outcome: Outcome) -> list[str]:
    facts = outcome.facts
    lines = []
    for one in facts["findings"]:
        lines.append(f"{one['state']} {shown(one['name'])}: {shown(one['what'])}")
        lines += [f"  {shown(command)}" for command in one["repairs"]]
    if facts["lock"]:
        lines.append(f"the migration lock is held by {shown(facts['lock'])}: what is running may be under way")
    count = times(len(facts["findings"]), "migration") if facts["findings"] else "nothing"
    return [*lines, f"{shown(outcome.name)}: {count} to repair"]


def _lock(outcome: Outcome) -> list[str]:
    name, facts = shown(outcome.name), outcome.facts
    if facts["holder"] is None:
        return [f"{name}: nobody holds the migration lock"]
    who = shown(facts["holder"]) + (f" since {shown(facts['since'])}" if facts["since"] else "")
    if facts["removed"]:
        return [f"{name}: removed the migration lock of {who}"]
    silent = "" if facts["silent"] is None else f", its last sign of life was {span(facts['silent'])} ago"
    lines = [f"{name}: the migration lock is held by {who}{silent}"]
    if facts["removable"]:
        return [*lines, "  if that process is gone: startupctl migrate unlock --force"]
    ending = f"; to end it: {shown(facts['ending'])}" if facts["ending"] else ""
    return [*lines, f"  it is free when that process ends{ending}"]


def _changes(outcome: Outcome) -> list[str]:
    facts = dict(outcome.facts)
    planned = ["  " * line.depth + line.text for line in plan_lines(facts)]
    listed = [key for key in _LISTED if not (planned and key == "would_apply")]
    lines = [*planned, *(f"{key.replace('_', ' ')} {name}" for key in listed for name in _names(facts, key))]
    lines += map(_change, facts.pop("changes", []))
    rest = {key: value for key, value in facts.items() if key not in _LISTED}
    return [*lines, f"{shown(outcome.name)}: {facts_words(rest)}", *map(warning_words, outcome.warnings)]


def _names(facts: Facts, key: str) -> list[str]:
    """Return names of migrations, wherever a command notes them; counts stand under the same keys."""
    found = (place.get(key) for place in (facts, facts.get("migrations", {})))
    return [shown(str(name)) for names in found if isinstance(names, list) for name in names]


def _change(one: Mapping[str, Any]) -> str:
    return f"{shown(one['name'])}: {shown(one['before'])} -> {shown(one['after'])}"
