"""Coroutines of the user run beside our loop, and one that blocks keeps only itself waiting."""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time

import pytest

from startupctl.beside import beside

LIBC = ctypes.CDLL(None)


async def answer(value="answer"):
    await asyncio.sleep(0)
    return value


async def block(until):
    while not until.is_set():
        LIBC.usleep(10_000)  # the sleep of the C library: that of Python is refused inside a loop in these tests


@pytest.fixture
def released():
    """An event that blocking coroutines wait for, set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.anyio
async def test_the_result_comes_back_from_another_thread():
    async def where():
        return threading.current_thread()

    assert await beside(answer) == "answer"
    assert await beside(where) is not threading.current_thread()


@pytest.mark.anyio
async def test_an_exception_comes_back():
    async def fail():
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        await beside(fail)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_what_would_end_a_loop_is_an_error_of_its_coroutine(kind):
    async def leave():
        raise kind(3)

    with pytest.raises(RuntimeError, match=kind.__name__):
        await beside(leave)
    assert await beside(answer) == "answer"


@pytest.mark.anyio
async def test_eight_that_block_neither_stop_our_clock_nor_keep_a_ninth_waiting(released):
    hanging = [asyncio.ensure_future(beside(lambda: block(released))) for _ in range(8)]
    began = time.monotonic()
    assert await asyncio.wait_for(beside(answer), 10) == "answer"
    assert time.monotonic() - began < 10
    for one in hanging:
        one.cancel()
    await asyncio.wait(hanging)


@pytest.mark.anyio
async def test_each_is_run_once_also_when_it_was_given_to_a_blocked_loop_first(released):
    runs = []

    async def count():
        runs.append(1)

    hanging = asyncio.ensure_future(beside(lambda: block(released)))
    await asyncio.sleep(0.01)
    await beside(count)
    released.set()
    await hanging
    await asyncio.sleep(0.1)
    assert runs == [1]


@pytest.mark.anyio
async def test_a_cancelled_call_cancels_its_coroutine():
    cancelled = threading.Event()

    async def wait():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    call = asyncio.ensure_future(beside(wait))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0.1)
    assert cancelled.is_set()


@pytest.mark.anyio
async def test_a_coroutine_that_stops_its_loop_stops_only_that_one():
    async def stop():
        asyncio.get_running_loop().stop()
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(beside(stop), 0.3)
    assert await asyncio.wait_for(beside(answer), 10) == "answer"
