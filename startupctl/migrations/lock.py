"""Waiting for a lock that others hold, and keeping one that is held: what all locks of migrations share."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import uniform
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.codes import LOCK_HELD, LOCK_LOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from startupctl.check import Run

FIRST_POLL, LAST_POLL = 0.05, 1.0  # seconds
BEAT = 3.0  # seconds between two signs of life
ANSWER = 30.0  # seconds a sign of life may take


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock: `name` is `host:pid` where it is known; `silent` seconds since its last sign of life, if known.

    `ending` is how a person ends it from outside, as a statement or a command, where there is such a way. `token` tells
    this holding from every other one, where a lock can be left behind.
    """

    name: str
    since: str = ""
    silent: float | None = None
    ending: str = ""
    token: str = ""

    def __str__(self) -> str:
        """Return the holder in words."""
        return f"{self.name} since {self.since}" if self.since else self.name


async def wait_for(take: Callable[[], Awaitable[Holder | None]], run: Run, patience: float) -> float:
    """Call `take` until it returns no other holder; return the seconds it took.

    Raises Unhealthy (LCK001) when the holder has shown no sign of life for `patience` seconds, 0 is
    without limit. A change of holder is a sign of life.
    """
    started = seen = time.monotonic()
    pause, last = FIRST_POLL, ""
    while holder := await take():
        now = time.monotonic()
        if holder.silent is not None:
            seen = max(seen, now - holder.silent)
        elif str(holder) != last:
            seen, last = now, str(holder)
        if patience and now - seen >= patience:
            raise Unhealthy(Diagnosis(LOCK_HELD, {"holder": str(holder), "seconds": now - seen}))
        run.progress(f"waiting for the migration lock, held by {holder}")
        await asyncio.sleep(pause * uniform(0.5, 1.5))  # noqa: S311  (jitter)
        pause = min(pause * 1.5, LAST_POLL)
    return time.monotonic() - started


class HeldLock:
    """A lock that is held; a sign of life is given every few seconds."""

    def __init__(self, label: str, waited: float, beat: Callable[[], Awaitable[None]]) -> None:
        """`beat` shows life and raises ConnectionError when the lock is lost."""
        self.label, self.waited = label, waited
        self._beat = beat
        self._lost = ""

    async def ensure(self) -> None:
        """Return while the lock is held; raises Unhealthy (LCK002) when it was lost."""
        if not self._lost:
            try:
                async with asyncio.timeout(ANSWER):
                    await self._beat()
            except (ConnectionError, TimeoutError) as error:
                self._lost = str(error) or f"no answer within {ANSWER:g} s"
        if self._lost:
            raise Unhealthy(Diagnosis(LOCK_LOST, said=self._lost))

    async def keep(self) -> None:
        """Give signs of life until the lock is lost."""
        with suppress(Unhealthy):
            while True:
                await asyncio.sleep(BEAT)
                await self.ensure()


@asynccontextmanager
async def kept(held: HeldLock) -> AsyncIterator[HeldLock]:
    """Keep a lock alive in the background while the body runs."""
    heartbeat = asyncio.create_task(held.keep())
    try:
        yield held
    finally:
        heartbeat.cancel()
        await asyncio.wait([heartbeat])  # unlike `await heartbeat` it keeps its cancellation and ours apart
