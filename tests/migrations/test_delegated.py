"""Migrations by other tools: real ones, real databases, several processes at once, and tools that do not behave."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from migrators import ALEMBIC, DJANGO, RECORD, executing, write_alembic, write_django, write_manifest
from startupctl.check import Mode, Unhealthy
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.errors import PlanError
from startupctl.migrations import codes, delegated
from startupctl.migrations.delegated import check_by_tool, migrate_by_tool, refuse_tool, rehearse_by_tool
from startupctl.migrations.keys import MigrationKeys
from startupctl.migrations.site import Site
from support import make_run

NUMBERS = itertools.count(1)
REPLICAS = 6
TWO_STEPS = (executing(RECORD, "INSERT INTO ran VALUES ('1')"), executing("INSERT INTO ran VALUES ('2')"))


# -- real tools, by the command line -----------------------------------------------------------------


@pytest.fixture
def tool_on_postgres(tmp_path, postgres):
    """A component of kind postgres that alembic migrates; its database is not there yet. Returns its name and URLs."""
    name = f"delegated_{next(NUMBERS)}"
    write_manifest(tmp_path, ALEMBIC, kind="postgres", url=postgres.url(name), priority="CRITICAL")
    yield name, {"TOOL_URL": postgres.url(name, scheme="postgresql+psycopg")}
    postgres.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def at_once(startupctl, env):
    with ThreadPoolExecutor(REPLICAS) as pool:
        replicas = list(pool.map(lambda _: startupctl("init-db", "-o", "json", env=env), range(REPLICAS)))
    assert [one.code for one in replicas] == [0] * REPLICAS, [one.out + one.err for one in replicas if one.code]
    return [one.json()["components"]["database"]["facts"] for one in replicas]


def test_replicas_at_once_run_alembic_once(tool_on_postgres, tmp_path, startupctl, postgres):
    name, env = tool_on_postgres
    write_alembic(tmp_path, *TWO_STEPS)
    facts = at_once(startupctl, env)
    assert sorted(one["migrations"]["applied"] for one in facts) == [[]] * (REPLICAS - 1) + [[f"{sys.executable} ..."]]
    assert {one["migrations"]["pending"] for one in facts} == {0}
    assert postgres.sql("SELECT name FROM ran ORDER BY 1", name) == [("1",), ("2",)]


def test_replicas_at_once_run_django_once(tmp_path, startupctl):
    write_manifest(tmp_path, DJANGO, path="shop.db")
    write_django(tmp_path, RECORD, "INSERT INTO ran VALUES ('2')")
    facts = at_once(startupctl, {"TOOL_URL": tmp_path / "shop.db"})
    assert sum(len(one["migrations"]["applied"]) for one in facts) == 1
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        assert database.execute("SELECT name FROM ran").fetchall() == [("2",)]


def test_what_is_pending_is_told_before_and_not_after_and_a_dry_run_changes_nothing(
    tool_on_postgres, tmp_path, startupctl, postgres
):
    name, env = tool_on_postgres
    write_alembic(tmp_path, *TWO_STEPS)
    rehearsed = startupctl("init-db", "--dry-run", "-o", "json", env=env)
    assert rehearsed.code == 0, rehearsed.out
    assert rehearsed.json()["components"]["database"]["facts"]["would_run"] == ALEMBIC["up"]
    assert postgres.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == []
    postgres.sql(f'CREATE DATABASE "{name}"')
    pending = startupctl("check", "-o", "json", env=env).json()["components"]["database"]
    assert pending["diagnosis"]["code"] == "MIG001"
    assert pending["diagnosis"]["class"] == "fixable"
    assert "Database is not on all head revisions" in pending["diagnosis"]["summary"]
    assert pending["facts"]["migrations"] == {
        "tool": f"{sys.executable} ...",
        "applied": [],
        "already": 0,
        "pending": 1,
        "adopted": 0,
    }
    rehearsed = startupctl("init-db", "--dry-run", "-o", "json", env=env)
    assert (rehearsed.code, rehearsed.json()["components"]["database"]["facts"]["migrations"]["pending"]) == (0, 1)
    assert postgres.sql("SELECT to_regclass('ran'), to_regclass('alembic_version')", name) == [(None, None)]
    assert startupctl("init-db", env=env).code == 0
    checked = startupctl("check", "-o", "json", env=env)
    assert (checked.code, checked.json()["components"]["database"]["facts"]["migrations"]["already"]) == (0, 1)


def test_a_revision_that_fails_is_told_without_the_password_and_is_final(
    tool_on_postgres, tmp_path, startupctl, postgres
):
    name, env = tool_on_postgres
    write_alembic(tmp_path, TWO_STEPS[0], "raise RuntimeError('no way with ' + os.environ['TOOL_URL'])")
    ran = startupctl("init-db", "-o", "json", "--log-level", "INFO", env=env)
    found = ran.json()["components"]["database"]
    assert ran.code == 78
    assert (found["diagnosis"]["code"], found["diagnosis"]["class"]) == ("MIG002", "permanent")
    assert "ended with exit code 1" in found["diagnosis"]["summary"]
    assert "no way with postgresql+psycopg://postgres:***@" in found["diagnosis"]["summary"]
    assert found["facts"]["migrations"]["pending"] == 1
    assert "no way with" in ran.err  # shown while it ran, too
    assert postgres.password not in ran.out + ran.err
    assert postgres.sql("SELECT to_regclass('ran')", name) == [(None,)]


def test_a_signal_lets_the_tool_end_by_itself_before_the_process_leaves(tool_on_postgres, tmp_path, startupctl):
    _, env = tool_on_postgres
    undoing = (
        "import signal, sys, pathlib\n    signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n    try:\n"
        "        pathlib.Path('begun').touch(); time.sleep(60)\n    finally:\n        pathlib.Path('undone').touch()"
    )
    write_alembic(tmp_path, undoing)
    process = startupctl.start("init-db", env=env)
    wait_for(tmp_path / "begun")
    process.process.send_signal(signal.SIGTERM)
    ran = process.finish()
    assert ran.code == 143, ran.err
    assert (tmp_path / "undone").exists()


# -- tools that do not behave ------------------------------------------------------------------------


def wait_for(path, seconds=30):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Lock:
    """A lock that a test can take away; it remembers whether it is held."""

    label, waited = "of a test", 0.0

    def __init__(self):
        self.held = self.lost = False

    async def ensure(self):
        if self.lost:
            raise Unhealthy(Diagnosis(codes.LOCK_LOST, said="it was taken away"))

    @asynccontextmanager
    async def take(self, _):
        self.held = True
        try:
            yield self
        finally:
            self.held = False


class Reader:
    async def rows(self, sql):
        return [("1",)]


@asynccontextmanager
async def reading():
    yield Reader()


@pytest.fixture
def lock():
    return Lock()


@pytest.fixture
def wanted(lock):
    """Return a site whose migrations are two shell scripts; nothing is pending while there is a file `done`."""

    def make(up, check="test -f done", **keys):
        tool = {"check": ["sh", "-c", check], "up": ["sh", "-c", up]}
        return Site(keys=MigrationKeys(tool=tool, **keys), ledger=None, reader=reading, lock=lock.take, session=None)

    return make


@pytest.fixture
def preparing(services, tmp_path):
    return make_run(seconds=20, mode=Mode.PREPARE, folder=tmp_path, services=services)


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    found = caught.value.diagnosis
    assert "<" not in found.summary + found.cause + found.hint
    return caught.value


async def begun(folder):
    await asyncio.to_thread(wait_for, folder / "begun")


@pytest.mark.anyio
async def test_a_tool_runs_once_and_then_there_is_nothing_to_do(wanted, preparing, lock, services):
    site = wanted("echo step one; echo step two >&2; touch done")
    facts = await migrate_by_tool(preparing, site)
    assert facts["migrations"]["applied"] == ["sh ..."]
    assert facts["lock"] == "of a test"
    assert {"step one", "step two"} <= {text for text, _, _ in services.steps}
    assert not lock.held
    again = await migrate_by_tool(preparing, site)
    assert (again["migrations"]["applied"], again["migrations"]["already"]) == ([], 1)
    assert again["lock"] == "not needed"
    assert (await check_by_tool(preparing, site.keys))["migrations"]["pending"] == 0


@pytest.mark.anyio
async def test_what_another_process_did_while_we_waited_is_not_done_again(wanted, preparing, tmp_path):
    site = wanted("touch ran done", check="echo x >> asked; test $(wc -l < asked) -gt 1")
    facts = await migrate_by_tool(preparing, site)
    assert (facts["migrations"]["applied"], facts["migrations"]["already"]) == ([], 1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.anyio
async def test_a_tool_that_ends_well_and_has_not_done_its_work_is_told(wanted, preparing):
    found = await refusal(migrate_by_tool(preparing, wanted("true", check="echo 3 pending; exit 1")))
    assert found.diagnosis.code.code == "MIG002"
    assert "ended with exit code 0, but its check still says pending: 3 pending" in found.diagnosis.summary
    assert found.facts["migrations"]["pending"] == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("up", "words"), [("echo why >&2; exit 3", "exit code 3: why"), ("kill -9 $$", "SIGKILL"), ("exec nope", "127")]
)
async def test_a_tool_that_fails_is_final(wanted, preparing, up, words):
    found = (await refusal(migrate_by_tool(preparing, wanted(up)))).diagnosis
    assert (found.code.code, found.failure) == ("MIG002", FailureClass.PERMANENT)
    assert words in found.summary


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("check", "failure", "words"),
    [
        ("exec nope", FailureClass.PERMANENT, "could not be started"),
        ("kill -9 $$", FailureClass.TRANSIENT, "was ended by SIGKILL"),
    ],
)
async def test_a_check_that_gives_no_answer_is_not_taken_for_pending(wanted, preparing, check, failure, words):
    found = (await refusal(check_by_tool(preparing, wanted("true", check=check).keys))).diagnosis
    assert (found.code.code, found.failure) == ("RUN004", failure)
    assert words in found.summary


@pytest.mark.anyio
async def test_a_program_that_is_not_there_is_named_with_its_key(preparing):
    keys = MigrationKeys(tool={"check": ["alembick"], "up": ["alembick"]})
    found = (await refusal(check_by_tool(preparing, keys))).diagnosis
    assert (found.code.code, found.failure) == ("RUN004", FailureClass.PERMANENT)
    assert "`alembick` is not found" in found.summary
    assert "`migrations.tool.check`" in found.hint


@pytest.mark.anyio
async def test_a_check_is_ended_with_the_attempt(wanted, tmp_path):
    run = make_run(seconds=0.3, folder=tmp_path)
    found = (await refusal(check_by_tool(run, wanted("true", check="echo begun; sleep 60").keys))).diagnosis
    assert (found.code.code, found.said) == ("RUN001", "begun")


@pytest.mark.anyio
async def test_a_dry_run_asks_and_runs_nothing(wanted, preparing, tmp_path):
    site = wanted("touch done")
    facts = await rehearse_by_tool(preparing, site.keys, there=True)
    assert (facts["would_run"], facts["migrations"]["pending"]) == (["sh", "-c", "touch done"], 1)
    assert facts["would_apply"] == []  # nothing that our own ledger would have to record
    assert not (tmp_path / "done").exists()
    (tmp_path / "done").touch()
    assert "would_run" not in await rehearse_by_tool(preparing, site.keys, there=True)


@pytest.mark.anyio
async def test_a_tool_is_not_asked_about_a_database_that_is_not_there(wanted, preparing, tmp_path):
    site = wanted("true", check="touch shop.db")
    facts = await rehearse_by_tool(preparing, site.keys, there=False)
    assert facts["migrations"]["pending"] == 1
    assert not (tmp_path / "shop.db").exists()


@pytest.mark.anyio
async def test_a_word_behind_a_flag_that_is_named_like_a_secret_is_not_shown(preparing):
    keys = MigrationKeys(tool={"check": ["false"], "up": ["tool", "--password", "hunter2", "up"]})
    facts = await rehearse_by_tool(preparing, keys, there=True)
    assert facts["would_run"] == ["tool", "--password", "***", "up"]


@pytest.mark.anyio
async def test_a_tool_that_hangs_is_ended_after_its_timeout(wanted, preparing, lock, tmp_path):
    site = wanted("echo $$ > pid; touch begun; echo at work; sleep 600", timeout="400ms")
    found = (await refusal(migrate_by_tool(preparing, site))).diagnosis
    assert (found.code.code, found.failure) == ("MIG002", FailureClass.PERMANENT)
    assert "not finished within migrations.timeout (0.4 s), so it was ended: at work" in found.summary
    assert not is_running((tmp_path / "pid").read_text().strip())
    assert not lock.held


@pytest.mark.anyio
async def test_a_cancelled_tool_is_asked_to_end_and_keeps_the_lock_until_it_did(wanted, preparing, lock, tmp_path):
    site = wanted("trap 'sleep 0.3; touch undone; exit 1' TERM; touch begun; while :; do sleep 0.05; done")
    work = asyncio.create_task(migrate_by_tool(preparing, site))
    await begun(tmp_path)
    work.cancel()
    await asyncio.sleep(0.1)
    assert lock.held
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (tmp_path / "undone").exists()
    assert not lock.held


@pytest.mark.anyio
async def test_a_tool_that_does_not_listen_is_killed_with_its_children(wanted, preparing, lock, tmp_path, monkeypatch):
    monkeypatch.setattr(delegated, "PATIENCE", 0.3)
    deaf = "trap '' TERM; sh -c 'echo $$ > child; touch begun; while :; do sleep 1; done' & echo $$ > pid; wait"
    work = asyncio.create_task(migrate_by_tool(preparing, wanted(deaf)))
    await begun(tmp_path)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    for name in ("pid", "child"):
        assert not is_running((tmp_path / name).read_text().strip())


@pytest.mark.anyio
async def test_a_tool_whose_lock_is_lost_is_killed_at_once(wanted, preparing, lock, tmp_path, monkeypatch):
    monkeypatch.setattr(delegated, "BEAT", 0.1)
    site = wanted("trap '' TERM; echo $$ > pid; touch begun; while :; do sleep 0.1; done")
    work = asyncio.create_task(migrate_by_tool(preparing, site))
    await begun(tmp_path)
    lock.lost = True
    found = (await refusal(work)).diagnosis
    assert (found.code.code, found.failure) == ("LCK002", FailureClass.TRANSIENT)
    assert "`sh ...` was killed" in found.hint
    assert not is_running((tmp_path / "pid").read_text().strip())


@pytest.mark.anyio
async def test_a_tool_is_killed_when_the_connection_with_the_lock_breaks(
    wanted, preparing, on_postgres, postgres, fresh_database, tmp_path, monkeypatch
):
    monkeypatch.setattr(delegated, "BEAT", 0.1)
    keys = wanted("echo $$ > pid; touch begun; exec sleep 600").keys
    database = on_postgres(fresh_database)._replace(migrations=keys)
    work = asyncio.create_task(database.carry_out(preparing))
    await begun(tmp_path)
    holder = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{fresh_database}'"
    await asyncio.to_thread(postgres.sql, holder)
    found = (await refusal(work)).diagnosis
    assert (found.code.code, found.failure) == ("LCK002", FailureClass.TRANSIENT)
    assert not is_running((tmp_path / "pid").read_text().strip())


def test_clickhouse_is_migrated_under_the_lock_of_its_neighbour(tmp_path, startupctl, postgres, clickhouse):
    name = f"delegated_{next(NUMBERS)}"
    url = clickhouse.url(name)
    tool = {"check": ["test", "-f", "done"], "up": ["touch", "done"]}
    write_manifest(tmp_path, tool, kind="clickhouse", url=url, depends_on=["lender"])
    manifest = json.loads((tmp_path / "startup.yaml").read_text())
    manifest["components"]["lender"] = {"kind": "postgres", "url": postgres.url()}
    (tmp_path / "startup.yaml").write_text(json.dumps(manifest))
    ran = startupctl("init-db", "-o", "json")
    facts = ran.json()["components"]["database"]["facts"]
    clickhouse.query(f"DROP DATABASE {name}")
    assert (ran.code, facts["created"], facts["lock"]) == (0, True, "postgres advisory")
    assert facts["migrations"]["applied"] == ["touch ..."]


@pytest.mark.parametrize("signals", [[signal.SIGKILL], [signal.SIGTERM, signal.SIGTERM]])
def test_a_tool_does_not_outlive_a_startupctl_that_is_killed_or_told_to_end_twice(tmp_path, startupctl, signals):
    script = "sh -c 'echo $$ > child; touch begun; exec sleep 600' & echo $$ > pid; trap '' TERM; wait"
    write_manifest(tmp_path, {"check": ["false"], "up": ["sh", "-c", script]}, path="shop.db")
    process = startupctl.start("init-db").process
    wait_for(tmp_path / "begun")
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    process.communicate(timeout=10)
    pids = [int((tmp_path / name).read_text()) for name in ("pid", "child")]
    end = time.monotonic() + 10
    while any(map(is_running, pids)):
        assert time.monotonic() < end, "the tool still runs"
        time.sleep(0.02)


def test_a_command_that_needs_files_is_refused():
    keys = MigrationKeys(tool={"check": ["alembic"], "up": ["alembic", "upgrade", "head"]})
    with pytest.raises(
        PlanError, match=r"components\.db\.migrations\.tool: `migrate down` works on files, .*`alembic \.\.\.`"
    ):
        refuse_tool("db", keys, "migrate down")
    refuse_tool("db", MigrationKeys(dir="m"), "migrate down")
