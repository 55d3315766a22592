"""The clocks of a run: how long it may take, and that they stand still while something migrates.

All times are seconds of `time.monotonic()`, which is also the clock of asyncio's event loop.
"""

from __future__ import annotations

import heapq
import itertools
import time
from asyncio import Future, get_running_loop
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A time allowance that can be stopped; while anybody has stopped it, its end moves away."""

    def __init__(self, seconds: float) -> None:
        """Start now; `seconds` may be infinite."""
        self.started = time.monotonic()
        self._allowance = seconds
        self._stopped_for = 0.0
        self._holders = 0
        self._stopped_at = 0.0

    @property
    def end(self) -> float:
        """When the allowance is used up, as far as is known now."""
        standing = time.monotonic() - self._stopped_at if self._holders else 0.0
        return self.started + self._allowance + self._stopped_for + standing

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock; it runs again when the last one who stopped it lets go."""
        if not self._holders:
            self._stopped_at = time.monotonic()
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._stopped_for += time.monotonic() - self._stopped_at


class Slots:
    """So many attempts at once; when none is free the highest rank is served first, then the first come."""

    def __init__(self, count: float) -> None:
        """Offer `count` slots; infinity means no limit."""
        self._free = count
        self._queue: list[tuple[int, int, Future[None]]] = []
        self._numbers = itertools.count()

    async def take(self, rank: int) -> None:
        """Take a slot, to be given back; a higher rank is served first."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(rank)

    def give_back(self) -> None:
        """Pass the slot on to the first who waits."""
        while self._queue:
            turn = heapq.heappop(self._queue)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _wait(self, rank: int) -> None:
        turn: Future[None] = get_running_loop().create_future()
        heapq.heappush(self._queue, (-rank, next(self._numbers), turn))
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.give_back()  # the slot came in the moment of the cancellation
            raise
