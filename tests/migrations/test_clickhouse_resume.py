import asyncio
import itertools
import time

import pytest

from startupctl.check import Mode, Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.kinds.clickhouse import ClickHouse
from startupctl.migrations.clickhouse.lexer import CLICKHOUSE
from startupctl.migrations.clickhouse.rows import FORGOTTEN
from startupctl.migrations.files import read_directory
from startupctl.migrations.ledger import State
from startupctl.migrations.progress import Course
from startupctl.threads import in_thread
from support import make_run

NUMBERS = itertools.count(1)
TABLE = "CREATE TABLE t (id UInt64, note String) ENGINE = MergeTree ORDER BY id;\n"


class Place:
    """A database of this test, its component and its files."""

    def __init__(self, server, name, folder, services):
        self.server, self.name, self.folder, self.services = server, name, folder, services
        (folder / "ch").mkdir()
        self.kind = ClickHouse(url=server.url(name), create=True, migrations={"dir": "ch"})
        self.run = make_run(seconds=20, mode=Mode.PREPARE, folder=folder, services=services)
        self.site = self.kind.site(self.run)

    def write(self, name, text):
        (self.folder / "ch" / name).write_text(text)

    async def prepare(self):
        return (await self.kind.prepare(self.run))["migrations"]["applied"]

    async def refusal(self):
        with pytest.raises(Unhealthy) as caught:
            await self.kind.prepare(self.run)
        return caught.value.diagnosis

    def query(self, sql):
        return self.server.query(sql, self.name).strip()

    def ids(self):
        return self.query("SELECT id FROM t ORDER BY id").split()

    def row(self, columns="state, statement_no"):
        return self.query(f"SELECT {columns} FROM startupctl_migrations FINAL ORDER BY version DESC LIMIT 1").split(
            "\t"
        )

    async def files(self):
        return (await in_thread(read_directory, self.folder / "ch", "auto")).migrations

    async def entries(self):
        async with self.site.reader() as reader:
            return await self.site.ledger.read(reader)

    async def leave_in_doubt(self, number, done):
        """Write the row that a process leaves that ended while statement `done + 1` of file `number` ran."""
        migration, ledger = (await self.files())[number - 1], self.site.ledger
        entry = next((one for one in await self.entries() if one.version == migration.version), None)
        course = Course(ledger.steps(migration.up), CLICKHOUSE)
        async with self.site.session() as session:
            begun = entry._replace(
                state=State.RUNNING, statement_no=done, statements_hash=course.begun(done + 1), error=""
            )
            await ledger.record(session, [begun])

    async def record(self, entry):
        async with self.site.session() as session:
            await self.site.ledger.record(session, [entry])

    async def forget(self, entry):
        async with self.site.session() as session:
            await self.site.ledger.forget(session, entry)


@pytest.fixture
def place(clickhouse, tmp_path, services):
    name = f"resumed_{next(NUMBERS)}"
    yield Place(clickhouse, name, tmp_path, services)
    clickhouse.query(f"DROP DATABASE IF EXISTS {name}")


@pytest.mark.anyio
async def test_a_file_that_failed_in_its_seventh_statement_goes_on_there_when_it_is_corrected(place):
    rows = [f"INSERT INTO t VALUES ({n}, 'row {n}');\n" for n in range(2, 7)]
    last = [
        "INSERT INTO t (id, nte) VALUES (7, '');\n",
        "INSERT INTO t VALUES (8, '');\n",
        "INSERT INTO t VALUES (9, '');\n",
    ]
    place.write("1_nine.sql", TABLE + "".join(rows + last))
    found = await place.refusal()
    assert (found.code.code, found.facts["number"], found.facts["statements"]) == ("MIG002", 7, 9)
    assert "the next run goes on with this statement" in found.cause
    assert place.row("state, statement_no, error != ''") == ["failed", "6", "1"]
    place.write("1_nine.sql", TABLE + "".join(rows + last).replace("nte", "note"))
    assert await place.prepare() == ["1_nine.sql"]
    assert place.ids() == [str(n) for n in range(2, 10)]
    assert place.row() == ["done", "9"]


@pytest.mark.anyio
async def test_an_insert_that_may_have_kept_rows_is_not_run_again_by_itself(place):
    place.write("1_t.sql", TABLE)
    place.write(
        "2_some.sql",
        "INSERT INTO t SELECT number, toString(throwIf(number = 5)) FROM numbers(9) SETTINGS max_block_size = 1, min_insert_block_size_rows = 1;",
    )
    found = await place.refusal()
    assert (found.code.code, "a part of what this statement does may be" in found.cause) == ("MIG002", True)
    kept = place.ids()
    found = await place.refusal()
    assert found.code.code == "MIG003"
    assert "0 of its 1 statements are known to have succeeded; what became of `INSERT INTO t SELECT" in found.summary
    assert place.ids() == kept


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a UInt8",
        "CREATE TABLE IF NOT EXISTS u (a UInt8) ENGINE = Log",
        "TRUNCATE TABLE t",
    ],
)
async def test_a_statement_in_doubt_that_can_be_run_again_is(place, sql):
    place.write("1_t.sql", TABLE + f"{sql};\nINSERT INTO t (id) VALUES (3);\n")
    await place.prepare()
    place.query("TRUNCATE TABLE t")
    await place.leave_in_doubt(1, 1)
    assert await place.prepare() == ["1_t.sql"]
    assert (place.ids(), place.row()) == (["3"], ["done", "3"])


@pytest.mark.anyio
@pytest.mark.parametrize(("way", "ids"), [("pending_again", ["2", "3"]), ("accepted", ["3"])])
async def test_both_ways_out_of_a_statement_in_doubt_lead_to_the_end(place, way, ids):
    place.write("1_t.sql", TABLE + "INSERT INTO t (id) VALUES (2);\nINSERT INTO t (id) VALUES (3);\n")
    await place.prepare()
    place.query("TRUNCATE TABLE t")
    await place.leave_in_doubt(1, 1)
    assert (await place.refusal()).code.code == "MIG003"
    [entry], [migration] = await place.entries(), await place.files()
    await place.record(getattr(place.site.ledger, way)(entry, migration))
    assert await place.prepare() == ["1_t.sql"]
    assert place.ids() == ids


@pytest.mark.anyio
async def test_accepting_the_last_statement_is_accepting_the_file(place):
    place.write("1_t.sql", TABLE + "INSERT INTO t (id) VALUES (2);\n")
    await place.prepare()
    await place.leave_in_doubt(1, 1)
    [entry], [migration] = await place.entries(), await place.files()
    await place.record(place.site.ledger.accepted(entry, migration))
    assert await place.prepare() == []
    assert place.row() == ["done", "2"]
    assert place.site.ledger.pending_again(entry._replace(statement_no=0), migration) is None


@pytest.mark.anyio
async def test_a_file_edited_where_it_was_begun_goes_on_nowhere(place):
    place.write("1_t.sql", TABLE + "INSERT INTO t (id) VALUES (2);\nINSERT INTO t (id) VALUES (3);\n")
    await place.prepare()
    await place.leave_in_doubt(1, 1)
    place.write("1_t.sql", TABLE + "INSERT INTO t (id) VALUES (4);\nINSERT INTO t (id) VALUES (3);\n")
    assert (await place.refusal()).code.code == "MIG003"


@pytest.mark.anyio
async def test_settings_of_the_part_that_is_done_are_made_again(place):
    place.write("1_t.sql", TABLE)
    place.write(
        "2_set.sql", "SET max_threads = 3;\nSELECT throwIf(1);\nINSERT INTO t SELECT getSetting('max_threads'), '';\n"
    )
    assert (await place.refusal()).code.code == "MIG002"
    place.write("2_set.sql", "SET max_threads = 3;\nINSERT INTO t SELECT getSetting('max_threads'), '';\n")
    await place.prepare()
    assert place.ids() == ["3"]


@pytest.mark.anyio
async def test_a_file_does_not_go_on_when_a_temporary_table_of_it_is_gone(place):
    place.write("1_t.sql", "CREATE TEMPORARY TABLE x (id UInt64);\nINSERT INTO x VALUES (1);\nSELECT throwIf(1);\n")
    assert (await place.refusal()).code.code == "MIG002"
    assert (await place.refusal()).code.code == "MIG003"


@pytest.mark.anyio
async def test_a_statement_that_goes_on_without_its_client_is_waited_for(place):
    slow = "INSERT INTO t SELECT number, toString(sleepEachRow(1)) FROM numbers(2) SETTINGS max_block_size = 1"
    place.write("1_t.sql", TABLE + slow + ";\n")
    await place.prepare()
    place.query("TRUNCATE TABLE t")
    await place.leave_in_doubt(1, 1)
    orphan = asyncio.create_task(asyncio.to_thread(place.query, slow))
    await asyncio.to_thread(wait_until_running, place.server, slow)
    assert (await place.refusal()).code.code == "MIG003"  # no log here tells that it succeeded
    assert place.ids() == ["0", "1"]
    await orphan
    assert any(text.startswith("waiting for a statement that still runs") for text, _, _ in place.services.steps)


def wait_until_running(server, sql):
    while server.query(f"SELECT count() FROM system.processes WHERE query = '{sql}'").strip() == "0":
        time.sleep(0.01)


@pytest.mark.anyio
async def test_what_was_forgotten_is_pending_again_as_often_as_one_likes(place):
    place.write("1_t.sql", TABLE.replace("TABLE t", "TABLE IF NOT EXISTS t") + "INSERT INTO t (id) VALUES (2);\n")
    for _ in range(3):
        assert await place.prepare() == ["1_t.sql"]
        assert await place.prepare() == []
        [entry] = await place.entries()
        await place.forget(entry)
        assert await place.entries() == []
    assert place.ids() == ["2"] * 3
    assert place.row("state")[0] == FORGOTTEN
    await place.record(entry)
    assert await place.prepare() == []


DOWN = """-- migrate:up
CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id;
-- migrate:down
INSERT INTO t VALUES (1);
{middle};
DROP TABLE t;
"""


@pytest.mark.anyio
async def test_a_way_down_that_failed_goes_on_where_it_stopped(place):
    place.write("1_t.sql", DOWN.format(middle="SELECT throwIf(1)"))
    await place.prepare()
    async with place.site.session() as session:
        with pytest.raises(StatementFailed) as caught:
            await place.site.ledger.revert(session, (await place.files())[0])
    assert caught.value.done == 1
    assert place.row() == ["failed", "1"]
    assert (await place.refusal()).code.code == "MIG003"
    place.write("1_t.sql", DOWN.format(middle="SELECT 1"))
    async with place.site.session() as session:
        await place.site.ledger.revert(session, (await place.files())[0])
    assert await place.entries() == []
    assert place.query("EXISTS TABLE t") == "0"


@pytest.mark.anyio
async def test_a_repeatable_file_is_applied_again_when_it_changed(place):
    place.write("V1__t.sql", TABLE)
    place.write("R__fill.sql", "INSERT INTO t (id) VALUES (1);\n")
    assert await place.prepare() == ["V1__t.sql", "R__fill.sql"]
    assert await place.prepare() == []
    place.write("R__fill.sql", "INSERT INTO t (id) VALUES (1);\nINSERT INTO nowhere VALUES (2);\n")
    assert (await place.refusal()).code.code == "MIG002"
    place.write("R__fill.sql", "INSERT INTO t (id) VALUES (3);\n")
    assert await place.prepare() == ["R__fill.sql"]
    assert await place.prepare() == []
    assert place.ids() == ["1", "1", "3"]
