import asyncio
import itertools
import time
from contextlib import asynccontextmanager

import pytest

from startupctl.check import Mode, Unhealthy
from startupctl.diagnosis import FailureClass
from startupctl.kinds.clickhouse import ClickHouse
from startupctl.migrations.lock import HeldLock
from support import make_run, race_processes

FILES = {
    "1_events.sql": "CREATE TABLE events (id UInt64, note String) ENGINE = MergeTree ORDER BY id;\n",
    "2_rows.sql": "INSERT INTO events VALUES (1, 'a;b'); -- first\nINSERT INTO events VALUES (2, 'c');\n",
}
NUMBERS = itertools.count(1)


class Lender:
    """Lends a lock that nobody else wants."""

    def __getitem__(self, name):
        return self.held()

    @asynccontextmanager
    async def held(self):
        async def beat():
            pass

        yield HeldLock("borrowed", 0.0, beat)


@pytest.fixture
def preparing(services, tmp_path):
    services.locks = Lender()
    return make_run(seconds=20, mode=Mode.PREPARE, folder=tmp_path, services=services)


@pytest.fixture
def wanted(clickhouse):
    """A component whose database is not there yet."""
    name = f"made_{next(NUMBERS)}"
    yield ClickHouse(url=clickhouse.url(name), create=True, migrations={"dir": "migrations"})
    clickhouse.query(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture(params=["server", "embedded"])
def either(request, tmp_path):
    """A component on a server and one on the embedded engine."""
    if request.param == "server":
        return request.getfixturevalue("wanted")
    return ClickHouse(url=f"chdb://{tmp_path}/engine?database=app", create=True, migrations={"dir": "migrations"})


def wait_until_running(server, statement):
    end = time.monotonic() + 20
    while not server.query(f"SELECT 1 FROM system.processes WHERE startsWith(query, '{statement}')"):
        assert time.monotonic() < end, f"{statement} does not run"
        time.sleep(0.02)


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    return caught.value


@pytest.mark.anyio
async def test_a_missing_database_is_created_and_migrated(either, preparing, write, services):
    write(FILES)
    facts = await either.prepare(preparing)
    assert (facts["created"], services.notes) == (True, {"created": True})
    assert facts["migrations"] == {"applied": list(FILES), "already": 0, "pending": 0, "adopted": 0}
    again = await either.prepare(preparing)
    assert (again["created"], again["migrations"]["already"]) == (False, 2)
    checked = await either.check(make_run(folder=preparing.folder))
    assert checked["migrations"] == {"applied": [], "already": 2, "pending": 0, "adopted": 0}


@pytest.mark.anyio
async def test_pending_files_are_fixable(either, preparing, write):
    write({"1_events.sql": FILES["1_events.sql"]})
    await either.prepare(preparing)
    write(FILES)
    found = (await refusal(either.check(make_run(folder=preparing.folder)))).diagnosis
    assert (found.code.code, found.facts["pending"]) == ("MIG001", 1)


@pytest.mark.anyio
async def test_a_failed_file_goes_on_behind_its_last_good_statement(either, preparing, write):
    write(FILES)
    bad = (
        "INSERT INTO events VALUES (3, '');\n\n  INSERT INTO nowhere VALUES (1);\nINSERT INTO events VALUES (4, '');\n"
    )
    folder = write({"3_more.sql": bad})
    found = (await refusal(either.prepare(preparing))).diagnosis
    assert found.code.code == "MIG002"
    assert found.facts["place"] == f"{folder}/3_more.sql:3:3"
    assert found.facts["before"] == "1_events.sql, 2_rows.sql"
    write({"3_more.sql": bad.replace("nowhere VALUES (1)", "events VALUES (30, '')")})
    facts = await either.prepare(preparing)
    assert facts["migrations"]["applied"] == ["3_more.sql"]
    async with either.reader(preparing) as reader:
        ids = await reader.rows("SELECT id FROM events ORDER BY id")
    assert [one for (one,) in ids] == ["1", "2", "3", "4", "30"]


@pytest.mark.anyio
async def test_what_ran_must_not_have_changed_when_a_failed_file_goes_on(either, preparing, write):
    write({**FILES, "3_more.sql": "INSERT INTO events VALUES (3, '');\nINSERT INTO nowhere VALUES (1);"})
    await refusal(either.prepare(preparing))
    write({"3_more.sql": "INSERT INTO events VALUES (99, '');\nINSERT INTO events VALUES (4, '');"})
    found = (await refusal(either.prepare(preparing))).diagnosis
    assert found.code.code == "MIG003"
    assert "1 of its 2 statements" in found.summary


@pytest.mark.anyio
async def test_the_ways_out_of_a_half_applied_file_work(wanted, preparing, write, clickhouse):
    write(FILES)
    await wanted.prepare(preparing)
    name = wanted.place.database
    columns = "version, name, format, raw_sha256, content_sha256, statements_sha256, started_at, finished_at, host, tool_version, error"
    clickhouse.query(
        f"INSERT INTO {name}.startupctl_migrations ({columns}, state, statement_no, revision)"
        f" SELECT {columns}, 'running', 0, 99 FROM {name}.startupctl_migrations FINAL WHERE version = '2'"
    )
    found = (await refusal(wanted.prepare(preparing))).diagnosis
    assert (found.code.code, found.facts["file"][-10:]) == ("MIG003", "2_rows.sql")
    assert found.facts["accept"] == "startupctl migrate repair 2 --accept"
    accepting = f"ALTER TABLE {name}.startupctl_migrations UPDATE state = 'done' WHERE version = '2'"
    clickhouse.query(accepting + " SETTINGS mutations_sync = 2")
    assert (await wanted.prepare(preparing))["migrations"]["already"] == 2


@pytest.mark.anyio
async def test_without_a_lender_the_lock_is_a_table_of_its_own(wanted, write, services, tmp_path):
    write(FILES)
    run = make_run(seconds=20, mode=Mode.PREPARE, folder=tmp_path, services=services)  # nobody lends: LookupError
    assert (await wanted.prepare(run))["lock"] == "best-effort"


@pytest.mark.anyio
async def test_a_named_lender_that_lends_nothing_is_refused(clickhouse, write, services, tmp_path):
    write(FILES)
    kind = ClickHouse(url=clickhouse.url(), migrations={"dir": "migrations", "lock": "cache"})
    run = make_run(seconds=20, mode=Mode.PREPARE, folder=tmp_path, services=services)
    found = (await refusal(kind.prepare(run))).diagnosis
    assert (found.code.code, found.hint) == ("LCK003", "correct `migrations.lock`")
    assert "`migrations.lock` names `cache`" in found.summary


@pytest.mark.anyio
async def test_a_dry_run_creates_nothing(either, write, services, tmp_path):
    write(FILES)
    run = make_run(seconds=20, mode=Mode.DRY_RUN, folder=tmp_path, services=services)
    facts = await either.prepare(run)
    assert (facts["would_create"], facts["would_apply"]) == (True, list(FILES))
    assert (await either.prepare(run))["would_create"] is True


@pytest.mark.anyio
async def test_a_statement_is_killed_before_the_process_leaves(tmp_path, services, write):
    folder = tmp_path / "engine"
    kind = ClickHouse(url=f"chdb://{folder}?database=app", create=True, migrations={"dir": "migrations"})
    write({"1_slow.sql": "SELECT sleepEachRow(1) FROM numbers(30) SETTINGS max_block_size = 1;"})
    run = make_run(seconds=40, mode=Mode.PREPARE, folder=tmp_path, services=services)
    work = asyncio.create_task(kind.prepare(run))
    await asyncio.sleep(1.5)
    work.cancel()
    started = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert asyncio.get_running_loop().time() - started < 8
    async with kind.reader(run) as reader:
        assert await reader.rows(
            "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow(1)%numbers(30)%' AND query NOT LIKE '%count()%'"
        ) == [["0"]]
        assert await reader.rows("SELECT state, statement_no FROM startupctl_migrations FINAL") == [["running", "0"]]


@pytest.mark.anyio
async def test_what_was_done_when_an_interrupt_came_is_known_to_the_next_run(wanted, preparing, write, clickhouse):
    write({"1_pause.sql": "CREATE TABLE a (id UInt64) ENGINE = Memory;\nSELECT sleep(1);\nINSERT INTO a VALUES (1);\n"})
    work = asyncio.create_task(wanted.prepare(preparing))
    await asyncio.to_thread(wait_until_running, clickhouse, "SELECT sleep(1)")
    work.cancel()  # a pause of this kind heeds no KILL: it succeeds
    with pytest.raises(asyncio.CancelledError):
        await work
    rows = clickhouse.query("SELECT state, statement_no FROM startupctl_migrations FINAL", wanted.place.database)
    assert rows.split() == ["failed", "2"]
    facts = await wanted.prepare(preparing)
    assert facts["migrations"]["applied"] == ["1_pause.sql"]
    assert clickhouse.query("SELECT count() FROM a", wanted.place.database).strip() == "1"


@pytest.mark.anyio
async def test_a_connection_lost_in_the_middle_leaves_the_file_in_doubt(wanted, preparing, write, clickhouse):
    write(FILES)
    await wanted.prepare(preparing)
    write({"3_more.sql": "SELECT 1;\nINSERT INTO events SELECT 3, toString(sleep(2));\n"})
    work = asyncio.create_task(wanted.prepare(preparing))
    await asyncio.sleep(0.8)
    clickhouse.fault("rst", count=1)  # meets the row that would say that it is done
    found = (await refusal(work)).diagnosis
    assert (found.code.code, found.failure) == ("MIG002", FailureClass.TRANSIENT)
    found = (await refusal(wanted.prepare(preparing))).diagnosis
    assert found.code.code == "MIG003"
    assert "1 of its 2 statements are known to have succeeded; what became of `INSERT INTO events" in found.summary


@pytest.mark.anyio
async def test_a_second_time_no_driver_is_imported(wanted, write, tmp_path, clickhouse, preparing):
    write(FILES)
    await wanted.prepare(preparing)
    names = "[name for name in ('clickhouse_connect', 'chdb', 'psycopg') if name in sys.modules]"
    check = (
        RACER.replace("print(json.dumps(", "facts = (").replace(", run)))", ", run))")
        + f"print(json.dumps([facts, {names}]))"
    )
    [(facts, drivers)] = race_processes(1, check, tmp_path, str(clickhouse.url(wanted.place.database)))
    assert (facts["migrations"]["already"], drivers) == (2, [])


RACER = """
import anyio, json, pathlib, sys
sys.path.insert(0, sys.argv[3])
from support import make_run
from startupctl.check import Mode
from startupctl.kinds.clickhouse import ClickHouse
kind = ClickHouse(url=sys.argv[2], create=True, migrations={"dir": "migrations"})
run = make_run(seconds=60, mode=Mode.PREPARE, folder=pathlib.Path(sys.argv[1]))
print(json.dumps(anyio.run(kind.prepare, run)))
"""


def test_processes_that_share_an_embedded_engine_take_turns(tmp_path, write):
    write(FILES)
    facts = race_processes(3, RACER, tmp_path, f"chdb://{tmp_path}/engine?database=app")
    assert sum(one["created"] for one in facts) == 1
    assert sorted(name for one in facts for name in one["migrations"]["applied"]) == list(FILES)
