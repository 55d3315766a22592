import os
import sqlite3

import pytest

from startupctl.check import Mode, Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.kinds.sqlite import Sqlite
from support import make_run, race_processes

FILES = {"1_plans.sql": "CREATE TABLE plans (id INTEGER);", "2_rows.sql": "INSERT INTO plans VALUES (1);"}


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE plans (id INTEGER)")
        connection.execute("INSERT INTO plans VALUES (7)")
    connection.close()
    return path


@pytest.fixture
def migrations(tmp_path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return {"dir": "migrations"}


@pytest.fixture
def preparing(services, tmp_path):
    return make_run(mode=Mode.PREPARE, folder=tmp_path, services=services)


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    return caught.value.diagnosis


@pytest.mark.anyio
async def test_a_database_that_answers_is_healthy(run, database):
    facts = await Sqlite(path="app.db", expect={"query": {"sql": "SELECT id FROM plans", "equals": 7}}).check(run)
    assert facts["size"] > 0


@pytest.mark.anyio
async def test_a_query_with_another_answer_is_told(run, database):
    found = await refusal(Sqlite(path="app.db", expect={"query": {"sql": "SELECT 1", "equals": 2}}).check(run))
    assert (found.code.code, found.summary) == ("SQL005", "the query of `expect` on `app.db` returned `1`, not `2`")


@pytest.mark.anyio
async def test_a_pipe_is_refused_and_not_waited_for(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.db")
    found = await refusal(Sqlite(path="pipe.db").check(run))
    assert (found.code.code, found.signal or found.facts["signal"]) == ("SQL003", "a pipe")


@pytest.mark.anyio
@pytest.mark.parametrize("create", [True, False])
async def test_a_missing_file_is_mendable_only_where_it_may_be_created(run, tmp_path, create):
    found = await refusal(Sqlite(path="none.db", create=create).check(run))
    assert (found.code.code, found.failure, found.mendable) == ("SQL004", FailureClass.FIXABLE, create)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.anyio
async def test_check_cannot_write(run, database):
    with pytest.raises(StatementFailed) as caught:
        await Sqlite(path="app.db", expect={"query": {"sql": "DELETE FROM plans"}}).check(run)
    assert caught.value.code == "SQLITE_READONLY"


@pytest.mark.anyio
async def test_another_file_is_no_database(run, tmp_path):
    (tmp_path / "text.db").write_text("this is a text and no database at all\n" * 40)
    kind = Sqlite(path="text.db")
    with pytest.raises(StatementFailed) as caught:
        await kind.check(run)
    assert kind.explain(caught.value).code.code == "SQL002"


@pytest.mark.anyio
async def test_a_folder_cannot_be_opened_as_a_database(run, tmp_path):
    kind = Sqlite(path=".")
    with pytest.raises(StatementFailed) as caught:
        await kind.check(run)
    assert kind.explain(caught.value).code.code == "SQL003"


@pytest.mark.anyio
async def test_a_locked_database_is_contention(run, database, monkeypatch):
    monkeypatch.setattr("startupctl.databases.sqlite.BUSY_TIMEOUT", 0.05)
    holder = sqlite3.connect(database, isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        kind = Sqlite(path="app.db", expect={"query": {"sql": "SELECT id FROM plans"}})
        with pytest.raises(StatementFailed) as caught:
            await kind.check(run)
    finally:
        holder.close()
    found = kind.explain(caught.value)
    assert (found.code.code, found.failure) == ("SQL001", FailureClass.CONTENTION)


@pytest.mark.anyio
async def test_file_and_folders_are_created_and_migrated(preparing, tmp_path, migrations, services):
    kind = Sqlite(path="data/deep/app.db", create=True, migrations=migrations)
    facts = await kind.prepare(preparing)
    assert facts["created"] is True
    assert services.notes == {"created": True}
    assert facts["migrations"] == {"applied": ["1_plans.sql", "2_rows.sql"], "already": 0, "pending": 0, "adopted": 0}
    assert (facts["schema_version"], facts["lock"]) == ("2", "file")
    again = await kind.prepare(preparing)
    assert (again["created"], again["migrations"]["applied"], again["lock"]) == (False, [], "not needed")
    assert (await kind.check(preparing))["migrations"]["already"] == 2


@pytest.mark.anyio
async def test_pending_migrations_are_fixable(run, database, migrations):
    found = await refusal(Sqlite(path="app.db", migrations=migrations).check(run))
    assert (found.code.code, found.failure, found.hint) == (
        "MIG001",
        FailureClass.FIXABLE,
        "`startupctl init-db` applies 2 migrations",
    )


@pytest.mark.anyio
async def test_a_dry_run_creates_nothing_and_says_what_it_would_do(services, tmp_path, migrations):
    run = make_run(mode=Mode.DRY_RUN, folder=tmp_path, services=services)
    facts = await Sqlite(path="data/app.db", create=True, migrations=migrations).prepare(run)
    assert (facts["would_create"], facts["would_apply"]) == (True, ["1_plans.sql", "2_rows.sql"])
    assert not (tmp_path / "data").exists()


@pytest.mark.anyio
async def test_a_failed_migration_leaves_nothing_of_itself(preparing, tmp_path, migrations):
    (tmp_path / "migrations" / "3_bad.sql").write_text("CREATE TABLE half (id);\n\nINSERT INTO nowhere VALUES (1);\n")
    kind = Sqlite(path="app.db", create=True, migrations=migrations)
    found = await refusal(kind.prepare(preparing))
    assert found.code.code == "MIG002"
    assert found.summary.startswith(f"{tmp_path}/migrations/3_bad.sql:3:1: no such table: nowhere")
    assert "1_plans.sql, 2_rows.sql" in found.cause
    with sqlite3.connect(tmp_path / "app.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert tables == {"plans", "startupctl_migrations"}


@pytest.mark.anyio
async def test_triggers_are_one_statement_and_vacuum_runs_outside(preparing, tmp_path, migrations):
    folder = tmp_path / "migrations"
    (folder / "3_trigger.sql").write_text(
        "CREATE TRIGGER t AFTER INSERT ON plans BEGIN\n DELETE FROM plans WHERE id = 0; SELECT 'a;b';\nEND;\nSELECT 1;"
    )
    (folder / "4_vacuum.sql").write_text("-- transaction:false\nVACUUM;\n")
    facts = await Sqlite(path="app.db", create=True, migrations=migrations).prepare(preparing)
    assert facts["schema_version"] == "4"


RACER = """
import anyio, json, pathlib, sys
sys.path.insert(0, sys.argv[2])
from support import make_run
from startupctl.check import Mode
from startupctl.kinds.sqlite import Sqlite
kind = Sqlite(path="race.db", create=True, migrations={"dir": "migrations"})
run = make_run(seconds=60, mode=Mode.PREPARE, folder=pathlib.Path(sys.argv[1]))
print(json.dumps(anyio.run(kind.prepare, run)))
"""


def test_eight_processes_create_and_migrate_exactly_once(tmp_path, migrations):
    for number in range(3, 13):
        (tmp_path / "migrations" / f"{number}_more.sql").write_text("INSERT INTO plans VALUES (1);")
    facts = race_processes(8, RACER, tmp_path)
    assert sum(one["created"] for one in facts) == 1
    assert sorted(name for one in facts for name in one["migrations"]["applied"]) == sorted(
        path.name for path in (tmp_path / "migrations").iterdir()
    )
    with sqlite3.connect(tmp_path / "race.db") as connection:
        assert connection.execute("SELECT count(*) FROM plans").fetchone() == (11,)
    connection.close()


@pytest.mark.anyio
async def test_a_left_over_row_is_never_guessed_at(preparing, tmp_path, migrations):
    kind = Sqlite(path="app.db", create=True, migrations=migrations)
    await kind.prepare(preparing)
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute("UPDATE startupctl_migrations SET state = 'running' WHERE version = '2'")
    connection.close()
    found = await refusal(kind.prepare(preparing))
    assert found.code.code == "MIG003"
    assert "`startupctl migrate repair 2 --rerun`" in found.hint
