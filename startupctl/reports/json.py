"""Report and problems as one JSON document each: `startupctl.report/1` and `startupctl.problems/1`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from startupctl import __version__
from startupctl.outcome import Status
from startupctl.reports.text import instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from startupctl.diagnosis import Diagnosis
    from startupctl.errors import Problem
    from startupctl.outcome import Outcome, Report

_SETTLED = tuple(status for status in Status if status.settled)


def render(report: Report) -> str:
    """Return the document of a run; always valid JSON in ASCII, times in seconds to the millisecond."""
    return dump(
        {
            "schema": "startupctl.report/1",
            "tool_version": __version__,
            "manifest": report.manifest,
            "profile": report.profile,
            "command": report.command,
            "started_at": instant(report.started_at),
            "duration": _milliseconds(report.duration),
            "verdict": report.verdict,
            "exit_code": report.exit_code,
            "summary": _summary(report),
            "critical_path": report.critical_path,
            "components": {name: _component(outcome) for name, outcome in report.outcomes.items()},
        }
    )


def problems(found: Iterable[Problem]) -> str:
    """Return the document of exit code 2; `file`, `line` and `column` are null where they are not known."""
    return dump({"schema": "startupctl.problems/1", "problems": [_problem(problem) for problem in found]})


def _summary(report: Report) -> dict[str, int]:
    return {"total": len(report.outcomes)} | {status.lower(): report.count(status) for status in _SETTLED}


def _component(outcome: Outcome) -> dict[str, Any]:
    return {
        "kind": outcome.kind,
        "target": outcome.target,
        "priority": str(outcome.priority),
        "effective_priority": str(outcome.effective_priority),
        "status": outcome.status,
        "usable": outcome.usable,
        "depends_on": outcome.depends_on,
        "started": _milliseconds(outcome.started),
        "duration": _milliseconds(outcome.duration),
        "attempts": outcome.attempts,
        "polls": outcome.polls,
        "retries": outcome.retries,
        "facts": outcome.facts,
        "warnings": [{"code": warned.code, "text": warned.text} for warned in outcome.warnings],
        "impaired_by": outcome.impaired_by,
        "skipped_because": outcome.skipped_because,
        "diagnosis": _diagnosis(outcome.diagnosis) if outcome.diagnosis else None,
        "breaker": {"state": "closed", "retry_after": None},
    }


def _diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "code": diagnosis.code.code,
        "name": diagnosis.code.name,
        "class": diagnosis.failure,
        "summary": diagnosis.summary,
        "cause": diagnosis.cause,
        "hint": diagnosis.hint,
        "phase": diagnosis.phase,
        "signal": diagnosis.signal or None,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    mark = problem.mark
    return {
        "file": mark.file if mark else None,
        "line": mark.line or None if mark else None,
        "column": mark.column or None if mark else None,
        "where": problem.where,
        "what": problem.what,
        "hint": problem.hint,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def dump(document: dict[str, Any]) -> str:
    """Return a document as JSON in ASCII, ending with a line end."""
    # `##[` anywhere in a line is a command to GitHub runners; between quotes the bracket may be escaped
    return json.dumps(_plain(document), indent=2, allow_nan=False).replace("##[", "##\\u005b") + "\n"


def _plain(value: Any) -> Any:
    """Return what JSON can hold: facts of third-party kinds may be anything."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return {_text(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, AbstractSet):
        return sorted((_plain(part) for part in value), key=str)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _text(value)


def _text(value: Any) -> str:
    r"""Return text that every JSON reader accepts: lone surrogates, which UTF-8 has no form for, become `\udc80`."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, datetime) and value.tzinfo:
        return instant(value)
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
