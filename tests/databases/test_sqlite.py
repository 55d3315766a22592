import asyncio
import sqlite3

import pytest

from startupctl.databases.session import StatementFailed
from startupctl.databases.sqlite import opened
from startupctl.diagnosis import FailureClass


@pytest.mark.anyio
async def test_a_long_sqlite_statement_is_interrupted(tmp_path):
    async with opened(tmp_path / "a.db", mode="rwc") as session:
        await session.execute("BEGIN IMMEDIATE")
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        task = asyncio.create_task(session.execute(endless))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 8)
        assert session.in_transaction
        await session.roll_back()
        assert await session.rows("SELECT NULL, 1, 'a'") == [(None, "1", "a")]


@pytest.mark.anyio
async def test_sqlite_keeps_the_names_of_its_results(tmp_path):
    async with opened(tmp_path / "a.db", mode="rwc") as session:
        with pytest.raises(StatementFailed) as caught:
            await session.execute("SELEKT")
        assert (caught.value.code, caught.value.failure) == ("SQLITE_ERROR", FailureClass.PERMANENT)
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        await session.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(StatementFailed) as caught:
            await session.execute("BEGIN IMMEDIATE")
        other.close()
    assert (caught.value.code, caught.value.failure) == ("SQLITE_BUSY", FailureClass.CONTENTION)
