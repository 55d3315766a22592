"""The attempts at one component: a kind's work under the attempt's clock, classified; and what a kind may ask for."""

from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from startupctl import diagnoses as codes
from startupctl.backoff import LAST_LOOK
from startupctl.check import Check, Degraded, Facts, Held, Mode, Run, Unhealthy
from startupctl.diagnose import diagnose
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.outcome import Attempt, Event, EventKind, Status, Warned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from startupctl.clocks import Clock
    from startupctl.diagnosis import Code
    from startupctl.engine import Engine
    from startupctl.model import Component

SLACK = 0.1  # seconds a kind has to say itself, with its phase, that the attempt's time is over


class Attempts:
    """Makes the attempts at one component; a `Run` reaches the engine through it (check.RunServices).

    `last` is the latest attempt. `changed` says that the kind has begun to change something: from then
    on the server was ready, and what it refuses is final.
    """

    def __init__(self, engine: Engine, component: Component, clock: Clock) -> None:
        """Prepare for the first attempt; `clock` is the component's."""
        assert component.check is not None
        self.last: Attempt | None = None
        self.changed = False
        self._engine, self._component, self._clock = engine, component, clock
        self._check: Check = component.check
        self._warnings: dict[str, Warned] = {}
        self._kept_warnings: dict[str, Warned] = {}
        self._prepared: Facts | None = None
        self._notes: Facts = {}
        self._scope: asyncio.Timeout | None = None
        self._deadline = 0.0

    @property
    def end(self) -> float:
        """When the time of the component, or of the run, is over."""
        return min(self._clock.end, self._engine.clock.end)

    @property
    def warnings(self) -> tuple[Warned, ...]:
        """What prepare and the latest look warned of."""
        return tuple(self._warnings.values())

    @property
    def facts(self) -> Facts:
        """What is known even if an attempt is broken off, cleaned."""
        return self._clean({**(self.last.facts if self.last else {}), **(self._prepared or {}), **self._notes})

    @property
    def changing(self) -> bool:
        """Whether something is being changed at this moment, so that only a signal may interrupt it."""
        return self._scope is not None and self._scope.when() is None

    async def make(self, number: int) -> Attempt:
        """Make one attempt; what goes wrong becomes a diagnosis, what is a mistake of ours a bug."""
        started = time.monotonic()
        facts: Facts = {}
        diagnosis, reservation = None, None
        try:
            facts = await self._work()
        except Degraded as degraded:
            facts, reservation = degraded.facts, Diagnosis(codes.RESERVATION, said=degraded.reason)
        except Unhealthy as unhealthy:
            facts, diagnosis = unhealthy.facts, unhealthy.diagnosis
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            diagnosis = self._classify(error)  # nobody cancelled us: something the kind awaited was
        except Exception as error:  # noqa: BLE001  (the one border: everything a kind raises is classified here)
            diagnosis = self._classify(error)
        self.last = Attempt(
            number=number,
            started=started - self._engine.clock.started,
            duration=time.monotonic() - started,
            facts=self._clean({**facts, **(self._prepared or {}), **self._notes}),
            diagnosis=self._lenient(self._telling(diagnosis, started)) if diagnosis else None,
            reservation=reservation.redacted(self._engine.redactor.clean) if reservation else None,
        )
        return self.last

    async def _work(self) -> Facts:
        mode = self._engine.options.mode
        if mode is not Mode.CHECK and self._check.prepares and self._prepared is None:
            self._warnings = self._kept_warnings
            self._prepared = await self._timed(self._check.prepare, mode)
        self._warnings = dict(self._kept_warnings)
        return await self._timed(self._check.check, Mode.CHECK)

    async def _timed(self, work: Callable[[Run], Awaitable[Facts]], mode: Mode) -> Facts:
        self._deadline = min(time.monotonic() + self._component.policy.attempt_timeout, self.end)
        async with asyncio.timeout_at(self._deadline + SLACK) as self._scope:
            return await work(self._run(self._deadline, mode))

    def _run(self, deadline: float, mode: Mode) -> Run:
        component = self._component
        return Run(deadline, component.policy.connect_timeout, component.folder, mode, self)

    # -- what went wrong -----------------------------------------------------------------------

    def _classify(self, error: BaseException) -> Diagnosis:
        if isinstance(error, TimeoutError) and self._scope is not None and self._scope.expired():
            return self._timed_out()
        try:
            known = self._check.explain(error) or diagnose(error)
        except Exception as mistake:  # noqa: BLE001  (a kind that fails to explain is a bug as any other)
            return self._bug(mistake)
        if known is not None:
            return known
        if not self._check.foreign:
            return self._bug(error)
        facts = {"kind": type(error).__name__, "target": self._check.target}
        return Diagnosis(codes.FUNCTION_FAILED, facts, said=_text_of(error))

    def _timed_out(self) -> Diagnosis:
        if self._engine.clock.end <= time.monotonic():
            return Diagnosis(codes.RUN_DEADLINE, {"seconds": self._engine.settings.deadline})
        policy = self._component.policy
        return Diagnosis(codes.COMPONENT_TIMEOUT, {"seconds": min(policy.attempt_timeout, policy.timeout)})

    def _bug(self, error: BaseException) -> Diagnosis:
        self._engine.report_bug("".join(traceback.format_exception(error)))
        return Diagnosis(codes.INTERNAL, {"kind": type(error).__name__}, said=_text_of(error))

    def _telling(self, found: Diagnosis, started: float) -> Diagnosis:
        """Return what an attempt tells, cleaned: one that the end of the time cut short tells less than the one before."""
        cut_short = self._deadline - started <= LAST_LOOK and time.monotonic() >= self._deadline
        if cut_short and self.last and self.last.diagnosis:
            return self.last.diagnosis
        return found.redacted(self._engine.redactor.clean)

    def _lenient(self, diagnosis: Diagnosis) -> Diagnosis | None:
        """Apply what the user said about things that `init-db` will mend."""
        options = self._engine.options
        if diagnosis.failure is not FailureClass.FIXABLE:
            return diagnosis
        if options.await_init:
            return replace(diagnosis, failure_class=FailureClass.WAITING)
        if not diagnosis.mendable:
            return diagnosis
        if options.allow_pending:
            self._warnings[diagnosis.code.code] = Warned(diagnosis.code.code, diagnosis.summary)
        # a dry run forgives what it will mend, but not that it could not: then `prepare` itself fails
        rehearsed = options.mode is Mode.DRY_RUN and not (self._check.prepares and self._prepared is None)
        return None if options.allow_pending or rehearsed else diagnosis

    def _clean(self, facts: Facts) -> Facts:
        cleaned: Facts = self._engine.redactor.clean_all(facts)
        return cleaned

    # -- what a kind may ask for ---------------------------------------------------------------

    def progress(self, text: str, done: int, total: int) -> None:
        """Show where the work stands."""
        at, text = self._engine.at(), self._engine.redactor.clean(text)
        name = self._component.name
        self._engine.emit(Event(EventKind.PROGRESS, at, name, Status.RUNNING, text=text, done=done, total=total))

    def warn(self, code: Code, facts: Facts) -> None:
        """Add a warning, once."""
        summary = Diagnosis(code, self._clean(facts)).summary
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
        self.changed = True
        left = when - time.monotonic()
        scope.reschedule(None)
        with self._clock.stopped(), self._engine.clock.stopped():
            try:
                yield
            finally:
                self._deadline = time.monotonic() + max(left - SLACK, 0.0)
                scope.reschedule(self._deadline + SLACK)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[Held]:
        """Take the lock of another component, with the clocks stopped."""
        lender = self._engine.lender(self._component, name)
        assert lender.check is not None
        with self.unhurried():
            run = replace(self._run(float("inf"), self._engine.options.mode), folder=lender.folder)
            async with AsyncExitStack() as stack:
                yield await self._lent(stack, lender.check, run)

    async def _lent(self, stack: AsyncExitStack, lender: Check, run: Run) -> Held:
        """Take the lock; what goes wrong at the lender is explained by the lender, the borrower does not know it."""
        try:
            return await stack.enter_async_context(lender.lock(run))
        except Unhealthy:
            raise
        except Exception as error:
            found = lender.explain(error)
            if found is None:
                raise
            raise Unhealthy(found) from error


def _text_of(error: BaseException) -> str:
    """Return the text of an exception; one of the user's own may fail to make it."""
    try:
        return str(error)
    except Exception as mistake:  # noqa: BLE001  (code of the user)
        return f"its text cannot be made: {type(mistake).__name__}"


def _is_cancelled() -> bool:
    """Whether somebody asked the present task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
