"""What came of a run: attempts, outcomes, the report, its verdict; and the events on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from startupctl.check import Facts
    from startupctl.diagnosis import Diagnosis
    from startupctl.fields import Priority


class Status(StrEnum):
    """The state of one component."""

    PENDING = "PENDING"
    WAITING = "WAITING"  # for its dependencies
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"  # between two looks
    SUCCESS = "SUCCESS"
    DEGRADED = "DEGRADED"  # works with reservations, or unusable below `fail_on`
    FAILED = "FAILED"  # unusable at or above `fail_on`
    SKIPPED = "SKIPPED"  # something it requires is not usable
    CANCELLED = "CANCELLED"  # a signal or an earlier failure ended the run

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to the component in this run."""
        return self not in (Status.PENDING, Status.WAITING, Status.RUNNING, Status.RETRYING)


class Verdict(StrEnum):
    """The answer of a run."""

    READY = "READY"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"


class Warned(NamedTuple):
    """A finding that changes nothing."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One look at one component; times are seconds from the start of the run."""

    number: int
    started: float
    duration: float
    facts: Facts = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    reservation: Diagnosis | None = None

    @property
    def passed(self) -> bool:
        """Whether the component is usable."""
        return self.diagnosis is None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one component; `started` and `duration` are seconds, None when it never ran."""

    name: str
    kind: str
    target: str
    priority: Priority
    effective_priority: Priority
    status: Status
    usable: bool
    depends_on: tuple[str, ...] = ()
    started: float | None = None
    duration: float | None = None
    attempts: int = 0
    polls: int = 0
    retries: int = 0
    facts: Facts = field(default_factory=dict)
    warnings: tuple[Warned, ...] = ()
    impaired_by: tuple[str, ...] = ()
    skipped_because: str | None = None
    diagnosis: Diagnosis | None = None
    runbook: str = ""
    undecided: bool = False
    """Whether the deadline of the whole run ended it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run, decided: `verdict` and `exit_code` are final before anything is rendered."""

    manifest: str
    name: str
    profile: str | None
    command: str
    started_at: datetime
    duration: float
    verdict: Verdict
    exit_code: int
    critical_path: tuple[str, ...]
    outcomes: Mapping[str, Outcome]
    signal: int | None = None
    bug: str = ""
    """The traceback of an exception nobody knew, redacted; empty when there was none."""

    @property
    def roots(self) -> list[Outcome]:
        """The components that failed by themselves, in plan order."""
        return [outcome for outcome in self.outcomes.values() if outcome.diagnosis and not outcome.skipped_because]

    def count(self, *statuses: Status) -> int:
        """Count the components in one of these states."""
        return sum(outcome.status in statuses for outcome in self.outcomes.values())


class EventKind(StrEnum):
    """What a listener can hear of."""

    STARTED = "started"  # the run; `text` is empty, `component` too
    WAITING = "waiting"  # for dependencies
    ATTEMPT = "attempt"  # begins
    LOOKED = "looked"  # an attempt ended; `attempt` is set, `wait` is the seconds to the next look or None
    PROGRESS = "progress"  # `text`, `done`, `total`
    SETTLED = "settled"  # `outcome` is set
    FINISHED = "finished"  # the run; `report` is set


class Event(NamedTuple):
    """Something happened; `at` is seconds from the start of the run. Texts are redacted already."""

    kind: EventKind
    at: float
    component: str = ""
    status: Status = Status.PENDING
    attempt: Attempt | None = None
    wait: float | None = None
    text: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None
    report: Report | None = None
