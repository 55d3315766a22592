"""The lease in a Redis or Valkey database: taken by one, prolonged, lost, left behind, lent."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from asking import UNFILLED
from servers.command_line import PROGRAM
from startupctl.addresses import Endpoint
from startupctl.check import Mode, Unhealthy
from startupctl.databases.redis_place import Place
from startupctl.databases.redis_session import RedisSession, connected
from startupctl.diagnosis import FailureClass
from startupctl.fields import Secret
from startupctl.kinds.redis import Redis
from startupctl.migrations import lock as locks
from startupctl.migrations.redis import lock as lock_redis
from startupctl.migrations.redis.lock import KEY, holder_of, redis_lock, release
from startupctl.wire.resp import RedisError
from support import make_run

STRANGER = "t0ken other-host:77 2026-01-02 03:04:05+00:00"


@pytest.fixture
def server(valkey_server):
    return valkey_server()


def place_of(server, user=None, password=""):
    return Place(Endpoint(server.host, server.port), user=user, password=Secret(password) if password else None)


@asynccontextmanager
async def holding(server, run, patience=60):
    async with connected(place_of(server), 5) as session, redis_lock(session, run, patience) as held:
        yield held


async def anything_under(server, run):
    async with holding(server, run) as held:
        return held.waited


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    found = caught.value.diagnosis
    assert not UNFILLED.search(f"{replace(found, said='').summary} {found.cause} {found.hint}")
    return found


async def cli(server, *words):
    return await asyncio.to_thread(server.cli, *words)


@pytest.mark.anyio
async def test_whoever_waits_says_who_holds_it_and_takes_it_when_it_is_free(server, run, services):
    async with holding(server, run) as held:
        assert (held.label, held.waited < 1) == ("redis lease", True)
        waiter = asyncio.create_task(anything_under(server, run))
        await asyncio.sleep(0.4)
        await held.ensure()
        assert not waiter.done()
    assert await waiter > 0.2
    assert f":{os.getpid()} since 20" in services.steps[0][0]
    assert await cli(server, "EXISTS", KEY) == 0


@pytest.mark.anyio
async def test_one_at_a_time_holds_it(server, run):
    inside, most = 0, 0

    async def work():
        nonlocal inside, most
        async with holding(server, run):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.05)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(8)))
    assert most == 1


@pytest.mark.anyio
async def test_a_holder_without_a_sign_of_life_ends_the_patience(server, run):
    await cli(server, "SET", KEY, STRANGER, "PX", "20000")  # of 30 seconds
    found = await refusal(holding(server, run, 0.3).__aenter__())
    assert (found.code.code, found.failure) == ("LCK001", FailureClass.CONTENTION)
    assert "held by other-host:77 since 2026-01-02 03:04:05+00:00, without a sign of life for" in found.summary
    assert (await cli(server, "GET", KEY)).decode() == STRANGER


@pytest.mark.anyio
async def test_a_lease_that_nobody_prolongs_ends_by_itself(server, run):
    await cli(server, "SET", KEY, STRANGER, "PX", "700")
    assert await anything_under(server, run) > 0.3


@pytest.mark.anyio
async def test_a_lease_is_prolonged_while_it_is_held(server, run, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.1)
    monkeypatch.setattr(lock_redis, "LEASE", 1.0)
    async with holding(server, run) as held:
        await asyncio.sleep(2)
        await held.ensure()
        assert await cli(server, "PTTL", KEY) > 100


@pytest.mark.parametrize(("now", "said"), [(STRANGER, "it is held by other-host:77 since 2026"), ("", "by nobody")])
@pytest.mark.anyio
async def test_a_lease_that_ended_is_lost_and_another_s_is_left_alone(now, said, server, run):
    async with holding(server, run) as held:
        await (cli(server, "SET", KEY, now) if now else cli(server, "DEL", KEY))
        for _ in range(2):
            found = await refusal(held.ensure())
            assert (found.code.code, found.failure) == ("LCK002", FailureClass.TRANSIENT)
            assert said in found.summary
    assert (await cli(server, "GET", KEY) or b"").decode() == now


@pytest.mark.anyio
async def test_a_lease_outlives_a_broken_connection(server, run):
    async with holding(server, run) as held:
        await cli(server, "CLIENT", "KILL", "TYPE", "normal")
        await held.ensure()


@pytest.mark.anyio
async def test_a_server_that_is_gone_takes_the_lease_with_it(server, run, monkeypatch):
    monkeypatch.setattr(lock_redis, "TRY", 0.2)
    async with holding(server, run) as held:
        await asyncio.to_thread(server.stop)
        found = await refusal(held.ensure())
    assert found.code.code == "LCK002"
    assert f"127.0.0.1:{server.port}" in found.summary


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.anyio
async def test_a_cancelled_holder_and_a_cancelled_waiter_leave_nothing_behind(held, server, run):
    if not held:
        await cli(server, "SET", KEY, STRANGER)
    work = asyncio.create_task(hold_long(server, run))
    await asyncio.sleep(0.3)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await cli(server, "GET", KEY) == (None if held else STRANGER.encode())


async def hold_long(server, run):
    async with holding(server, run):
        await asyncio.sleep(30)


@pytest.mark.anyio
async def test_a_take_whose_answer_was_lost_is_known_as_ours(server, run, monkeypatch):
    plain = RedisSession.call

    async def deaf(session, *words, at=None):
        answer = await plain(session, *words, at=at)
        return None if words[0] == "SET" else answer

    monkeypatch.setattr(RedisSession, "call", deaf)
    assert await anything_under(server, run) < 1


@pytest.mark.anyio
async def test_a_lock_that_was_left_behind_can_be_seen_and_removed(server, run):
    async with connected(place_of(server), 5) as session:
        assert await holder_of(session) is None
        await cli(server, "SET", KEY, STRANGER, "PX", "20000")
        holder = await holder_of(session)
        assert str(holder) == "other-host:77 since 2026-01-02 03:04:05+00:00"
        assert 9 < holder.silent < 15
        assert await release(session, "another") is False
        assert await release(session, holder.token) is True
        assert await holder_of(session) is None


@pytest.mark.anyio
async def test_the_kind_shows_and_opens_its_lock_from_outside(server, run):
    latch = Redis(url=server.url()).latch(run)
    assert await latch.holder() is None
    await cli(server, "SET", KEY, STRANGER)
    holder = await latch.holder()
    assert (str(holder), holder.silent) == ("other-host:77 since 2026-01-02 03:04:05+00:00", None)
    assert [await latch.unlock(holder), await latch.unlock(holder)] == [True, False]


@pytest.mark.anyio
async def test_a_key_of_somebody_else_is_no_lock(server, run):
    await cli(server, "LPUSH", KEY, "mine")
    found = await refusal(holding(server, run).__aenter__())
    assert (found.code.code, found.facts["key"]) == ("RDS020", KEY)
    assert await cli(server, "TYPE", KEY) == b"list"


HOLDER = """
import anyio, sys, time
sys.path.insert(0, sys.argv[2])
from support import make_run
from startupctl.kinds.redis import Redis
from startupctl.migrations.redis import lock as lock_redis
lock_redis.LEASE = 1.5
async def hold():
    async with Redis(url=sys.argv[1]).lock(make_run()):
        print("held", flush=True)
        time.sleep(60)
anyio.run(hold)
"""


def started(server):
    argv = [sys.executable, "-c", HOLDER, server.url(), str(Path(__file__).parents[1])]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


@pytest.mark.anyio
async def test_a_killed_holder_frees_it_when_the_lease_ends(server, run):
    with started(server) as holder:
        await asyncio.to_thread(holder.stdout.readline)
        holder.kill()
        async with Redis(url=server.url()).lock(run) as held:
            assert held.waited > 0.3


# -- lent


@pytest.mark.parametrize(
    ("password", "code", "words"),
    [("app-password", "RDS011", "user `app` of 127.0.0.1"), ("wrong-password", "RDS003", "refuses the password")],
)
def test_whoever_borrows_is_told_why_it_cannot_be_lent(password, code, words, server):
    server.cli("ACL", "SETUSER", "app", "on", ">app-password", "+ping")
    url = server.url(password, "app")
    lender = Redis(url=url)
    with pytest.raises((Unhealthy, RedisError)) as caught:
        asyncio.run(lender.lock(make_run(mode=Mode.PREPARE)).__aenter__())
    error = caught.value
    found = error.diagnosis if isinstance(error, Unhealthy) else lender.explain(error)
    assert found.code.code == code
    assert words in found.summary


MANIFEST = """
version: 1
components:
  cache: {{kind: redis, url: "{redis}"}}
  events:
    kind: clickhouse
    url: {clickhouse}
    create: true
    migrations: {{dir: ch}}
    depends_on: [cache]
"""


def test_two_processes_migrate_clickhouse_once_under_the_lease_of_redis(
    server, clickhouse, startupctl, tmp_path, free_port
):
    name = f"lent_{free_port()}"
    (tmp_path / "startup.yaml").write_text(MANIFEST.format(redis=server.url(), clickhouse=clickhouse.url(name)))
    (tmp_path / "ch").mkdir()
    (tmp_path / "ch" / "1_events.sql").write_text("CREATE TABLE events (id UInt64) ENGINE = MergeTree ORDER BY id;")
    (tmp_path / "ch" / "2_rows.sql").write_text("SELECT sleep(1);\nINSERT INTO events VALUES (1);")
    replicas = [
        subprocess.Popen(
            [PROGRAM, "init-db", "-o", f"json={tmp_path}/{number}.json"],
            cwd=tmp_path,
            env=startupctl.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for number in range(2)
    ]
    ended = [(replica.communicate(timeout=50)[0], replica.returncode) for replica in replicas]
    assert [code for _, code in ended] == [0, 0], ended
    facts = [read_facts(tmp_path / f"{number}.json") for number in range(2)]
    applied = sorted(name for one in facts for name in one["migrations"]["applied"])
    assert applied == ["1_events.sql", "2_rows.sql"]
    assert {one["lock"] for one in facts} <= {"redis lease", "not needed"}
    assert "redis lease" in {one["lock"] for one in facts}
    assert clickhouse.query(f"SELECT count() FROM {name}.events").strip() == "1"
    assert server.cli("EXISTS", KEY) == 0
    clickhouse.query(f"DROP DATABASE {name}")


def read_facts(path):
    return json.loads(path.read_text())["components"]["events"]["facts"]


@pytest.mark.anyio
async def test_a_replica_lends_nothing(valkey_server, server):
    server.cli("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    replica = valkey_server(replicaof=f"127.0.0.1 {server.port}")
    found = await refusal(Redis(url=replica.url()).lock(make_run(mode=Mode.PREPARE)).__aenter__())
    assert found.code.code == "RDS004"
