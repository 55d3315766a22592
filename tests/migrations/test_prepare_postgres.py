import asyncio
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from startupctl.check import Mode, Unhealthy
from startupctl.databases.postgres_keys import CreateKeys
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.postgres import whole as runs_on_postgres
from startupctl.wire.pg_messages import PgError
from support import race_processes

FILES = {
    "1_plans.sql": "CREATE TABLE plans (id int);\n",
    "2_rows.sql": "INSERT INTO plans VALUES (1);\nINSERT INTO plans VALUES (2);\n",
}
CONCURRENTLY = "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY {name} ON plans (id);\n\n-- migrate:down\n"


@pytest.fixture
def drop(postgres):
    """Drop databases that a test made."""
    names = []
    yield names.append
    for name in names:
        postgres.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    return caught.value


def up(text):
    return f"-- migrate:up\n{text}\n-- migrate:down\n"


def program(wanted, folder):
    """Return the words of a process that prepares one database and prints the facts."""
    return [wanted.place.given["host"], wanted.place.given["port"], wanted.place.database, folder]


PROGRAM = """
import anyio, json, pathlib, sys
host, port, name, folder = sys.argv[1:5]
sys.path.insert(0, sys.argv[5])
from support import make_run
from startupctl.check import Mode
from startupctl.kinds.postgres import Postgres
kind = Postgres(host=host, port=int(port), database=name, user="postgres", password="s3cret", create=True, migrations={"dir": "migrations"})
run = make_run(seconds=60, mode=Mode.PREPARE, folder=pathlib.Path(folder))
print(json.dumps(anyio.run(kind.prepare, run)))
"""


# -- creating ----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_missing_database_is_created_and_migrated(postgres, on_postgres, preparing, write, services, drop):
    drop("made here")
    write(FILES)
    wanted = on_postgres("made here", create=True)
    facts = await wanted.carry_out(preparing)
    assert (facts["created"], services.notes) == (True, {"created": True})
    assert facts["migrations"] == {"applied": list(FILES), "already": 0, "pending": 0, "adopted": 0}
    assert (facts["schema_version"], facts["format"], facts["lock"]) == ("2", "plain", "postgres advisory")
    assert postgres.sql("SELECT count(*) FROM plans", "made here") == [(2,)]
    assert services.clocks_stopped == 1


@pytest.mark.anyio
async def test_a_second_time_nothing_is_locked_and_no_driver_is_imported(
    on_postgres, preparing, write, fresh_database, tmp_path
):
    write(FILES)
    wanted = on_postgres(fresh_database, create=True)
    await wanted.carry_out(preparing)
    facts = await wanted.carry_out(preparing)
    assert (facts["created"], facts["migrations"]["already"], facts["lock"]) == (False, 2, "not needed")
    check = (
        "import atexit; atexit.register(lambda: [1 for name in ('psycopg',) if name in sys.modules and print(name)])\n"
    )
    argv = [
        sys.executable,
        "-c",
        "import sys\n" + check + PROGRAM,
        *program(wanted, tmp_path),
        str(Path(__file__).parents[1]),
    ]
    assert "psycopg" not in output(argv)


@pytest.mark.anyio
async def test_without_create_a_missing_database_stays_missing(on_postgres, preparing, write):
    write(FILES)
    with pytest.raises(PgError) as caught:
        await on_postgres("nobody_made_it").carry_out(preparing)
    assert caught.value.sqlstate == "3D000"


@pytest.mark.anyio
async def test_a_role_without_createdb_is_fine_when_the_database_exists(
    postgres, on_postgres, preparing, write, fresh_database
):
    postgres.sql(f"CREATE ROLE modest_{fresh_database} LOGIN PASSWORD 'pw'")
    postgres.sql(f"GRANT ALL ON SCHEMA public TO modest_{fresh_database}", fresh_database)
    write(FILES)
    account = {"user": f"modest_{fresh_database}", "password": "pw"}
    facts = await on_postgres(fresh_database, create=True, **account).carry_out(preparing)
    assert facts["migrations"]["applied"] == list(FILES)
    with pytest.raises(StatementFailed) as caught:
        await on_postgres("not_for_the_modest", create=True, **account).carry_out(preparing)
    assert caught.value.code == "42501"
    dry = replace(preparing, mode=Mode.DRY_RUN)
    with pytest.raises(StatementFailed) as caught:
        await on_postgres("not_for_the_modest", create=True, **account).carry_out(dry)
    assert caught.value.code == "42501"


@pytest.mark.anyio
async def test_owner_and_encoding_are_as_asked(postgres, on_postgres, preparing, drop):
    drop("owned")
    postgres.sql('CREATE ROLE "the owner"')
    wanted = on_postgres("owned")._replace(
        create=CreateKeys(owner="the owner", encoding="LATIN1", locale="C"), migrations=None
    )
    assert await wanted.carry_out(preparing) == {"created": True}
    found = postgres.sql(
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'owned'"
    )
    assert found == [("the owner", "LATIN1")]


@pytest.mark.anyio
async def test_template1_serves_where_the_database_postgres_is_closed(postgres_server, on_postgres, preparing):
    server = postgres_server()
    server.sql("ALTER DATABASE postgres WITH ALLOW_CONNECTIONS false", database="template1")
    wanted = on_postgres("from_template1", server=server, create=True)._replace(migrations=None)
    assert (await wanted.carry_out(preparing))["created"] is True


def test_eight_processes_create_and_migrate_exactly_once(postgres, on_postgres, write, tmp_path, drop):
    drop("raced")
    files = {f"{number}_more.sql": "INSERT INTO plans VALUES (7);" for number in range(3, 12)}
    write({**FILES, **files})
    facts = race_processes(8, PROGRAM, *program(on_postgres("raced"), tmp_path))
    assert sum(one["created"] for one in facts) == 1
    assert sorted(name for one in facts for name in one["migrations"]["applied"]) == sorted({**FILES, **files})
    assert all(one["migrations"]["pending"] == 0 for one in facts)
    assert postgres.sql("SELECT count(*) FROM plans", "raced") == [(11,)]
    assert postgres.sql("SELECT DISTINCT state FROM startupctl_migrations", "raced") == [("done",)]


def test_replicas_that_build_indexes_concurrently_do_not_block_each_other(
    postgres, on_postgres, write, tmp_path, fresh_database
):
    write({"1_plans.sql": up("CREATE TABLE plans (id int);")})
    write({f"{number}_index.sql": CONCURRENTLY.format(name=f"plans_{number}") for number in range(2, 6)})
    facts = race_processes(4, PROGRAM, *program(on_postgres(fresh_database), tmp_path))
    assert sorted(name for one in facts for name in one["migrations"]["applied"]) == [
        "1_plans.sql",
        "2_index.sql",
        "3_index.sql",
        "4_index.sql",
        "5_index.sql",
    ]
    assert postgres.sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid", fresh_database) == [(0,)]


# -- a dry run ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_dry_run_changes_nothing(postgres, on_postgres, preparing, write, fresh_database):
    write(FILES)
    dry = replace(preparing, mode=Mode.DRY_RUN)
    there = await on_postgres(fresh_database, create=True).carry_out(dry)
    assert (there["would_create"], there["would_apply"]) == (False, list(FILES))
    absent = await on_postgres("only_thought_of", create=True).carry_out(dry)
    assert (absent["would_create"], absent["would_apply"]) == (True, list(FILES))
    assert postgres.sql("SELECT count(*) FROM pg_database WHERE datname = 'only_thought_of'") == [(0,)]
    assert postgres.sql("SELECT to_regclass('startupctl_migrations')", fresh_database) == [(None,)]


@pytest.mark.anyio
async def test_a_dry_run_finds_that_migrations_could_not_be_recorded(
    postgres, on_postgres, preparing, write, fresh_database
):
    postgres.sql(f"CREATE ROLE reader_{fresh_database} LOGIN PASSWORD 'pw'")
    account = {"user": f"reader_{fresh_database}", "password": "pw"}
    write(FILES)
    dry = replace(preparing, mode=Mode.DRY_RUN)
    for table, lacking in (("startupctl_migrations", "CREATE on the schema"), ("new.ledger", "CREATE on the database")):
        with pytest.raises(StatementFailed, match=lacking):
            await on_postgres(fresh_database, table=table, **account).carry_out(dry)
    postgres.sql(f"GRANT CREATE ON SCHEMA public TO reader_{fresh_database}", fresh_database)
    assert (await on_postgres(fresh_database, **account).carry_out(dry))["would_apply"] == list(FILES)
    postgres.sql(f"ALTER ROLE reader_{fresh_database} SET default_transaction_read_only = on")
    with pytest.raises(StatementFailed) as caught:
        await on_postgres(fresh_database, **account).carry_out(dry)
    assert caught.value.code == "25006"


@pytest.mark.parametrize("keys", [{"template": "no_such_template"}, {"encoding": "KLINGON"}])
@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.PREPARE])
@pytest.mark.anyio
async def test_a_database_that_cannot_be_made_as_wanted_is_no_missing_database(
    keys, mode, on_postgres, preparing, write
):
    write(FILES)
    wanted = on_postgres("never_made", create=True)._replace(create=CreateKeys(**keys))
    with pytest.raises(StatementFailed, match=r"no_such_template|KLINGON") as caught:
        await wanted.carry_out(replace(preparing, mode=mode))
    assert caught.value.code == "42704"


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.PREPARE])
@pytest.mark.anyio
async def test_a_missing_place_to_create_from_is_told_apart_from_the_database(mode, on_postgres, preparing, write):
    write(FILES)
    elsewhere = on_postgres("no_such_maintenance").place
    wanted = on_postgres("never_made", create=True)._replace(admin=(elsewhere,))
    with pytest.raises(StatementFailed, match=r"`no_such_maintenance`.*`admin_url`") as caught:
        await wanted.carry_out(replace(preparing, mode=mode))
    assert caught.value.code == "42704"


@pytest.mark.anyio
async def test_a_dry_run_logs_in_where_migrations_go(on_postgres, preparing, write, fresh_database):
    write(FILES)
    wanted = on_postgres(fresh_database)
    wrong = wanted._replace(direct=on_postgres(fresh_database, password="wrong").place)
    with pytest.raises(PgError) as caught:
        await wrong.carry_out(replace(preparing, mode=Mode.DRY_RUN))
    assert caught.value.sqlstate == "28P01"
    absent = on_postgres("only_thought_of", create=True)._replace(direct=on_postgres("not_there_either").place)
    facts = await absent.carry_out(replace(preparing, mode=Mode.DRY_RUN))
    assert facts["would_create"] is True


# -- what can be wrong with a migration ------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("CREATE TABLE half (id int);\n\nSELEKT 1;\n", "3:1", "42601"),
        ("CREATE TABLE half (id int);\n  SELECT nope FROM half;\n", "2:10", "42703"),
        ("CREATE TABLE half (id int);\nSELECT 'ä', 1;\nSELECT 1 /\n 0;\n", "3:1", "22012"),
        ("CREATE TABLE half (id int UNIQUE);\nINSERT INTO half VALUES (1), (1);\n", "2:1", "23505"),
        (
            "CREATE TABLE half (id int);\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;\nSELECT 1/0;",
            "3:1",
            "22012",
        ),
    ],
)
async def test_a_wrong_statement_is_told_by_line_and_leaves_nothing(
    postgres, on_postgres, preparing, write, fresh_database, text, place, code
):
    folder = write({**FILES, "3_bad.sql": text})
    found = await refusal(on_postgres(fresh_database).carry_out(preparing))
    assert found.diagnosis.code.code == "MIG002"
    assert found.diagnosis.failure is FailureClass.PERMANENT
    assert found.diagnosis.facts["place"] == f"{folder}/3_bad.sql:{place}"
    assert found.diagnosis.signal == code
    assert found.facts["migrations"] == {"applied": list(FILES), "already": 0, "pending": 1, "adopted": 0}
    assert postgres.sql("SELECT to_regclass('half')", fresh_database) == [(None,)]
    write({"3_bad.sql": "SELECT 1;"})
    again = await on_postgres(fresh_database).carry_out(preparing)
    assert again["migrations"]["applied"] == ["3_bad.sql"]


@pytest.mark.anyio
async def test_a_file_with_a_transaction_of_its_own_is_applied(postgres, on_postgres, preparing, write, fresh_database):
    write({"1_own.sql": "BEGIN;\nCREATE TABLE own (id int);\nCOMMIT;\n"})
    assert (await on_postgres(fresh_database).carry_out(preparing))["migrations"]["applied"] == ["1_own.sql"]
    assert postgres.sql("SELECT state FROM startupctl_migrations", fresh_database) == [("done",)]


@pytest.mark.anyio
async def test_a_file_that_fails_behind_its_own_commit_is_half_applied(on_postgres, preparing, write, fresh_database):
    write({"1_own.sql": "CREATE TABLE own (id int);\nCOMMIT;\nSELECT nope;\n"})
    found = (await refusal(on_postgres(fresh_database).carry_out(preparing))).diagnosis
    assert found.code.code == "MIG002"
    found = (await refusal(on_postgres(fresh_database).carry_out(preparing))).diagnosis
    assert found.code.code == "MIG003"


@pytest.mark.anyio
async def test_a_file_that_rolls_itself_back_has_done_what_it_says(
    postgres, on_postgres, preparing, write, fresh_database
):
    write({"1_none.sql": "CREATE TABLE own (id int);\nROLLBACK;\n"})
    assert (await on_postgres(fresh_database).carry_out(preparing))["migrations"]["applied"] == ["1_none.sql"]
    assert postgres.sql("SELECT to_regclass('own')", fresh_database) == [(None,)]


@pytest.mark.anyio
async def test_copy_from_the_client_does_not_hang(on_postgres, preparing, write, fresh_database):
    write({"1_copy.sql": "CREATE TABLE c (id int);\nCOPY c FROM stdin;\n"})
    found = (await refusal(on_postgres(fresh_database).carry_out(preparing))).diagnosis
    assert found.code.code == "MIG002"
    assert "COPY" in found.summary


@pytest.mark.anyio
async def test_what_a_file_sets_ends_with_it(postgres, on_postgres, preparing, write, fresh_database):
    postgres.sql(f"CREATE ROLE lesser_{fresh_database}")
    write(
        {
            "1_sets.sql": f"CREATE SCHEMA other; SET search_path = other; SET lock_timeout = '1s'; SET ROLE lesser_{fresh_database};"
            " CREATE TEMP TABLE t (id int);",
            "2_sees.sql": "CREATE TABLE seen AS SELECT current_user::text AS who, current_setting('search_path') AS path,"
            " current_setting('lock_timeout') AS patience, current_setting('statement_timeout') AS long,"
            " to_regclass('pg_temp.t')::text AS temporary;",
        }
    )
    await on_postgres(fresh_database).carry_out(preparing)
    assert postgres.sql("SELECT * FROM public.seen", fresh_database) == [
        ("postgres", '"$user", public', "5s", "0", None)
    ]


@pytest.mark.anyio
async def test_the_table_may_have_a_schema_that_is_not_there_yet(
    postgres, on_postgres, preparing, write, fresh_database
):
    write(FILES)
    wanted = on_postgres(fresh_database, table="ledgers.Of-Mine")
    await wanted.carry_out(preparing)
    assert postgres.sql('SELECT count(*) FROM ledgers."Of-Mine"', fresh_database) == [(2,)]
    assert (await wanted.carry_out(preparing))["migrations"]["already"] == 2


@pytest.mark.anyio
async def test_a_table_of_somebody_else_is_left_alone(postgres, on_postgres, preparing, write, fresh_database):
    write(FILES)
    postgres.sql("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)", fresh_database)
    found = (await refusal(on_postgres(fresh_database, table="schema_migrations").carry_out(preparing))).diagnosis
    assert found.code.code == "MIG010"


# -- locks and time ----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_locked_table_is_waited_for_in_short_turns(
    postgres, on_postgres, preparing, write, fresh_database, monkeypatch
):
    monkeypatch.setattr(runs_on_postgres, "SHORT_WAITS", "SET LOCAL lock_timeout = '100ms'")
    monkeypatch.setattr(runs_on_postgres, "LOCK_PAUSE", 0.1)
    write(FILES)
    wanted = on_postgres(fresh_database)
    await wanted.carry_out(preparing)
    write({"3_alter.sql": "ALTER TABLE plans ADD COLUMN more int;"})
    with psycopg.connect(postgres.url(fresh_database)) as reader:
        reader.execute("SELECT * FROM plans")
        timer = threading.Timer(0.5, reader.rollback)
        timer.start()
        facts = await wanted.carry_out(preparing)
        timer.join()
        assert facts["migrations"]["applied"] == ["3_alter.sql"]
        reader.execute("SELECT * FROM plans")
        write({"4_alter.sql": "ALTER TABLE plans ADD COLUMN again int;"})
        found = (await refusal(wanted.carry_out(preparing))).diagnosis
    assert (found.code.code, found.failure, found.signal) == ("MIG002", FailureClass.CONTENTION, "55P03")


@pytest.mark.anyio
async def test_a_file_may_not_take_longer_than_its_timeout(on_postgres, preparing, write, fresh_database):
    write({"1_slow.sql": "SELECT pg_sleep(30);"})
    found = (await refusal(on_postgres(fresh_database, timeout="300ms").carry_out(preparing))).diagnosis
    assert found.code.code == "MIG002"
    assert "not finished within migrations.timeout (0.3 s)" in found.summary


@pytest.mark.anyio
async def test_a_cancelled_statement_is_ended_on_the_server_first(
    postgres, on_postgres, preparing, write, fresh_database
):
    write({"1_slow.sql": "CREATE TABLE half (id int);\nSELECT pg_sleep(30);"})
    work = asyncio.create_task(on_postgres(fresh_database).carry_out(preparing))
    await until(lambda: running(postgres, fresh_database))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not running(postgres, fresh_database)
    assert postgres.sql("SELECT to_regclass('half')", fresh_database) == [(None,)]
    assert postgres.sql("SELECT count(*) FROM startupctl_migrations", fresh_database) == [(0,)]


@pytest.mark.anyio
async def test_a_killed_client_frees_the_lock_and_the_server_ends_its_file_once(
    postgres, on_postgres, preparing, write, fresh_database, tmp_path
):
    write({"1_slow.sql": "CREATE TABLE half (id int);\nSELECT pg_sleep(1);"})
    wanted = on_postgres(fresh_database)
    argv = [sys.executable, "-c", PROGRAM, *map(str, program(wanted, tmp_path)), str(Path(__file__).parents[1])]
    with started(argv) as client:
        await until(lambda: running(postgres, fresh_database))
        client.kill()
    facts = await wanted.carry_out(preparing)
    assert facts["migrations"]["pending"] == 0
    assert postgres.sql("SELECT count(*) FROM startupctl_migrations WHERE state = 'done'", fresh_database) == [(1,)]


@pytest.mark.anyio
async def test_a_server_that_dies_in_the_middle_is_transient_and_then_finished(
    postgres_server, on_postgres, preparing, write
):
    server = postgres_server()
    write(
        {
            "1_plans.sql": "CREATE TABLE plans (id int);",
            "2_slow.sql": "INSERT INTO plans VALUES (1); SELECT pg_sleep(3);",
        }
    )
    wanted = on_postgres("postgres", server=server)
    work = asyncio.create_task(wanted.carry_out(preparing))
    await until(lambda: running(server, "postgres"))
    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    found = await refusal(work)
    assert (found.diagnosis.code.code, found.diagnosis.failure) == ("MIG002", FailureClass.TRANSIENT)
    assert found.facts["migrations"]["applied"] == []  # nobody knows whether it was on disk
    await asyncio.to_thread(server.start)
    write({"2_slow.sql": "INSERT INTO plans VALUES (1);"})
    again = (await wanted.carry_out(preparing))["migrations"]
    assert again["already"] + len(again["applied"]) == 2
    assert server.sql("SELECT count(*) FROM plans") == [(1,)]


@pytest.mark.anyio
async def test_the_oldest_server_is_migrated_too(postgres_server, on_postgres, preparing, write):
    write({**FILES, "3_index.sql": "-- transaction:false\nCREATE INDEX CONCURRENTLY i ON plans (id);"})
    wanted = on_postgres("by_fifteen", server=postgres_server("15", tls="good"), create=True)
    assert (await wanted.carry_out(preparing))["schema_version"] == "3"


@pytest.mark.anyio
async def test_a_pooler_with_room_for_one_is_told(
    postgres, on_postgres, pgbouncer, preparing, write, fresh_database, monkeypatch
):
    monkeypatch.setattr("startupctl.migrations.postgres.sessions.ROOM_TIMEOUT", 0.5)
    write(FILES)
    pooled = on_postgres(fresh_database, server=pgbouncer(postgres, pool_size=1))
    found = (await refusal(pooled.carry_out(preparing))).diagnosis
    assert (found.code.code, found.failure) == ("LCK003", FailureClass.PERMANENT)
    assert "`migrations.url`" in found.hint
    facts = await pooled._replace(direct=on_postgres(fresh_database).place).carry_out(preparing)
    assert facts["migrations"]["applied"] == list(FILES)


@pytest.mark.anyio
async def test_the_reason_of_a_refused_driver_is_the_servers(on_postgres, preparing, write, fresh_database):
    write(FILES)
    wrong = on_postgres(fresh_database, password="not-the-s3cret").place
    with pytest.raises(PgError) as caught:
        await on_postgres(fresh_database)._replace(direct=wrong).carry_out(preparing)
    assert caught.value.sqlstate == "28P01"


# -- as the kind has it ------------------------------------------------------------------------


@pytest.mark.anyio
async def test_check_tells_what_is_pending_and_what_is_wrong(
    postgres, run, write, fresh_database, preparing, services, postgres_kind
):
    write(FILES)
    kind = postgres_kind(url=postgres.url(fresh_database), migrations={"dir": "migrations"})
    found = await refusal(kind.check(run))
    assert found.diagnosis.summary.startswith("2 of 2 migrations in ")
    assert found.facts["migrations"] == {"applied": [], "already": 0, "pending": 2, "adopted": 0}
    await kind.prepare(preparing)
    assert (await kind.check(run))["migrations"] == {"applied": [], "already": 2, "pending": 0, "adopted": 0}
    write({"2_rows.sql": FILES["2_rows.sql"] + "INSERT INTO plans VALUES (3);\n"})
    assert (await refusal(kind.check(run))).diagnosis.code.code == "MIG005"
    write({"2_rows.sql": "-- the first rows\r\n" + FILES["2_rows.sql"].replace("\n", "\r\n")})
    await kind.check(run)
    assert [code for code, _ in services.warnings] == ["MIG011"]


@pytest.mark.anyio
async def test_a_secret_in_a_failed_statement_is_masked(on_postgres, preparing, write, fresh_database):
    write({"1_role.sql": "CREATE ROLE postgres PASSWORD 'hunter2hunter2';"})
    found = (await refusal(on_postgres(fresh_database).carry_out(preparing))).diagnosis
    assert found.code.code == "MIG002"
    assert "hunter2" not in found.summary + found.cause + found.hint


def output(argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def started(argv):
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL)


async def until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.02)


def running(server, database):
    return server.sql(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()"
        f" AND datname = '{database}'"
    )


@pytest.mark.anyio
async def test_a_constraint_that_fails_at_the_commit_is_told_without_a_line(
    on_postgres, preparing, write, fresh_database
):
    folder = write(
        {
            "1_late.sql": "CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO a VALUES (1, 2);"
        }
    )
    found = (await refusal(on_postgres(fresh_database).carry_out(preparing))).diagnosis
    assert (found.facts["place"], found.signal) == (f"{folder}/1_late.sql", "23503")
