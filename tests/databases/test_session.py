import asyncio

import pytest

from startupctl.databases.session import end_if_cancelled


@pytest.mark.anyio
async def test_work_that_is_cancelled_is_ended_and_waited_for():
    ended, outcome = asyncio.Event(), []

    async def work():
        await ended.wait()
        outcome.append("rolled back")
        raise ConnectionError("ended")

    async def end():
        ended.set()

    task = asyncio.create_task(end_if_cancelled(work(), end, 5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert outcome == ["rolled back"]
    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.anyio
async def test_the_patience_with_work_that_does_not_end_is_bounded():
    async def end():
        pass

    task = asyncio.create_task(end_if_cancelled(asyncio.sleep(30), end, 0.05))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


@pytest.mark.parametrize(("seconds", "cause"), [(0.05, type(None)), (30, TimeoutError)])
@pytest.mark.anyio
async def test_the_cause_of_the_cancellation_says_what_became_of_the_work(seconds, cause):
    async def end():
        pass

    async def interrupted():
        try:
            await end_if_cancelled(asyncio.sleep(seconds), end, 1)
        except asyncio.CancelledError as cancelled:
            return type(cancelled.__cause__)

    task = asyncio.create_task(interrupted())
    await asyncio.sleep(0)
    task.cancel()
    assert await task is cause
