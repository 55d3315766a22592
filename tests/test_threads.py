"""Blocking calls off the loop: what comes back, what goes on, what is never joined."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest

from startupctl.threads import in_thread

pytestmark = pytest.mark.anyio


async def test_what_the_call_returns_comes_back():
    assert await in_thread(divmod, 7, 2) == (3, 1)
    assert await in_thread(sorted, [1, 2], reverse=True) == [2, 1]
    assert await in_thread(threading.get_ident) != threading.get_ident()


async def test_what_the_call_raises_is_raised_here_with_its_place():
    with pytest.raises(ZeroDivisionError) as caught:
        await in_thread(lambda: 1 // 0)
    assert "<lambda>" in str(caught.traceback[-1])


def leave():
    sys.exit("the program of the user ends")


def exhausted():
    return next(iter(()))


def cancels():
    raise asyncio.CancelledError


@pytest.mark.parametrize(("call", "text"), [(leave, "SystemExit"), (cancels, "CancelledError")])
async def test_what_would_end_our_loop_is_an_error_of_the_call(call, text):
    with pytest.raises(RuntimeError, match=text):
        await in_thread(call)


async def test_a_stop_iteration_does_not_hang_the_caller():
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await in_thread(exhausted)


async def test_a_cancelled_caller_goes_at_once_and_the_call_goes_on():
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work():
        begun.set()
        go_on.wait(10)
        ended.set()
        raise ValueError("nobody hears this")

    task = asyncio.ensure_future(in_thread(work))
    await in_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ended.is_set()
    go_on.set()
    await in_thread(ended.wait, 10)
    await asyncio.sleep(0.01)  # its result arrives and is dropped


async def test_many_hung_calls_leave_room_for_one_more():
    release = threading.Event()
    hung = [asyncio.ensure_future(in_thread(release.wait, 30)) for _ in range(40)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await in_thread(lambda: "served") == "served"
    release.set()
    assert all(await asyncio.gather(*hung))


def test_a_call_that_outlives_its_loop_is_dropped_silently():
    release, done = threading.Event(), threading.Event()

    def work():
        release.wait(10)
        done.set()

    async def start_and_leave():
        task = asyncio.ensure_future(in_thread(work))
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(start_and_leave())
    release.set()
    assert done.wait(10)
    time.sleep(0.02)  # an exception in the thread would be reported by pytest


HUNG = """
import asyncio, threading
from startupctl.threads import in_thread
async def main():
    tasks = [asyncio.ensure_future(in_thread(threading.Event().wait)) for _ in range(8)]
    await asyncio.sleep(0.05)
asyncio.run(main())
"""


def test_hung_calls_do_not_delay_the_end_of_the_process():
    subprocess.run([sys.executable, "-c", HUNG], check=True, timeout=30, env={**os.environ, "PYTHONWARNINGS": "error"})
