"""Plan -> Report: one task per component, started the moment its last dependency has settled."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from startupctl import diagnoses as codes
from startupctl.check import Mode
from startupctl.clocks import Clock, Slots
from startupctl.diagnosis import Diagnosis
from startupctl.outcome import Event, EventKind, Outcome, Report, Status
from startupctl.plan import chain_back
from startupctl.redact import Redactor
from startupctl.trial import Trial
from startupctl.verdict import blocking, decide_exit, decide_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from startupctl.model import Component
    from startupctl.plan import Plan, Step


@dataclass(slots=True)
class Stop:
    """How a signal reaches a run: its handler sets `signal` and cancels the task that runs the plan."""

    signal: int | None = None


class Options(NamedTuple):
    """How a plan is run; `command` is the name of the moment, as the report shows it.

    `allow_degraded` None means that DEGRADED has an exit code of its own (3). `max_concurrent` None
    takes the manifest's.
    """

    command: str = "check"
    mode: Mode = Mode.CHECK
    fail_fast: bool = False
    allow_pending: bool = False
    await_init: bool = False
    allow_degraded: bool | None = None
    max_concurrent: float | None = None
    redactor: Redactor = Redactor()


async def run_plan(
    plan: Plan, options: Options, listener: Callable[[Event], None] | None = None, stop: Stop | None = None
) -> Report:
    """Run a plan to its end and return the report, with verdict and exit code decided.

    When the calling task is cancelled and `stop.signal` is set, what is under way is ended, the rest
    is CANCELLED and the report is complete; without a signal the cancellation goes on to the caller.
    """
    return await Engine(plan, options, listener, stop or Stop()).run()


class Engine:
    """The state of one run."""

    def __init__(self, plan: Plan, options: Options, listener: Callable[[Event], None] | None, stop: Stop) -> None:
        """Start the clock of the run."""
        settings = plan.manifest.settings
        self.plan, self.options, self.settings = plan, options, settings
        self.redactor = options.redactor
        self.clock = Clock(settings.deadline)
        self.slots = Slots(options.max_concurrent or settings.max_concurrent)
        self._started_at = datetime.now(UTC)
        self._listener, self._stop, self._bug = listener, stop, ""
        self._outcomes: dict[str, Outcome] = {}
        self._settled: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._trials: dict[str, Trial] = {}

    async def run(self) -> Report:
        """Run every step; return the report."""
        self.emit(Event(EventKind.STARTED, self.at()))
        self._settled = {name: asyncio.Event() for name in self.plan.steps}
        try:
            async with asyncio.TaskGroup() as group:
                for name, step in self.plan.steps.items():
                    self._tasks[name] = group.create_task(self._component(step), name=name)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._stop.signal is None or task is None:
                raise
            task.uncancel()
        for step in self._unbegun():
            self._settle(step, self._cancelled(step, None))
        report = self._report()
        self.emit(Event(EventKind.FINISHED, self.at(), report=report))
        return report

    def at(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.clock.started

    def emit(self, event: Event) -> None:
        """Tell the listener, when there is one."""
        if self._listener is not None:
            self._listener(event)

    def report_bug(self, text: str) -> None:
        """Keep the traceback of an exception nobody knew; the run ends with code 70."""
        self._bug = self._bug or self.redactor.clean(text)

    def status_unusable(self, step: Step) -> Status:
        """Return what an unusable component is called: FAILED at or above `fail_on`, DEGRADED below."""
        return Status.FAILED if step.effective_priority >= self.settings.fail_on else Status.DEGRADED

    def lender(self, borrower: Component, name: str) -> Component:
        """Return the component that lends a lock; raises LookupError when there is none."""
        return find_lender(self.plan.manifest.components, borrower, name)

    def blank(self, step: Step) -> Outcome:
        """Return the outcome of a step of which nothing is known yet."""
        component = step.component
        return Outcome(
            name=component.name,
            kind=component.kind,
            target=component.check.target if component.check else "",
            priority=component.priority,
            effective_priority=step.effective_priority,
            status=Status.PENDING,
            usable=False,
            depends_on=tuple(component.depends_on),
        )

    async def _component(self, step: Step) -> None:
        trial: Trial | None = None
        outcome: Outcome | None = None
        try:
            self.emit(Event(EventKind.WAITING, self.at(), step.component.name, Status.WAITING))
            for need in step.needs:
                await self._settled[need].wait()
            outcome = self._skipped(step)
            if outcome is None:
                trial = self._trials[step.component.name] = Trial(self, step, self._impaired(step))
                outcome = await trial.conduct()
        finally:
            self._settle(step, outcome if outcome is not None else self._cancelled(step, trial))

    def _settle(self, step: Step, outcome: Outcome) -> None:
        name = step.component.name
        self._outcomes[name] = outcome
        self._settled[name].set()
        self.emit(Event(EventKind.SETTLED, self.at(), name, outcome.status, outcome=outcome))
        decisive = not outcome.usable and step.effective_priority >= self.settings.fail_on
        if self.options.fail_fast and decisive and outcome.status is not Status.CANCELLED:
            self._end_others()

    def _end_others(self) -> None:
        """Cancel every component, save those that are changing something: only a signal may interrupt that."""
        for name, task in self._tasks.items():
            if name not in self._trials or not self._trials[name].changing:
                task.cancel()

    def _unbegun(self) -> list[Step]:
        """Return the steps whose task was cancelled before it could begin."""
        return [step for name, step in self.plan.steps.items() if name not in self._outcomes]

    def _skipped(self, step: Step) -> Outcome | None:
        """Return the outcome of a step that requires something unusable, None when it may run."""
        for need in step.needs:
            found = self._outcomes[need]
            if step.component.depends_on[need] and not found.usable:
                root = found.skipped_because or need
                diagnosis = Diagnosis(codes.SKIPPED_BECAUSE, {"root": root})
                return replace(self.blank(step), status=Status.SKIPPED, skipped_because=root, diagnosis=diagnosis)
        return None

    def _cancelled(self, step: Step, trial: Trial | None) -> Outcome:
        return replace(self.blank(step), status=Status.CANCELLED) if trial is None else trial.cancelled()

    def _impaired(self, step: Step) -> tuple[str, ...]:
        """Return the dependencies that were not proved, or do not work well."""
        outcomes = [self._outcomes[need] for need in step.needs]
        poor = [one.name for one in outcomes if not one.usable or one.status is Status.DEGRADED]
        return (*poor, *step.unproven)

    def _report(self) -> Report:
        manifest, outcomes = self.plan.manifest, {name: self._outcomes[name] for name in self.plan.steps}
        verdict = decide_verdict(outcomes.values(), self.settings)
        exit_code = decide_exit(
            verdict,
            blocking(outcomes.values(), self.settings),
            signal=self._stop.signal,
            bug=bool(self._bug),
            allow_degraded=self.options.allow_degraded,
        )
        return Report(
            manifest=manifest.file,
            name=manifest.name,
            profile=manifest.profile,
            command=self.options.command,
            started_at=self._started_at,
            duration=self.at(),
            verdict=verdict,
            exit_code=exit_code,
            critical_path=_slowest_chain(self.plan, outcomes),
            outcomes=outcomes,
            signal=self._stop.signal,
            bug=self._bug,
        )


def find_lender(components: Mapping[str, Component], borrower: Component, name: str) -> Component:
    """Return the component that lends a lock: the named one, else the nearest of the strongest among the dependencies.

    Raises LookupError when there is none.
    """
    near = [components[name]] if name else _by_distance(components, borrower)
    able = [one for one in near if _strength(one)]
    if not able:
        raise LookupError(name or borrower.name)
    return max(able, key=_strength)


def _strength(component: Component) -> int:
    return component.check.lock_strength if component.check and component.enabled else 0


def _by_distance(components: Mapping[str, Component], start: Component) -> list[Component]:
    """Return all that a component depends on, the nearest first."""
    found = dict.fromkeys(start.depends_on)
    queue = deque(found)
    while queue:
        new = [need for need in components[queue.popleft()].depends_on if need not in found]
        found.update(dict.fromkeys(new))
        queue.extend(new)
    return [components[name] for name in found]


def _slowest_chain(plan: Plan, outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    """Return the chain of dependencies that decided how long the run took."""
    ended = {name: (one.started or 0.0) + (one.duration or 0.0) for name, one in outcomes.items()}
    before = {name: max(step.needs, key=ended.__getitem__, default=None) for name, step in plan.steps.items()}
    return chain_back(max(ended, key=ended.__getitem__), before)
