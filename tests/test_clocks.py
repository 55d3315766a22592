"""Clocks that stand still, and slots with ranks."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from startupctl.clocks import Clock, Slots

pytestmark = pytest.mark.anyio


async def test_a_clock_ends_so_many_seconds_after_its_start():
    clock = Clock(5)
    assert clock.end == clock.started + 5
    assert Clock(math.inf).end == math.inf


async def test_while_a_clock_is_stopped_its_end_moves_away():
    clock = Clock(5)
    first = clock.end
    with clock.stopped():
        await asyncio.sleep(0.02)
        assert clock.end >= first + 0.02
    moved = clock.end
    assert moved >= first + 0.02
    await asyncio.sleep(0.02)
    assert clock.end == moved


async def test_of_several_who_stop_a_clock_the_last_lets_it_run():
    clock = Clock(5)
    with clock.stopped():
        with clock.stopped():
            await asyncio.sleep(0.01)
        between = clock.end
        await asyncio.sleep(0.01)
        assert clock.end > between
    end = clock.end
    await asyncio.sleep(0.01)
    assert clock.end == end


async def test_a_clock_runs_on_after_an_exception():
    clock = Clock(5)
    with pytest.raises(ZeroDivisionError), clock.stopped():
        _ = 1 // 0
    end = clock.end
    assert time.monotonic() < end == clock.end


async def using(slots, rank, name, log, seconds=0.0):
    await slots.take(rank)
    try:
        log.append(name)
        await asyncio.sleep(seconds)
    finally:
        slots.give_back()


async def test_the_highest_rank_is_served_first_then_the_first_come():
    slots, log = Slots(1), []
    await slots.take(0)
    waiting = [
        asyncio.ensure_future(using(slots, rank, name, log)) for rank, name in ((1, "a"), (3, "b"), (1, "c"), (3, "d"))
    ]
    await asyncio.sleep(0)
    assert log == []
    slots.give_back()
    await asyncio.gather(*waiting)
    assert log == ["b", "d", "a", "c"]


async def test_nobody_overtakes_who_waits():
    slots, log = Slots(1), []
    await slots.take(0)
    waiting = asyncio.ensure_future(using(slots, 1, "waited", log))
    await asyncio.sleep(0)
    slots.give_back()
    await using(slots, 9, "came later", log)
    await waiting
    assert log == ["waited", "came later"]


async def test_a_slot_that_comes_in_the_moment_of_a_cancellation_is_not_lost():
    slots, log = Slots(1), []
    await slots.take(0)
    cancelled = asyncio.ensure_future(using(slots, 2, "cancelled", log))
    other = asyncio.ensure_future(using(slots, 1, "other", log))
    await asyncio.sleep(0)
    slots.give_back()
    cancelled.cancel()
    await asyncio.wait([cancelled, other], timeout=5)
    assert cancelled.cancelled()
    assert log == ["other"]
    async with asyncio.timeout(5):
        await slots.take(0)


async def test_who_is_cancelled_while_waiting_takes_no_slot():
    slots, log = Slots(1), []
    await slots.take(0)
    waiting = [asyncio.ensure_future(using(slots, 1, number, log)) for number in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    slots.give_back()
    await asyncio.wait(waiting, timeout=5)
    assert log == [1, 2]


async def test_without_a_limit_nobody_waits():
    slots, log = Slots(math.inf), []
    await asyncio.gather(*(using(slots, 0, number, log, 0.001) for number in range(100)))
    assert len(log) == 100
