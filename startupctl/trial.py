"""One component in one run: its looks, its clocks, what it asked for, and what came of it."""

from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from random import random
from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, retry_if_result

from startupctl import diagnoses as codes
from startupctl.backoff import Course, after, counted, next_wait
from startupctl.check import Check, Degraded, Facts, Held, Mode, Run, Unhealthy
from startupctl.clocks import Clock
from startupctl.diagnose import diagnose
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.outcome import Attempt, Event, EventKind, Outcome, Status, Warned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from startupctl.diagnosis import Code
    from startupctl.engine import Engine
    from startupctl.plan import Step

SLACK = 0.1  # seconds a kind has to say itself, with its phase, that the attempt's time is over


class Trial:
    """Tries one component until it is usable, cannot become so, or its time is over.

    It is also what a `Run` reaches the engine through (check.RunServices).
    """

    def __init__(self, engine: Engine, step: Step, impaired_by: tuple[str, ...]) -> None:
        """Start the component's clock: its dependencies have settled."""
        assert step.component.check is not None
        self._engine, self._step, self._impaired_by = engine, step, impaired_by
        self._check: Check = step.component.check
        self._clock = Clock(step.component.policy.timeout)
        self._course, self._looks = Course(), 0
        self._pause: float | None = None
        self._last: Attempt | None = None
        self._warnings: dict[str, Warned] = {}
        self._notes: Facts = {}
        self._prepared: Facts | None = None
        self._scope: asyncio.Timeout | None = None
        self._cut = False

    async def conduct(self) -> Outcome:
        """Look until it is decided; return the outcome."""
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda _: self._pause is not None), wait=lambda _: self._pause or 0.0, sleep=asyncio.sleep
        )
        last: Attempt = await retrying(self._poll)
        return self._outcome(last)

    def cancelled(self) -> Outcome:
        """Return the outcome of a component that was ended by a signal or an earlier failure."""
        last = self._last
        diagnosis, facts = (last.diagnosis, last.facts) if last else (None, self._notes)
        return self._settle(Status.CANCELLED, usable=False, diagnosis=diagnosis, facts=facts)

    # -- one attempt ---------------------------------------------------------------------------

    async def _poll(self) -> Attempt:
        """Look again and again; return what passed, is decided or must be backed off (then `_pause` is set)."""
        while True:
            attempt = await self._attempt()
            self._decide(attempt)
            if self._pause is None or self._course.backs_off:
                return attempt
            await asyncio.sleep(self._pause)

    async def _attempt(self) -> Attempt:
        async with self._engine.slots.hold(self._step.effective_priority):
            self._engine.emit(Event(EventKind.ATTEMPT, self._engine.at(), self._step.component.name, Status.RUNNING))
            return await self._look()

    async def _look(self) -> Attempt:
        """Take one look; what goes wrong becomes a diagnosis, what is a mistake of ours a bug."""
        started = time.monotonic()
        self._course = counted(self._course) if self._looks else self._course
        self._looks += 1
        facts: Facts = {}
        diagnosis, reservation = None, None
        try:
            facts = await self._work()
        except Degraded as degraded:
            facts, reservation = degraded.facts, Diagnosis(codes.RESERVATION, said=degraded.reason)
        except Unhealthy as unhealthy:
            facts, diagnosis = unhealthy.facts, unhealthy.diagnosis
        except Exception as error:  # noqa: BLE001  (the one border: everything a kind raises is classified here)
            diagnosis = self._classify(error)
        clean = self._engine.redactor
        attempt = Attempt(
            number=self._looks,
            started=started - self._engine.clock.started,
            duration=time.monotonic() - started,
            facts=clean.clean_all({**facts, **(self._prepared or {}), **self._notes}),
            diagnosis=self._lenient(diagnosis.redacted(clean.clean)) if diagnosis else None,
            reservation=reservation.redacted(clean.clean) if reservation else None,
        )
        self._last = attempt
        return attempt

    async def _work(self) -> Facts:
        mode = self._engine.options.mode
        if mode is not Mode.CHECK and self._check.prepares and self._prepared is None:
            self._prepared = await self._timed(self._check.prepare, mode)
        return await self._timed(self._check.check, Mode.CHECK)

    async def _timed(self, work: Callable[[Run], Awaitable[Facts]], mode: Mode) -> Facts:
        deadline = min(time.monotonic() + self._step.component.policy.attempt_timeout, self._end)
        async with asyncio.timeout_at(deadline + SLACK) as self._scope:
            return await work(self._run(deadline, mode))

    def _run(self, deadline: float, mode: Mode) -> Run:
        component = self._step.component
        return Run(deadline, component.policy.connect_timeout, component.folder, mode, self)

    def _classify(self, error: Exception) -> Diagnosis:
        if isinstance(error, TimeoutError) and self._scope is not None and self._scope.expired():
            return Diagnosis(codes.COMPONENT_TIMEOUT, {"seconds": self._step.component.policy.attempt_timeout})
        known = self._check.explain(error) or diagnose(error)
        if known is not None:
            return known
        if self._check.foreign:
            facts = {"kind": type(error).__name__, "target": self._check.target}
            return Diagnosis(codes.FUNCTION_FAILED, facts, said=str(error))
        self._engine.report_bug("".join(traceback.format_exception(error)))
        return Diagnosis(codes.INTERNAL, {"kind": type(error).__name__}, said=str(error))

    def _lenient(self, diagnosis: Diagnosis) -> Diagnosis | None:
        """Apply what the user said about things that `init-db` will mend."""
        options = self._engine.options
        if diagnosis.failure is not FailureClass.FIXABLE:
            return diagnosis
        if options.await_init:
            return replace(diagnosis, failure_class=FailureClass.WAITING)
        if options.allow_pending:
            self._warnings[diagnosis.code.code] = Warned(diagnosis.code.code, diagnosis.summary)
        return None if options.allow_pending or options.mode is Mode.DRY_RUN else diagnosis

    # -- when to look again --------------------------------------------------------------------

    def _decide(self, attempt: Attempt) -> None:
        """Set the pause before the next look; None when there is none."""
        now, policy = time.monotonic(), self._step.component.policy
        self._course = after(self._course, attempt.diagnosis, now)
        asked = attempt.diagnosis.retry_after if attempt.diagnosis else None
        self._pause = next_wait(self._course, policy, now, self._end, random=random, asked=asked)
        if self._pause is None and self._engine.clock.end < self._clock.end:
            own_end = self._clock.end
            self._cut = next_wait(self._course, policy, now, own_end, random=random, asked=asked) is not None
        name, at = self._step.component.name, self._engine.at()
        self._engine.emit(Event(EventKind.LOOKED, at, name, Status.RETRYING, attempt=attempt, wait=self._pause))

    @property
    def _end(self) -> float:
        return min(self._clock.end, self._engine.clock.end)

    # -- the outcome ---------------------------------------------------------------------------

    def _outcome(self, last: Attempt) -> Outcome:
        if last.passed:
            status = Status.DEGRADED if last.reservation else Status.SUCCESS
            return self._settle(status, usable=True, diagnosis=last.reservation, facts=last.facts)
        diagnosis = self._final(last)
        status = self._engine.status_unusable(self._step)
        return self._settle(status, usable=False, diagnosis=diagnosis, facts=last.facts)

    def _final(self, last: Attempt) -> Diagnosis | None:
        """Return the last look's diagnosis; one that never stopped warming up gets a name of its own."""
        found = last.diagnosis
        if found is None or self._course.failure is not FailureClass.WARMING:
            return found
        facts = {"seconds": time.monotonic() - self._course.since}
        said = f"{found.code.code} {found.summary}"
        return replace(found, code=codes.NEVER_READY, facts=facts, said=said, failure_class=FailureClass.WARMING)

    def _settle(self, status: Status, *, usable: bool, diagnosis: Diagnosis | None, facts: Facts) -> Outcome:
        component = self._step.component
        if diagnosis and not usable and component.hint:
            diagnosis = replace(diagnosis, advice=component.hint)
        return replace(
            self._engine.blank(self._step),
            status=status,
            usable=usable,
            started=self._clock.started - self._engine.clock.started,
            duration=time.monotonic() - self._clock.started,
            attempts=self._looks,
            polls=self._course.polls,
            retries=self._course.retries,
            facts=facts,
            warnings=tuple(self._warnings.values()),
            impaired_by=self._impaired_by,
            diagnosis=diagnosis,
            runbook="" if usable else component.runbook,
            undecided=self._cut,
        )

    # -- what a kind may ask for ---------------------------------------------------------------

    def progress(self, text: str, done: int, total: int) -> None:
        """Show where the work stands."""
        name, text = self._step.component.name, self._engine.redactor.clean(text)
        self._engine.emit(
            Event(EventKind.PROGRESS, self._engine.at(), name, Status.RUNNING, text=text, done=done, total=total)
        )

    def warn(self, code: Code, facts: Facts) -> None:
        """Add a warning, once."""
        summary = Diagnosis(code, self._engine.redactor.clean_all(facts)).summary
        self._warnings[code.code + summary] = Warned(code.code, summary)

    def note(self, facts: Facts) -> None:
        """Keep facts even when this attempt fails."""
        self._notes.update(facts)

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Stop all three clocks; the attempt gets back what it had left."""
        scope = self._scope
        when = scope.when() if scope else None
        if scope is None or when is None:
            yield  # stopped already
            return
        left = when - time.monotonic()
        scope.reschedule(None)
        with self._clock.stopped(), self._engine.clock.stopped():
            try:
                yield
            finally:
                scope.reschedule(time.monotonic() + max(left, SLACK))

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[Held]:
        """Take the lock of another component, with the clocks stopped."""
        lender = self._engine.lender(self._step.component, name)
        assert lender.check is not None
        with self.unhurried():
            run = replace(self._run(float("inf"), self._engine.options.mode), folder=lender.folder)
            async with lender.check.lock(run) as held:
                yield held
