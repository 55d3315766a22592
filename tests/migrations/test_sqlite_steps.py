"""How files run on SQLite: what shares a transaction, what goes on after a stop, and what the next file finds."""

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from startupctl.check import Mode, Unhealthy
from startupctl.diagnosis import FailureClass
from startupctl.kinds.sqlite import Sqlite
from startupctl.migrations.down import Reversal
from startupctl.migrations.script import Script
from startupctl.migrations.sqlite.lexer import statements
from startupctl.migrations.sqlite.steps import Nature, ends_with_session, keeps_state, nature_of, steps_of
from startupctl.migrations.steps import How
from support import make_run

OFF, ON = "PRAGMA foreign_keys=OFF;", "PRAGMA foreign_keys=ON;"
PARENTS = (
    f"{ON} CREATE TABLE parents (id INTEGER PRIMARY KEY);"
    " CREATE TABLE children (parent INTEGER REFERENCES parents (id) ON DELETE CASCADE);"
    " INSERT INTO parents VALUES (1), (2); INSERT INTO children VALUES (1), (2);"
)
REBUILD = (
    "CREATE TABLE new_parents (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO new_parents (id) SELECT id FROM parents;\n"
    "DROP TABLE parents;\nALTER TABLE new_parents RENAME TO parents;\n"
)


@pytest.fixture
def shop(tmp_path):
    """A database with a folder of migrations."""
    return Shop(tmp_path)


class Shop:
    def __init__(self, folder):
        self.folder, self.path = folder, folder / "shop.db"
        (folder / "migrations").mkdir()

    def write(self, name, text):
        (self.folder / "migrations" / name).write_text(text)

    @property
    def kind(self):
        return Sqlite(path="shop.db", create=True, migrations={"dir": "migrations"})

    @property
    def run(self):
        return make_run(seconds=60, mode=Mode.PREPARE, folder=self.folder)

    async def migrate(self):
        return (await self.kind.prepare(self.run))["migrations"]["applied"]

    async def refused(self):
        with pytest.raises(Unhealthy) as caught:
            await self.kind.prepare(self.run)
        return caught.value.diagnosis

    def sql(self, statement):
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    def row(self, version):
        return self.sql(f"SELECT state, statement_no, error FROM startupctl_migrations WHERE version = '{version}'")[0]


def planned(text, *, transaction=True):
    steps = steps_of(Script(Path("1.sql"), text, transaction))
    return [(step.how.name, len(step.statements)) for step in steps]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", [("FILE", 0)]),
        ("SELECT 1; SELECT 2", [("FILE", 2)]),
        ("PRAGMA defer_foreign_keys=ON; SELECT 2; PRAGMA user_version = 3", [("FILE", 3)]),
        ("BEGIN; SELECT 1; SELECT 2; COMMIT", [("FILE", 2)]),
        ("begin exclusive transaction; SELECT 1; end", [("FILE", 1)]),
        ("BEGIN; PRAGMA foreign_keys=off; SELECT 2; COMMIT", [("FILE", 2)]),
        ("BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 1; SELECT 2; COMMIT", [("RECORDED", 1), ("RECORDED", 2)]),
        ("SELECT 1; SELECT 2; BEGIN; SELECT 1; COMMIT", [("RECORDED", 2), ("RECORDED", 1)]),
        ("SELECT 1; VACUUM", [("RECORDED", 1), ("ALONE", 1)]),
        (f"{OFF} {REBUILD} {ON}", [("ALONE", 1), ("RECORDED", 4), ("ALONE", 1)]),
        (f"{OFF} BEGIN; {REBUILD} COMMIT; {ON}", [("ALONE", 1), ("RECORDED", 4), ("ALONE", 1)]),
        ("SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a", [("FILE", 4)]),
        ("BEGIN; SELECT 1", [("WHOLE", 2)]),
        ("SELECT 1; COMMIT", [("WHOLE", 2)]),
        ("BEGIN; SELECT 1; ROLLBACK", [("WHOLE", 3)]),
        ("BEGIN; BEGIN; COMMIT; COMMIT", [("WHOLE", 4)]),
    ],
)
def test_neighbours_share_a_transaction(text, steps):
    assert planned(text) == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("SELECT 1; SELECT 2", [("RECORDED", 1), ("RECORDED", 1)]),
        ("SAVEPOINT a; SELECT 1; RELEASE a; VACUUM", [("RECORDED", 3), ("ALONE", 1)]),
        ("BEGIN; SELECT 1; SELECT 2; COMMIT; VACUUM", [("RECORDED", 2), ("ALONE", 1)]),
    ],
)
def test_a_file_that_asks_for_no_transaction_has_one_for_each_statement(text, steps):
    assert planned(text, transaction=False) == steps


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize(
    "sql",
    [
        "VACUUM",
        "PRAGMA foreign_keys = ON",
        "PRAGMA synchronous = OFF",
        "PRAGMA main.journal_mode(TRUNCATE)",
        "/* a */ PRAGMA wal_checkpoint",
        "PRAGMA journal_mode = WAL",
    ],
)
def test_what_is_sent_alone_does_nothing_in_a_transaction(tmp_path, journal, sql):
    assert nature_of(sql) is Nature.ALONE
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("CREATE TABLE a (id)")
        connection.execute("BEGIN IMMEDIATE")
        before = connection.execute("PRAGMA foreign_keys").fetchone()
        try:
            connection.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return
        unchanged = before == connection.execute("PRAGMA foreign_keys").fetchone()
        assert unchanged or "journal_mode" in sql


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("PRAGMA foreign_keys = OFF", True),
        ("PRAGMA recursive_triggers(1)", True),
        ("ATTACH 'a.db' AS a", True),
        ("DETACH a", True),
        ("PRAGMA user_version = 7", False),
        ("PRAGMA main.wal_checkpoint(TRUNCATE)", False),
        ("PRAGMA foreign_keys", False),
        ("VACUUM", False),
    ],
)
def test_what_the_session_keeps_is_known(sql, kept):
    assert keeps_state(sql) is kept


@pytest.mark.parametrize(
    ("sql", "gone"),
    [("CREATE TEMP TABLE a (id)", True), ("CREATE TABLE temp.a (id)", True), ("CREATE TABLE a (id)", False)],
)
def test_temporary_tables_end_with_the_session(sql, gone):
    assert ends_with_session(sql) is gone


def test_pieces_of_a_format_are_counted_as_statements():
    text = "SELECT 1; SELECT 2; VACUUM;"
    [step, alone] = steps_of(
        Script(Path("1.sql"), text, parts=tuple(statements(text))[:2] + tuple(statements(text))[2:])
    )
    assert (len(step.statements), alone.how) == (2, How.ALONE)


@pytest.mark.anyio
@pytest.mark.parametrize("rebuild", [f"{OFF}\n{REBUILD}{ON}", f"PRAGMA defer_foreign_keys=ON;\n{OFF}\n{REBUILD}{ON}"])
async def test_a_table_is_rebuilt_without_its_children_being_deleted(shop, rebuild):
    shop.write("1_tables.sql", PARENTS)
    shop.write("2_rebuild.sql", rebuild)
    assert await shop.migrate() == ["1_tables.sql", "2_rebuild.sql"]
    assert shop.sql("SELECT count(*) FROM children") == [(2,)]
    assert [name for _, name, *_ in shop.sql("PRAGMA table_info(parents)")] == ["id", "name"]


@pytest.mark.anyio
async def test_a_rebuild_that_fails_keeps_the_table_and_goes_on_when_it_is_corrected(shop):
    shop.write("1_tables.sql", PARENTS)
    shop.write("2_rebuild.sql", f"{OFF}\n{REBUILD}INSERT INTO nowhere VALUES (1);\n{ON}")
    found = await shop.refused()
    assert (found.code.code, found.facts["number"], found.facts["statements"]) == ("MIG002", 6, 7)
    assert "The 1 statements before this step are kept" in found.cause
    assert shop.row(2) == ("failed", 1, "no such table: nowhere")
    assert [name for _, name, *_ in shop.sql("PRAGMA table_info(parents)")] == ["id"]
    shop.write("2_rebuild.sql", f"{OFF}\n{REBUILD}{ON}")
    assert await shop.migrate() == ["2_rebuild.sql"]
    assert (shop.row(2), shop.sql("SELECT count(*) FROM children")) == (("done", 6, ""), [(2,)])


@pytest.mark.anyio
async def test_what_a_file_sets_is_not_there_for_the_next(shop):
    shop.write("1_set.sql", f"{PARENTS} ATTACH ':memory:' AS beside; CREATE TEMP TABLE shade (id);")
    shop.write(
        "2_orphan.sql", "INSERT INTO children VALUES (99);\nATTACH ':memory:' AS beside;\nCREATE TEMP TABLE shade (id);"
    )
    assert len(await shop.migrate()) == 2


@pytest.mark.anyio
async def test_what_is_set_is_set_again_when_a_file_goes_on(shop):
    steps = f"-- transaction:false\n{OFF}\nINSERT INTO children VALUES (98);\nSELECT 1"
    shop.write("1_tables.sql", PARENTS)
    shop.write("2_rest.sql", steps.replace(OFF, "PRAGMA recursive_triggers=1;\n" + ON).replace("(98)", "(99)"))
    found = await shop.refused()
    assert "FOREIGN KEY" in found.summary
    assert shop.row(2)[:2] == ("failed", 2)
    found = await shop.refused()
    assert "FOREIGN KEY" in found.summary


@pytest.mark.anyio
async def test_a_failed_file_leaves_the_words_of_its_failure(shop):
    shop.write("1_bad.sql", "CREATE TABLE half (id);\nINSERT INTO nowhere VALUES (1);")
    found = await shop.refused()
    assert "Nothing of this file was kept" in found.cause
    assert shop.row(1) == ("failed", 0, "no such table: nowhere")
    shop.write("1_bad.sql", "CREATE TABLE half (id);")
    assert await shop.migrate() == ["1_bad.sql"]
    assert shop.row(1) == ("done", 0, "")


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["BEGIN;\nSELECT 1;\n", "SELECT 1;\nCOMMIT;", "BEGIN;\nSELECT 1;\nROLLBACK;"])
async def test_transactions_that_do_not_pair_are_refused_before_anything_runs(shop, text):
    shop.write("1_own.sql", f"CREATE TABLE own (id);\n{text}")
    found = await shop.refused()
    assert (found.code.code, "do not take turns" in found.summary) == ("MIG002", True)
    assert shop.sql("SELECT name FROM sqlite_master WHERE name = 'own'") == []


def interrupt(shop, version, done, begun):
    """Leave the row as a process does that is killed between its record and the end of a statement."""
    from startupctl.migrations.progress import Course
    from startupctl.migrations.sqlite.lexer import SQLITE

    [path] = (shop.folder / "migrations").glob(f"{version}_*")
    course = Course(steps_of(Script(path, path.read_text())), SQLITE)
    shop.sql(
        f"UPDATE startupctl_migrations SET state = 'running', statement_no = {done},"
        f" statements_sha256 = '{course.begun(begun)}' WHERE version = '{version}'"
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    "alone", ["VACUUM", "PRAGMA journal_mode=WAL", "ATTACH ':memory:' AS beside", "PRAGMA synchronous=OFF"]
)
async def test_what_does_the_same_twice_is_run_again_when_nobody_knows(shop, alone):
    shop.write("1_steps.sql", f"CREATE TABLE one (id);\n{alone};\nCREATE TABLE IF NOT EXISTS two (id);")
    await shop.migrate()
    interrupt(shop, 1, 1, 2)
    assert await shop.migrate() == ["1_steps.sql"]
    assert shop.row(1) == ("done", 3, "")


@pytest.mark.anyio
async def test_a_copy_that_is_there_is_never_guessed_at(shop):
    copy = shop.folder / "copy.db"
    shop.write("1_copy.sql", f"CREATE TABLE one (id);\nVACUUM INTO '{copy}';")
    await shop.migrate()
    interrupt(shop, 1, 1, 2)
    found = await shop.refused()
    assert found.code.code == "MIG003"
    assert "whether `VACUUM INTO" in found.cause + found.summary + str(found.facts)
    copy.unlink()
    assert await shop.migrate() == ["1_copy.sql"]
    assert copy.exists()


@pytest.mark.anyio
async def test_a_file_that_was_edited_in_its_done_part_does_not_go_on(shop):
    shop.write("1_steps.sql", "CREATE TABLE one (id);\nVACUUM;\nINSERT INTO nowhere VALUES (1);")
    await shop.refused()
    shop.write("1_steps.sql", "CREATE TABLE other (id);\nVACUUM;\nSELECT 1;")
    assert (await shop.refused()).code.code == "MIG003"


@pytest.mark.anyio
async def test_a_temporary_table_of_the_done_part_is_not_made_up_for(shop):
    shop.write("1_steps.sql", "CREATE TEMP TABLE one (id);\nVACUUM;\nINSERT INTO nowhere VALUES (1);")
    await shop.refused()
    found = await shop.refused()
    assert (found.code.code, "is gone with it" in str(found.facts)) == ("MIG003", True)


@pytest.mark.anyio
async def test_a_way_down_that_stopped_goes_on(shop):
    up = "-- migrate:up\nCREATE TABLE one (id); CREATE TABLE two (id);\n-- migrate:down transaction:false\n"
    shop.write("1_tables.sql", f"{up}DROP TABLE one;\nVACUUM;\nDROP TABLE nowhere;\nDROP TABLE two;\n")
    await shop.migrate()
    with pytest.raises(Unhealthy):
        await Reversal()(shop.run, shop.kind.site(shop.run))
    assert shop.row(1)[:2] == ("failed", 2)
    shop.write("1_tables.sql", f"{up}DROP TABLE one;\nVACUUM;\nDROP TABLE two;\n")
    await _restored(shop)
    assert shop.sql("SELECT name FROM sqlite_master WHERE name IN ('one', 'two')") == []
    assert shop.sql("SELECT * FROM startupctl_migrations") == []


async def _restored(shop):
    facts = await Reversal()(shop.run, shop.kind.site(shop.run))
    assert facts["migrations"]["reverted"] == ["1_tables.sql"]


@pytest.mark.anyio
async def test_a_way_down_in_one_transaction_that_fails_keeps_everything(shop):
    shop.write(
        "1_tables.sql", "-- migrate:up\nCREATE TABLE one (id);\n-- migrate:down\nDROP TABLE one; DROP TABLE nowhere;\n"
    )
    await shop.migrate()
    with pytest.raises(Unhealthy):
        await Reversal()(shop.run, shop.kind.site(shop.run))
    assert (shop.row(1)[0], shop.sql("SELECT * FROM one")) == ("done", [])


@pytest.mark.anyio
async def test_a_change_to_wal_waits_while_another_process_writes(shop):
    shop.write("1_table.sql", "CREATE TABLE one (id);")
    await shop.migrate()
    holder = sqlite3.connect(shop.path, isolation_level=None, check_same_thread=False)
    shop.write("2_wal.sql", "PRAGMA journal_mode=WAL;\nINSERT INTO one VALUES (2);")

    def hold():
        for _ in range(8):
            holder.execute("BEGIN IMMEDIATE")
            holder.execute("INSERT INTO one VALUES (1)")
            Event().wait(0.08)
            holder.execute("COMMIT")
        holder.close()

    thread = Thread(target=hold)
    thread.start()
    try:
        assert await shop.migrate() == ["2_wal.sql"]
    finally:
        thread.join()
    assert shop.sql("PRAGMA journal_mode") == [("wal",)]


@pytest.mark.anyio
async def test_a_database_that_stays_locked_is_told_within_bounds(shop, monkeypatch):
    monkeypatch.setattr("startupctl.databases.sqlite.BUSY_TIMEOUT", 0.05)
    monkeypatch.setattr("startupctl.migrations.sqlite.stepwise.PATIENCE", 0.3)
    shop.write("1_table.sql", "CREATE TABLE one (id);")
    await shop.migrate()
    shop.write("2_more.sql", "INSERT INTO one VALUES (1);")
    with closing(sqlite3.connect(shop.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        found = await shop.refused()
    assert (found.code.code, found.failure, found.signal) == ("MIG002", FailureClass.CONTENTION, "SQLITE_BUSY")
    assert shop.sql("SELECT version FROM startupctl_migrations") == [("1",)]
    assert await shop.migrate() == ["2_more.sql"]


@pytest.mark.anyio
@pytest.mark.parametrize("first", ["", "-- transaction:false\n"])
async def test_a_full_disk_is_told_and_the_ledger_stays_true(shop, first):
    shop.write("1_table.sql", "CREATE TABLE one (text);")
    await shop.migrate()
    shop.write("2_much.sql", f"{first}PRAGMA max_page_count = 12;\nINSERT INTO one VALUES (zeroblob(200000));")
    found = await shop.refused()
    assert "full (SQLITE_FULL)" in found.summary
    assert (shop.row(2)[0], shop.sql("SELECT count(*) FROM one")) == ("failed", [(0,)])
    assert shop.sql("PRAGMA integrity_check") == [("ok",)]
    shop.write("2_much.sql", f"{first}PRAGMA max_page_count = 12;\nINSERT INTO one VALUES (1);")
    assert await shop.migrate() == ["2_much.sql"]
