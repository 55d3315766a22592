"""What goes wrong in a file on PostgreSQL: told by line, nothing half-recorded."""

import asyncio
import subprocess

import pytest

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.lexer import Statement
from startupctl.migrations.postgres.message import Message

PLANS = {"1_plans.sql": "CREATE TABLE plans (id int);"}
BODY = """CREATE TABLE more (id int);

CREATE FUNCTION wrong() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  {0}
  RETURN 1;
END
$$;
SELECT 'ä€😀', 2;
SELECT wrong();
"""


@pytest.fixture
def failing(postgres, on_postgres, preparing, write, fresh_database):
    """Apply a file behind one that is fine; return the diagnosis, and what is in the ledger."""

    async def fail(text, **keys):
        write({**PLANS, "2_fails.sql": text})
        with pytest.raises(Unhealthy) as caught:
            await on_postgres(fresh_database, **keys).carry_out(preparing)
        rows = postgres.sql("SELECT version, state FROM startupctl_migrations ORDER BY version", fresh_database)
        return caught.value.diagnosis, rows

    return fail


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "place", "signal"),
    [
        ("SELEKT 1;", "1:1", "42601"),
        ("SELECT 'ä€😀' AS a,\n  nope;", "2:3", "42703"),
        ("SELECT 1;\nSELECT (1", "2:9", "42601"),
        ("SELECT 1;\nSELECT (1 -- one", "2:16", "42601"),
        ("SELECT 1;\nSELECT 1 /", "2:10", "42601"),
        ("-- one\n/* two */\nBEGIN;\nSELECT 1;\n SELECT nope;\nCOMMIT;", "5:9", "42703"),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nSELECT nope;", "2:8", "42703"),
        ("SET TRANSACTION ISOLATION LEVEL NOPE;\nSELECT 1;", "1:33", "42601"),
        (BODY.format("RETURN 1 / 0;"), "10:1", "22012"),
        (BODY.format("PERFORM nope;"), "10:1", "42703"),
        (BODY.format("SELEKT 1;"), "5:3", "42601"),
        ("DO $$ BEGIN\n  EXECUTE 'SELECT nope';\nEND $$;", "1:1", "42703"),
        ("SELECT 1;\nCREATE VIEW v AS SELECT nope FROM plans;", "2:25", "42703"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2", "1:76", "42601"),
        ("VACUUM plans;\nSELECT 1;\n  SELECT nope;", "3:10", "42703"),
        ("INSERT INTO plans VALUES (1);\nCOMMIT;\n  SELECT nope;", "3:10", "42703"),
    ],
)
async def test_a_mistake_is_told_by_its_line_in_the_file(failing, text, place, signal):
    found, rows = await failing(text)
    assert (found.code.code, found.signal) == ("MIG002", signal)
    assert found.facts["place"].partition("2_fails.sql:")[2] == place
    assert rows == [("1", "done"), ("2", "failed")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("SELECT 1;\nCOPY plans FROM stdin;\n1\n2\n\\.\n", "2:1", "COPY from or to the client"),
        ("SELECT 1;\n  \\connect other\nSELECT 2;", "2:3", "`\\connect` is a command of psql"),
        ("SELECT 1 \\gexec\n", "1:10", "`\\gexec` is a command of psql"),
        ("SELECT 1;\n\\copy plans from 'file'", "2:1", "`\\copy` is a command of psql"),
        ("SELECT 1;\nSELECT 'never closed;\n", "2:8", "never closed"),
        ("SELECT 1;\n/* never\n /* closed */\n", "2:1", "never closed"),
        ("SELECT 1;\nDO $$ BEGIN $x$ $x$", "2:4", "never closed"),
        ("-- transaction:false\nSELECT 1;\nVACUUM 'a", "3:8", "never closed"),
    ],
)
async def test_what_the_server_would_misread_is_not_sent(failing, postgres, fresh_database, text, place, said):
    found, rows = await failing(text)
    assert found.code.code == "MIG002"
    assert found.facts["place"].partition("2_fails.sql:")[2] == place
    assert said in found.summary
    assert rows[0] == ("1", "done")


@pytest.mark.anyio
async def test_a_backslash_in_a_quote_is_none_of_psql_s(postgres, on_postgres, preparing, write, fresh_database):
    write({**PLANS, "2_fine.sql": 'SELECT \'\\d\', $$ \\copy $$, "a\\b" FROM (SELECT 1 AS "a\\b") AS s; -- \\c'})
    await on_postgres(fresh_database).carry_out(preparing)


@pytest.mark.anyio
async def test_the_seventh_of_nine_statements_is_told_with_what_ran_before(failing):
    found, rows = await failing("".join(f"SELECT {'nope' if number == 7 else number};\n" for number in range(1, 10)))
    assert (found.facts["number"], found.facts["statements"], found.facts["before"]) == (7, 9, "1_plans.sql")
    assert "in statement 7 of 9: SELECT nope" in found.summary
    assert "Nothing of this file was kept" in found.cause
    assert "`startupctl migrate status`" in found.hint
    assert rows == [("1", "done"), ("2", "failed")]


@pytest.mark.anyio
async def test_a_failed_file_that_left_nothing_may_get_another_name(
    failing, on_postgres, preparing, write, fresh_database
):
    await failing("SELECT nope;")
    (write({}) / "2_fails.sql").rename(write({}) / "2_works.sql")
    write({"2_works.sql": "SELECT 1;"})
    assert (await on_postgres(fresh_database).carry_out(preparing))["migrations"]["applied"] == ["2_works.sql"]


@pytest.mark.anyio
async def test_two_sets_of_files_do_not_share_a_ledger(
    postgres, on_postgres, preparing, write, fresh_database, tmp_path
):
    write({"001_init.sql": "CREATE TABLE plans (id int);"})
    await on_postgres(fresh_database).carry_out(preparing)
    (tmp_path / "migrations" / "001_init.sql").rename(tmp_path / "migrations" / "001_start.sql")
    with pytest.raises(Unhealthy) as caught:
        await on_postgres(fresh_database).carry_out(preparing)
    assert caught.value.diagnosis.code.code == "MIG007"


@pytest.mark.anyio
@pytest.mark.parametrize("directive", ["", "-- transaction:false\n"])
async def test_a_right_that_is_lacking_leaves_nothing_half_recorded(
    postgres, on_postgres, preparing, write, fresh_database, directive
):
    role = f"modest_{fresh_database}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT CREATE ON SCHEMA public TO {role}", fresh_database)
    postgres.sql("CREATE TABLE closed (id int)", fresh_database)
    write({**PLANS, "2_closed.sql": f"{directive}INSERT INTO plans VALUES (1);\nINSERT INTO closed VALUES (1);\n"})
    wanted = on_postgres(fresh_database, user=role, password="pw")
    with pytest.raises(Unhealthy) as caught:
        await wanted.carry_out(preparing)
    assert (caught.value.diagnosis.signal, caught.value.diagnosis.failure) == ("42501", FailureClass.PERMANENT)
    kept = 1 if directive else 0
    asked = "SELECT statement_no, (SELECT count(*) FROM plans) FROM startupctl_migrations WHERE version = '2'"
    assert postgres.sql(asked, fresh_database) == [(kept, kept)]
    postgres.sql(f"GRANT INSERT ON closed TO {role}", fresh_database)
    assert (await wanted.carry_out(preparing))["migrations"]["applied"] == ["2_closed.sql"]
    assert postgres.sql("SELECT count(*) FROM plans", fresh_database) == [(1,)]


@pytest.fixture
def small_disk(postgres_server, new_folder):
    """A server, and a tablespace of 4 MiB on it; needs the right to mount."""
    server = postgres_server()
    folder = new_folder("small")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")
    try:
        if server.account:
            subprocess.run(["chown", f"{server.account.uid}:{server.account.gid}", folder], check=True)
        server.sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
        yield server
    finally:
        server.stop()
        subprocess.run(["umount", folder], check=True)


@pytest.mark.anyio
async def test_a_full_disk_leaves_nothing_half_recorded(small_disk, on_postgres, preparing, write):
    fills = "INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, {0});"
    write(
        {
            "1_big.sql": "CREATE TABLE big (t text) TABLESPACE small;",
            "2_fill.sql": fills.format(1) + fills.format(20_000),
        }
    )
    wanted = on_postgres("postgres", server=small_disk)
    with pytest.raises(Unhealthy) as caught:
        await wanted.carry_out(preparing)
    assert (caught.value.diagnosis.signal, caught.value.diagnosis.facts["number"]) == ("53100", 2)
    assert small_disk.sql("SELECT count(*) FROM big") == [(0,)]
    [(folder,)] = small_disk.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'small'")
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=64m", folder], check=True)
    write({"2_fill.sql": fills.format(1)})
    assert (await wanted.carry_out(preparing))["migrations"]["applied"] == ["2_fill.sql"]


# -- files that are applied again ----------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("directive", ["", "VACUUM seen;\n"])
async def test_a_repeatable_file_is_applied_when_its_content_changed(
    postgres, on_postgres, preparing, write, fresh_database, directive
):
    write({"V1__seen.sql": "CREATE TABLE seen (what int);", "R__seen.sql": f"{directive}INSERT INTO seen VALUES (1);"})
    wanted = on_postgres(fresh_database, format="flyway")
    assert (await wanted.carry_out(preparing))["migrations"]["applied"] == ["V1__seen.sql", "R__seen.sql"]
    assert (await wanted.carry_out(preparing))["migrations"]["applied"] == []
    write({"R__seen.sql": f"{directive}INSERT INTO seen VALUES (2);"})
    assert (await wanted.carry_out(preparing))["migrations"]["applied"] == ["R__seen.sql"]
    assert (await wanted.carry_out(preparing))["migrations"]["applied"] == []
    assert postgres.sql("SELECT what FROM seen ORDER BY what", fresh_database) == [(1,), (2,)]
    assert postgres.sql("SELECT state FROM startupctl_migrations", fresh_database) == [("done",)] * 2


# -- messages ------------------------------------------------------------------------------------


def failed_at(position=None, done=None):
    return StatementFailed("42601", "wrong", FailureClass.PERMANENT, position=position, done=done)


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (failed_at(position=8, done=1), (101, 0)),
        (failed_at(position=10, done=1), (103, 0)),
        (failed_at(position=15, done=2), (202, 1)),
        (failed_at(done=2), (None, 1)),
        (failed_at(position=1, done=0), (None, None)),
        (failed_at(position=22, done=3), (None, None)),
        (failed_at(position=22, done=0), (203, None)),
        (failed_at(), (None, None)),
    ],
)
def test_an_error_belongs_to_the_file_or_to_what_is_sent_with_it(error, place):
    message = Message()
    message.ours("BEGIN")
    message.opening([])
    message.main([Statement("ONE", 100), Statement("TWO", 200)])
    message.ours("COMMIT")
    assert message.text == "BEGIN;\nONE\n;\nTWO\n;\nCOMMIT;\n"
    message.locate(error, 2)
    assert (error.position, error.done) == place
