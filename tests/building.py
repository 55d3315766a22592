"""Manifests built by hand, and kinds that do what a test says: the engine sees the real contract."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from startupctl import network_codes as codes
from startupctl.check import Check, Unhealthy
from startupctl.diagnosis import Code, Diagnosis, FailureClass
from startupctl.engine import Options, run_plan
from startupctl.fields import Priority
from startupctl.model import Backoff, Component, Manifest, Policy, Settings
from startupctl.plan import Selection, make_plan

QUICK = Policy(timeout=5, attempt_timeout=5, connect_timeout=1, backoff=Backoff(initial=0.01, max=0.02, jitter=0))


class Doing(Check):
    """Looks by calling `look(run)`, whose result, if any, is the facts."""

    look: Any = None
    place: str = "somewhere"

    @property
    def target(self):
        return self.place

    async def check(self, run):
        return (await self.look(run) if self.look else None) or {}


class Foreign(Doing):
    """Runs code of the user."""

    foreign: ClassVar[bool] = True


class Preparing(Doing):
    """Prepares by calling `make(run)`."""

    make: Any = None

    async def prepare(self, run):
        return (await self.make(run) if self.make else None) or {}


class Lending(Doing):
    """Lends a lock; `asked` records who was asked, by place."""

    lock_strength: ClassVar[int] = 1
    asked: Any = None

    @asynccontextmanager
    async def lock(self, run):
        self.asked.append((self.place, run))
        yield self


class LendingStrongly(Lending):
    """Lends a better lock."""

    lock_strength: ClassVar[int] = 2


def code(failure, number="TST001", **more):
    """Return a code of a class."""
    return Code(number, number.lower(), failure, "as the test says", **more)


def failing(failure, said="", number="TST001", **more):
    """Return the exception of a failure of a class."""
    return Unhealthy(Diagnosis(code(failure, number), said=said, **more))


def refused():
    """Return the exception of a closed port."""
    return Unhealthy(Diagnosis(codes.REFUSED, {"endpoint": "db:1", "signal": "errno 111"}))


def looks(*answers):
    """Return a look that gives one answer after the other, then the last for ever: facts, or an exception to raise."""
    left = list(answers)

    async def look(run):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return look


def takes(seconds, facts=None):
    """Return a look that takes its time."""

    async def look(run):
        await asyncio.sleep(seconds)
        return facts

    return look


def component(name, needs=(), *, check=None, optional=(), policy=QUICK, priority=Priority.HIGH, **more):
    """Return a component that passes, unless `check` says otherwise; policy keys may be given directly."""
    keys = {key: more.pop(key) for key in list(more) if key in Policy.__dataclass_fields__}
    depends_on = dict.fromkeys(needs, True) | dict.fromkeys(optional, False)
    return Component(
        name=name,
        kind="doing",
        check=check or Doing(place=name),
        depends_on=depends_on,
        policy=replace(policy, **keys),
        priority=Priority.parse(priority),
        **more,
    )


def manifest(*components, **settings):
    """Return a manifest of these components."""
    return Manifest({one.name: one for one in components}, Settings(**settings))


def plan(*components, selection=None, moment="check", **settings):
    """Return the plan of these components."""
    return make_plan(manifest(*components, **settings), selection or Selection(), moment=moment)


async def report_of(*components, listener=None, stop=None, options=None, settings=None):
    """Run these components and return the report; `options` are keywords of Options."""
    return await run_plan(plan(*components, **(settings or {})), Options(**(options or {})), listener, stop)


WAITING, WARMING, TRANSIENT = FailureClass.WAITING, FailureClass.WARMING, FailureClass.TRANSIENT
PERMANENT, FIXABLE, CONTENTION = FailureClass.PERMANENT, FailureClass.FIXABLE, FailureClass.CONTENTION
