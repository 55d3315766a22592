"""Where every component stands in the middle of a run, folded from events; live table and lines read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from startupctl.outcome import EventKind, Status
from startupctl.reports.text import shown
from startupctl.reports.words import error_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from startupctl.diagnosis import Diagnosis
    from startupctl.model import Component
    from startupctl.outcome import Attempt, Event, Outcome


@dataclass(slots=True)
class Row:
    """One component.

    `since` is when its status began to count (seconds of the run), `timeout` is None if unknown. `fresh` is
    whether the last look failed in a way not seen before in this run: polls come many times a second.
    """

    name: str
    needs: tuple[str, ...] = ()
    timeout: float | None = None
    status: Status = Status.PENDING
    since: float = 0.0
    attempts: int = 0
    error: Diagnosis | None = None
    fresh: bool = False
    seen: set[str] = field(default_factory=set)
    work: str = ""
    outcome: Outcome | None = None

    @property
    def active(self) -> bool:
        """Whether it is being looked at."""
        return self.status in (Status.RUNNING, Status.RETRYING)

    @property
    def doing(self) -> str:
        """What it is at: the work in progress, else the last error, in words."""
        return self.work or (error_words(self.error) if self.error else "")


class Board:
    """The rows in the order of the plan, or in the order they were heard of."""

    def __init__(self, components: Iterable[Component] = ()) -> None:
        """Begin with one pending row per component."""
        self.rows = {one.name: Row(one.name, tuple(one.depends_on), one.policy.timeout) for one in components}

    def hear(self, event: Event) -> Row | None:
        """Change the row that the event is about and return it; None for events of the whole run."""
        if not event.component:
            return None
        row = self.rows.setdefault(event.component, Row(event.component))
        if event.kind is EventKind.WAITING:
            row.status, row.since = Status.WAITING, event.at
        elif event.kind is EventKind.ATTEMPT:
            _begin(row, event.at)
        elif event.kind is EventKind.LOOKED and event.attempt:
            _end(row, event.attempt)
        elif event.kind is EventKind.PROGRESS:
            row.work = _progress(event)
        elif event.kind is EventKind.SETTLED and event.outcome:
            row.status, row.outcome = event.outcome.status, event.outcome
        return row

    def missing(self, row: Row) -> list[str]:
        """Return the names that a waiting component waits for."""
        return [name for name in row.needs if name in self.rows and not self.rows[name].status.settled]

    def active(self) -> Iterator[Row]:
        """Yield the rows that are being looked at."""
        return (row for row in self.rows.values() if row.active)

    def count(self, *statuses: Status) -> int:
        """Count the rows in one of these states."""
        return sum(row.status in statuses for row in self.rows.values())


def _begin(row: Row, at: float) -> None:
    """Begin an attempt; one that follows a failure stays `RETRYING`, so that fast polls do not flicker."""
    if not row.active:
        row.since = at
    row.attempts += 1
    row.status = Status.RETRYING if row.error else Status.RUNNING


def _end(row: Row, attempt: Attempt) -> None:
    row.attempts, row.work, row.error = attempt.number, "", attempt.diagnosis
    code = attempt.diagnosis.code.code if attempt.diagnosis else ""
    row.fresh = bool(code) and code not in row.seen
    row.seen.add(code)


def _progress(event: Event) -> str:
    counted = f" ({event.done}/{event.total})" if event.total else ""
    return shown(event.text) + counted
