"""Files that take long to read: signals and clocks go on meanwhile."""

import asyncio

import pytest

from startupctl.databases.session import StatementFailed


@pytest.mark.anyio
async def test_while_a_long_file_is_read_the_loop_goes_on(on_postgres, preparing, write, fresh_database):
    write({"1_long.sql": "-- transaction:false\n" + "SELECT 1;\n" * 150_000 + "SELECT nope;\n" + "VACUUM;\n"})
    pauses, last = [], asyncio.get_running_loop().time()
    work = asyncio.create_task(on_postgres(fresh_database).carry_out(preparing))
    while not work.done() and len(pauses) < 100:
        await asyncio.sleep(0.01)
        now = asyncio.get_running_loop().time()
        pauses.append(now - last)
        last = now
    work.cancel()
    with pytest.raises((asyncio.CancelledError, StatementFailed)):
        await work
    assert len(pauses) == 100
