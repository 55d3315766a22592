import asyncio
import shutil
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


@pytest.mark.anyio
async def test_what_a_killed_process_has_not_committed_is_rolled_back_for_readers(tmp_path):
    writer = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    writer.execute("CREATE TABLE a (text)")
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO a VALUES (zeroblob(1000000))")
    for name in ("a.db", "a.db-journal"):  # what a kill leaves, seen by another path
        shutil.copy(tmp_path / name, tmp_path / name.replace("a", "b", 1))
    writer.close()
    async with opened(tmp_path / "b.db", mode="ro") as session:
        assert await session.rows("SELECT count(*) FROM a") == [("0",)]
        with pytest.raises(StatementFailed, match="readonly"):
            await session.execute("DELETE FROM a")
