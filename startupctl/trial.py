"""One component in one run: when it is looked at, until when, and what came of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import replace
from random import random
from typing import TYPE_CHECKING

from startupctl import diagnoses as codes
from startupctl.attempts import Attempts
from startupctl.backoff import Course, after, counted, next_wait
from startupctl.clocks import Clock
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.outcome import Attempt, Event, EventKind, Outcome, Status

if TYPE_CHECKING:
    from startupctl.check import Facts
    from startupctl.engine import Engine
    from startupctl.plan import Step


class Trial:
    """Tries one component until it is usable, cannot become so, or its time is over."""

    def __init__(self, engine: Engine, step: Step, impaired_by: tuple[str, ...]) -> None:
        """Start the component's clock: its dependencies have settled."""
        self._engine, self._step, self._impaired_by = engine, step, impaired_by
        self._clock = Clock(step.component.policy.timeout)
        self._attempts = Attempts(engine, step.component, self._clock)
        self._course, self._looks = Course(), 0
        self._pause: float | None = None
        self._cut = False

    @property
    def changing(self) -> bool:
        """Whether something is being changed at this moment, so that only a signal may interrupt it."""
        return self._attempts.changing

    async def conduct(self) -> Outcome:
        """Look until it is decided; return the outcome."""
        last = await self._poll()
        return self._outcome(last if self._pause is None else await self._retry(self._pause))

    def cancelled(self) -> Outcome:
        """Return the outcome of a component that was ended by a signal or an earlier failure."""
        last = self._attempts.last
        diagnosis = last.diagnosis if last else None
        return self._settle(Status.CANCELLED, usable=False, diagnosis=diagnosis, facts=self._attempts.facts)

    # -- when to look --------------------------------------------------------------------------

    async def _poll(self) -> Attempt:
        """Look again and again; return what passed, is decided or must be backed off (then `_pause` is set)."""
        while True:
            attempt = await self._attempt()
            self._decide(attempt)
            if self._pause is None or self._course.backs_off:
                return attempt
            await asyncio.sleep(self._pause)

    async def _retry(self, pause: float) -> Attempt:
        """Back off, look, and so on; only what failed comes here, so only it pays for the import."""
        from tenacity import AsyncRetrying, retry_if_result

        await asyncio.sleep(pause)
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda _: self._pause is not None),
            wait=lambda _: self._pause or 0.0,
            sleep=asyncio.sleep,
        )
        last: Attempt = await retrying(self._poll)
        return last

    async def _attempt(self) -> Attempt:
        await self._slot()
        try:
            self._engine.emit(Event(EventKind.ATTEMPT, self._engine.at(), self._step.component.name, Status.RUNNING))
            self._course = counted(self._course) if self._looks else self._course
            self._looks += 1
            return await self._attempts.make(self._looks)
        finally:
            self._engine.slots.give_back()

    async def _slot(self) -> None:
        """Wait for a slot; the component's time begins with its first one, for it is we who make it wait."""
        with nullcontext() if self._looks else self._clock.stopped():
            await self._engine.slots.take(self._step.effective_priority)

    def _decide(self, attempt: Attempt) -> None:
        """Set the pause before the next look; None when there is none."""
        now, policy = time.monotonic(), self._step.component.policy
        course = self._course._replace(was_down=False) if self._attempts.changed else self._course
        self._course = after(course, attempt.diagnosis, now)
        asked = attempt.diagnosis.retry_after if attempt.diagnosis else None
        self._pause = next_wait(self._course, policy, now, self._attempts.end, random=random, asked=asked)
        if self._pause is None and self._engine.clock.end < self._clock.end:
            own_end = self._clock.end
            self._cut = next_wait(self._course, policy, now, own_end, random=random, asked=asked) is not None
        name, at = self._step.component.name, self._engine.at()
        self._engine.emit(Event(EventKind.LOOKED, at, name, Status.RETRYING, attempt=attempt, wait=self._pause))

    # -- the outcome ---------------------------------------------------------------------------

    def _outcome(self, last: Attempt) -> Outcome:
        diagnosis = self._final(last)
        if diagnosis is None:
            status = Status.DEGRADED if last.reservation else Status.SUCCESS
            return self._settle(status, usable=True, diagnosis=last.reservation, facts=last.facts)
        status = self._engine.status_unusable(self._step)
        return self._settle(status, usable=False, diagnosis=diagnosis, facts=last.facts)

    def _final(self, last: Attempt) -> Diagnosis | None:
        """Return the last look's diagnosis, with the class it had at the end; None when the component is usable.

        One that never stopped warming up gets a name of its own, and so do too few passes in a row.
        """
        found, course, policy = last.diagnosis, self._course, self._step.component.policy
        if found is None:
            if course.passes >= policy.success_threshold:
                return None
            said = f"{course.passes} of {policy.success_threshold} passes in a row"
            return Diagnosis(codes.COMPONENT_TIMEOUT, {"seconds": policy.timeout}, said=said)
        if course.failure is not FailureClass.WARMING:
            return replace(found, failure_class=course.failure)
        facts = {"seconds": time.monotonic() - course.since}
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
            warnings=self._attempts.warnings,
            impaired_by=self._impaired_by,
            diagnosis=diagnosis,
            runbook="" if usable else component.runbook,
            undecided=self._cut,
        )
