import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from startupctl.check import Unhealthy
from startupctl.databases.postgres import connected
from startupctl.diagnosis import FailureClass
from startupctl.migrations import lock as locks
from startupctl.migrations.lock_file import file_lock
from startupctl.migrations.postgres.lock import lock_key, postgres_lock

KEY = lock_key("public", "startupctl_migrations")


@pytest.fixture
def session(postgres, fresh_database):
    """Open sessions on a database of this test."""

    def open_(server=postgres, name="startupctl:replica-1:4711"):
        parameters = {"host": server.host, "port": str(server.port), "user": "postgres", "password": "s3cret"}
        return connected(parameters | {"dbname": fresh_database}, connect_timeout=5, application_name=name)

    return open_


def test_the_key_is_the_same_for_ever():
    assert KEY == -5100574641177843837
    assert lock_key("public", "other") != KEY


@pytest.mark.anyio
async def test_whoever_waits_says_who_holds_it_and_takes_it_when_it_is_free(session, run, services):
    async with session() as first, session(name="startupctl:replica-2:1") as second:
        taken, freed = asyncio.Event(), asyncio.Event()

        async def hold():
            async with postgres_lock(first, (KEY,), run, 60):
                taken.set()
                await freed.wait()

        holder = asyncio.create_task(hold())
        await taken.wait()
        asyncio.get_running_loop().call_later(0.4, freed.set)
        async with postgres_lock(second, (KEY,), run, 60) as held:
            assert held.label == "postgres advisory"
            assert held.waited > 0.2
            await held.ensure()
        await holder
    text = services.steps[0][0]
    assert text.startswith("waiting for the migration lock, held by startupctl:replica-1:4711 (server process ")
    assert "127.0.0.1) since 20" in text


@pytest.mark.anyio
async def test_the_holder_leaves_no_snapshot_and_a_waiter_no_transaction(session, run, postgres, fresh_database):
    async with session() as first, session(name="waiter") as second:
        async with postgres_lock(first, (KEY,), run, 60):
            waiter = asyncio.create_task(anything_under(second, run))
            await asyncio.sleep(0.3)
            seen = postgres.sql(
                "SELECT application_name, state, backend_xmin, backend_xid FROM pg_stat_activity"
                f" WHERE datname = '{fresh_database}' ORDER BY 1"
            )
        await waiter
    assert seen == [("startupctl:replica-1:4711", "idle in transaction", None, None), ("waiter", "idle", None, None)]


async def anything_under(session, run):
    async with postgres_lock(session, (KEY,), run, 60):
        pass


@pytest.mark.anyio
async def test_a_holder_without_a_sign_of_life_ends_the_patience(session, run):
    async with session() as first, session() as second, postgres_lock(first, (KEY,), run, 60):
        with pytest.raises(Unhealthy) as caught:
            async with postgres_lock(second, (KEY,), run, 0.5):
                pytest.fail("two hold the lock")
    found = caught.value.diagnosis
    assert (found.code.code, found.failure) == ("LCK001", FailureClass.CONTENTION)
    assert "held by startupctl:replica-1:4711 (server process" in found.summary


@pytest.mark.anyio
async def test_a_holder_that_shows_life_is_waited_for(session, run, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.1)
    monkeypatch.setattr("startupctl.migrations.postgres.lock.FRESH", 0)
    async with session() as first, session() as second:
        async with postgres_lock(first, (KEY,), run, 60):
            waiter = asyncio.create_task(anything_under_patience(second, run, 0.6))
            await asyncio.sleep(1.5)
            assert not waiter.done()
        await waiter


async def anything_under_patience(session, run, patience):
    async with postgres_lock(session, (KEY,), run, patience):
        pass


@pytest.mark.anyio
async def test_a_lock_whose_connection_broke_is_lost(session, run, postgres, fresh_database, monkeypatch):
    monkeypatch.setattr("startupctl.migrations.postgres.lock.FRESH", 0)
    async with session() as first, postgres_lock(first, (KEY,), run, 60) as held:
        postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{fresh_database}'")
        with pytest.raises(Unhealthy) as caught:
            await held.ensure()
        with pytest.raises(Unhealthy):
            await held.ensure()
    assert (caught.value.diagnosis.code.code, caught.value.diagnosis.failure) == ("LCK002", FailureClass.TRANSIENT)


@pytest.mark.anyio
async def test_two_holders_are_kept_apart_by_a_transaction_pooler_too(session, run, pgbouncer, postgres):
    pooler = pgbouncer(postgres, pool_size=4)
    async with session(pooler) as first, session(pooler) as second:
        async with postgres_lock(first, (KEY,), run, 60):
            with pytest.raises(Unhealthy):
                async with postgres_lock(second, (KEY,), run, 0.3):
                    pytest.fail("two hold the lock")
        async with postgres_lock(second, (KEY,), run, 60):
            pass


@pytest.mark.anyio
async def test_an_idle_timeout_of_the_server_does_not_take_the_lock(session, run, postgres, fresh_database):
    postgres.sql(f"ALTER DATABASE {fresh_database} SET idle_in_transaction_session_timeout = '200ms'")
    postgres.sql(f"ALTER DATABASE {fresh_database} SET transaction_timeout = '400ms'")
    async with session() as first, postgres_lock(first, (KEY,), run, 60) as held:
        await asyncio.sleep(1.1)
        await held.ensure()


@pytest.mark.anyio
async def test_a_file_lock_says_who_holds_it(run, services, tmp_path):
    async with file_lock(tmp_path / "app.db", run, 60) as held:
        assert held.label == "file"
        with pytest.raises(Unhealthy) as caught:
            async with file_lock(tmp_path / "app.db", run, 0.3):
                pytest.fail("two hold the lock")
    assert caught.value.diagnosis.code.code == "LCK001"
    assert f":{os.getpid()} since 20" in services.steps[0][0]
    async with file_lock(tmp_path / "app.db", run, 1):
        pass


HOLDER = """
import anyio, pathlib, sys, time
sys.path.insert(0, sys.argv[2])
from support import make_run
from startupctl.migrations.lock_file import file_lock
async def hold():
    async with file_lock(pathlib.Path(sys.argv[1]), make_run(), 60):
        print("held", flush=True)
        time.sleep(60)
anyio.run(hold)
"""


def started(path):
    argv = [sys.executable, "-c", HOLDER, str(path), str(Path(__file__).parents[1])]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


@pytest.mark.anyio
async def test_a_killed_holder_frees_a_file_lock(run, tmp_path):
    with started(tmp_path / "app.db") as holder:
        await asyncio.to_thread(holder.stdout.readline)
        asyncio.get_running_loop().call_later(0.2, holder.kill)
        async with file_lock(tmp_path / "app.db", run, 60) as held:
            assert held.waited > 0.1
