import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from startupctl.addresses import Endpoint
from startupctl.check import Mode, Unhealthy
from startupctl.databases.clickhouse import server_session
from startupctl.fields import Secret
from startupctl.kinds.clickhouse import ClickHouse
from startupctl.migrations import lease as leases
from startupctl.migrations import lock as locks
from startupctl.migrations.clickhouse.lock import clickhouse_lock, holder_on, unlock
from startupctl.migrations.keys import MigrationKeys
from startupctl.wire.clickhouse import ClickHouseServer

NUMBERS = itertools.count(1)
TABLE = "startupctl_migrations"


@pytest.fixture
def database(clickhouse):
    name = f"locked_{next(NUMBERS)}"
    clickhouse.query(f"CREATE DATABASE {name}")
    yield name
    clickhouse.query(f"DROP DATABASE IF EXISTS {name}")


def session_on(server, name):
    place = ClickHouseServer(Endpoint(server.host, server.port), user="app", password=Secret("pw"), database=name)
    return server_session(place, connect_timeout=5)


@pytest.fixture
def locked(clickhouse, database, run):
    """Hold the lock of this test's database, each time on a session of its own."""

    @asynccontextmanager
    async def hold(patience=60, server=clickhouse):
        keys = MigrationKeys(dir="x", lock_timeout=patience)
        async with session_on(server, database) as session, clickhouse_lock(session, keys, run) as held:
            yield held

    return hold


def columns(server, database):
    asked = f"SELECT name FROM system.columns WHERE database = '{database}' AND table = '{TABLE}_lock'"
    return server.query(asked).split()


@pytest.mark.anyio
async def test_whoever_waits_says_who_holds_it_and_takes_it_when_it_is_free(locked, services, clickhouse, database):
    taken, freed = asyncio.Event(), asyncio.Event()

    async def hold():
        async with locked():
            taken.set()
            await freed.wait()

    holder = asyncio.create_task(hold())
    await taken.wait()
    asyncio.get_running_loop().call_later(0.4, freed.set)
    async with locked() as held:
        assert (held.label, held.waited > 0.2) == ("best-effort", True)
        await held.ensure()
    await holder
    assert f":{os.getpid()} since 20" in services.steps[0][0]
    assert columns(clickhouse, database) == ["free"]


@pytest.mark.anyio
async def test_of_many_at_once_one_holds_it(locked):
    inside, most, turns = 0, 0, 0

    async def work():
        nonlocal inside, most, turns
        async with locked():
            inside += 1
            most, turns = max(most, inside), turns + 1
            await asyncio.sleep(0.02)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(8)))
    assert (most, turns) == (1, 8)


@pytest.mark.anyio
async def test_a_holder_that_shows_life_keeps_it_for_longer_than_the_lease(locked, monkeypatch):
    monkeypatch.setattr(leases, "LENGTH", 800)
    monkeypatch.setattr(locks, "BEAT", 0.1)
    async with locked() as held:
        waiter = asyncio.create_task(anything_under(locked()))
        await asyncio.sleep(2.5)
        assert not waiter.done()
        await held.ensure()
    await waiter


async def anything_under(lock):
    async with lock:
        pass


@pytest.mark.anyio
async def test_a_holder_that_stood_still_loses_it_and_finds_out(locked, monkeypatch):
    monkeypatch.setattr(leases, "LENGTH", 300)
    monkeypatch.setattr(locks, "BEAT", 60.0)
    async with locked() as first, locked() as second:
        assert second.waited > 0.1
        with pytest.raises(Unhealthy) as caught:
            await first.ensure()
        await second.ensure()
    assert caught.value.diagnosis.code.code == "LCK002"
    assert "held by" in caught.value.diagnosis.summary


@pytest.mark.anyio
async def test_a_lease_that_ran_out_is_not_prolonged_by_its_own_holder_either(locked, monkeypatch):
    monkeypatch.setattr(leases, "LENGTH", 100)
    monkeypatch.setattr(locks, "BEAT", 60.0)
    async with locked() as held:
        await asyncio.sleep(0.3)
        with pytest.raises(Unhealthy) as caught:
            await held.ensure()
    assert "showed no life for" in caught.value.diagnosis.summary


@pytest.mark.anyio
async def test_a_lease_outlives_a_broken_connection(locked, clickhouse):
    async with locked() as held:
        clickhouse.fault("rst", count=3)
        await held.ensure()


@pytest.mark.anyio
async def test_a_lock_survives_the_server(clickhouse_server, tmp_path, run, monkeypatch):
    monkeypatch.setattr(leases, "LENGTH", 3000)
    server = clickhouse_server(path=tmp_path / "data", users={"app": "pw"})
    server.query("CREATE DATABASE app")
    keys = MigrationKeys(dir="x")
    async with session_on(server, "app") as session, clickhouse_lock(session, keys, run) as held:
        await asyncio.to_thread(server.stop, signal.SIGKILL)
        await asyncio.to_thread(server.start)
        await held.ensure()
        async with session_on(server, "app") as other:
            with pytest.raises(Unhealthy):
                await anything_under(clickhouse_lock(other, MigrationKeys(dir="x", lock_timeout=0.5), run))


@pytest.mark.anyio
async def test_from_outside_it_is_seen_and_what_was_left_behind_is_removed(locked, clickhouse, database):
    async with session_on(clickhouse, database) as other:
        assert await holder_on(other, TABLE) is None
        assert columns(clickhouse, database) == []
        async with locked() as held:
            holder = await holder_on(other, TABLE)
            assert holder.name.endswith(f":{os.getpid()}")
            assert await unlock(other, TABLE, holder)
            assert not await unlock(other, TABLE, holder)
            assert await holder_on(other, TABLE) is None
            with pytest.raises(Unhealthy):
                await held.ensure()


@pytest.mark.anyio
async def test_a_table_that_is_no_lock_is_left_alone(locked, clickhouse, database):
    clickhouse.query(f"CREATE TABLE {database}.{TABLE}_lock (id UInt64, note String) ENGINE = Memory")
    with pytest.raises(Unhealthy) as caught:
        await anything_under(locked())
    assert caught.value.diagnosis.code.code == "LCK003"
    assert f"`{TABLE}_lock`" in caught.value.diagnosis.summary


HOLDER = """
import anyio, sys, time
sys.path.insert(0, sys.argv[3])
from support import make_run
from startupctl.addresses import Endpoint
from startupctl.databases.clickhouse import server_session
from startupctl.fields import Secret
from startupctl.migrations import lease
from startupctl.migrations.keys import MigrationKeys
from startupctl.migrations.clickhouse.lock import clickhouse_lock
from startupctl.wire.clickhouse import ClickHouseServer
lease.LENGTH = 1500
async def hold():
    place = ClickHouseServer(Endpoint("127.0.0.1", int(sys.argv[1])), user="app", password=Secret("pw"), database=sys.argv[2])
    async with server_session(place, connect_timeout=5) as session, clickhouse_lock(session, MigrationKeys(dir="x"), make_run()):
        print("held", flush=True)
        time.sleep(60)
anyio.run(hold)
"""


def running(program, *words):
    argv = [sys.executable, "-c", program, *map(str, words), str(Path(__file__).parents[1])]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


@pytest.mark.anyio
async def test_what_a_killed_holder_left_is_taken_over_when_its_lease_ran_out(locked, clickhouse, database):
    with running(HOLDER, clickhouse.port, database) as process:
        await asyncio.to_thread(process.stdout.readline)
        process.kill()
        async with locked() as held:
            assert 0.1 < held.waited < 20


STALLED = """
import anyio, pathlib, sys
sys.path.insert(0, sys.argv[3])
from startupctl.check import Mode, Unhealthy
from startupctl.kinds.clickhouse import ClickHouse
from startupctl.migrations import lease, lock
from support import make_run
lease.LENGTH, lock.BEAT = 1500, 0.2
kind = ClickHouse(url=sys.argv[1], migrations={"dir": "ch"})
run = make_run(seconds=60, mode=Mode.PREPARE, folder=pathlib.Path(sys.argv[2]))
async def prepare():
    try:
        await kind.prepare(run)
    except Unhealthy as error:
        print(error.diagnosis.code.code, error.diagnosis.said)
anyio.run(prepare)
"""


def wait_until_running(server, sql):
    while server.query(f"SELECT count() FROM system.processes WHERE query = '{sql}'").strip() == "0":
        time.sleep(0.01)


@pytest.mark.anyio
async def test_a_holder_that_was_stopped_in_a_statement_begins_no_other(clickhouse, database, tmp_path, run):
    (tmp_path / "ch").mkdir()
    pause = "SELECT sleepEachRow(0.5) FROM numbers(2)"
    clickhouse.query(f"CREATE TABLE {database}.ran (number UInt8) ENGINE = MergeTree ORDER BY number")
    (tmp_path / "ch" / "1_two.sql").write_text(f"{pause};\nINSERT INTO ran VALUES (1);\n")
    url = clickhouse.url(database)
    with running(STALLED, url, tmp_path) as stalled:
        await asyncio.to_thread(wait_until_running, clickhouse, pause)
        stalled.send_signal(signal.SIGSTOP)
        second = replace(run, mode=Mode.PREPARE)
        facts = await ClickHouse(url=url, migrations={"dir": "ch"}).prepare(second)
        stalled.send_signal(signal.SIGCONT)
        said = await asyncio.to_thread(stalled.stdout.read)
    assert (facts["lock"], facts["resumed"]) == ("best-effort", ["1_two.sql"])
    assert said.startswith(b"LCK002 the lease ended, it is held by nobody")
    assert clickhouse.query("SELECT number FROM ran", database).split() == ["1"]


MANIFEST = """
version: 1
name: events
components:
  events: {{kind: clickhouse, url: "{url}", create: true, migrations: {{dir: ch}}}}
"""


def test_twelve_replicas_with_no_other_lock_apply_each_file_once(startupctl, clickhouse, tmp_path):
    name = f"raced_{next(NUMBERS)}"
    (tmp_path / "startup.yaml").write_text(MANIFEST.format(url=clickhouse.url(name)))
    (tmp_path / "ch").mkdir()
    (tmp_path / "ch" / "01_ran.sql").write_text("CREATE TABLE ran (number UInt8) ENGINE = MergeTree ORDER BY number;")
    for number in range(2, 7):
        (tmp_path / "ch" / f"{number:02}_row.sql").write_text(f"INSERT INTO ran VALUES ({number});")
    replicas = [startupctl.start("init-db", "-o", "json") for _ in range(12)]
    ended = [replica.finish(timeout=120) for replica in replicas]
    assert [one.code for one in ended] == [0] * 12, [one.err for one in ended if one.code]
    facts = [one.json()["components"]["events"]["facts"] for one in ended]
    applied = sorted(file for one in facts for file in one["migrations"]["applied"])
    assert applied == sorted(path.name for path in (tmp_path / "ch").iterdir())
    assert {one["lock"] for one in facts} <= {"best-effort", "not needed"}
    assert clickhouse.query("SELECT number FROM ran ORDER BY number", name).split() == ["2", "3", "4", "5", "6"]
    clickhouse.query(f"DROP DATABASE {name}")
