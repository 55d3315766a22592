"""What is looked at between two statements: whether the lock is still held; and where the work stands is told."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from startupctl.check import Held

FRESH = 1.0  # seconds for which an answer is believed; the clock goes on in a process that is stopped


class Watch:
    """The eyes of one run on one database."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        """Tell `progress` where the work stands; no lock is held yet."""
        self.progress = progress
        self._held: Held | None = None
        self._seen = 0.0

    @asynccontextmanager
    async def over(self, lock: AbstractAsyncContextManager[Held]) -> AsyncIterator[Held]:
        """Hold a lock and watch it meanwhile."""
        async with lock as held:
            self._held, self._seen = held, time.monotonic()
            try:
                yield held
            finally:
                self._held = None

    async def ensure(self) -> None:
        """Return while the lock is held, and without one; raises Unhealthy (LCK002) when it was lost."""
        if self._held is not None and time.monotonic() - self._seen > FRESH:
            await self._held.ensure()
            self._seen = time.monotonic()
