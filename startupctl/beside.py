"""Coroutines of the user, on an event loop beside ours: one that blocks stops neither our clocks nor our signals."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

PATIENCE = 0.05  # seconds in which a loop begins a coroutine unless one before it blocks


async def beside(make: Callable[[], Awaitable[T]]) -> T:
    """Await what `make` returns on the loop beside ours; return or raise what comes of it.

    A loop that does not even begin is blocked: it is left to whoever blocks it, and another takes its
    place. When the caller is cancelled, the coroutine is cancelled too.
    """
    while True:
        loop, call = _loop(), _Call(make)
        running = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call.run(), loop))
        try:
            await asyncio.wait([running], timeout=PATIENCE)
            if running.done() or not call.claim():
                await asyncio.wait([running])
                return _result(running)
            _blocked(loop)
        finally:
            running.cancel()


class _Call(Generic[T]):
    """One coroutine to be; whoever claims it first, the loop to run it or we to give it up, has it."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make, self._unclaimed = make, threading.Lock()

    def claim(self) -> bool:
        return self._unclaimed.acquire(blocking=False)

    async def run(self) -> T:
        if not self.claim():
            raise asyncio.CancelledError
        try:
            return await self._make()
        except (SystemExit, KeyboardInterrupt) as error:  # they would end the loop of all the others
            raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _result(done: asyncio.Future[T]) -> T:
    """Return or raise what came of it; what is no Exception, as GeneratorExit, must not end us."""
    error = done.exception()
    if error is not None and not isinstance(error, Exception):
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    return done.result()


class _Beside(NamedTuple):
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread


_running: list[_Beside] = []  # the one in use, if any; a thread cannot be ended, so it serves all runs of the process


def _loop() -> asyncio.AbstractEventLoop:
    if not (_running and _running[0].thread.is_alive()):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_serve, args=[loop], daemon=True, name="coroutines of the user")
        thread.start()
        _running[:] = [_Beside(loop, thread)]
    return _running[0].loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run until a coroutine stops the loop, which ends the others on it as well."""
    loop.run_forever()
    loop.close()


def _blocked(loop: asyncio.AbstractEventLoop) -> None:
    if _running and _running[0].loop is loop:
        _running.clear()
