"""Files that are not one transaction, on a real server: run in steps, resumed, repaired, taken back."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.migrations.progress import running_hashes
from startupctl.migrations.script import Migration, Script

PLANS = {"1_plans.sql": "CREATE TABLE plans (id int);\nINSERT INTO plans SELECT generate_series(1, 100);"}
CIC = "CREATE INDEX CONCURRENTLY i ON plans (id)"
ROW = "SELECT state, statement_no, statements_sha256, error FROM startupctl_migrations WHERE version = '2'"


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    return caught.value.diagnosis


@pytest.fixture
def plans(postgres, on_postgres, preparing, write, fresh_database):
    """A database with a table; `apply(text)` writes the second file and runs, `sql` asks, `begun(...)` makes its row."""

    class Plans:
        name = fresh_database
        wanted = on_postgres(fresh_database)

        async def ready(self):
            """Apply the first file alone."""
            await self.wanted.carry_out(preparing)

        async def apply(self, text, name="2_steps.sql"):
            write({name: text})
            return (await self.wanted.carry_out(preparing))["migrations"]["applied"]

        def sql(self, statement):
            return postgres.sql(statement, fresh_database)

        def begun(self, done, *texts, state="running", error=""):
            """Make the row that a process leaves which ended when these statements were begun."""
            columns = (
                "version, name, format, raw_sha256, content_sha256, state, statement_no, statements_sha256, host, error"
            )
            values = f"'2', '2_steps.sql', 'plain', '', '', '{state}', {done}, '{running_hashes(texts)[-1]}', 'gone:1', $e${error}$e$"
            self.sql(f"INSERT INTO startupctl_migrations ({columns}) VALUES ({values})")

        @property
        def indexes(self):
            asked = "SELECT relname, indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace"
            return self.sql(f"{asked} WHERE nspname = 'public' AND relname NOT LIKE 'startupctl%' ORDER BY 1")

        def break_index(self, name="i"):
            """Leave an invalid index, as a build that was broken off does."""
            with psycopg.connect(postgres.url(fresh_database), autocommit=True) as connection:
                connection.execute("INSERT INTO plans VALUES (1), (1)")
                with pytest.raises(psycopg.errors.UniqueViolation):
                    connection.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON plans (id)")
                connection.execute("DELETE FROM plans WHERE ctid IN (SELECT max(ctid) FROM plans WHERE id = 1)")

    write(PLANS)
    return Plans()


# -- running -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_needs_no_transaction_runs_without_a_directive(plans):
    assert await plans.apply(f"INSERT INTO plans VALUES (0);\n{CIC};\nVACUUM plans;\n") == [
        "1_plans.sql",
        "2_steps.sql",
    ]
    assert plans.indexes == [("i", True)]
    assert plans.sql("SELECT state, statement_no FROM startupctl_migrations ORDER BY version")[1] == ("done", 3)


@pytest.mark.anyio
async def test_what_a_file_sets_holds_for_its_later_steps_and_the_record_is_ours(plans):
    plans.sql("CREATE SCHEMA other; CREATE ROLE lesser_" + plans.name)
    plans.sql(f"GRANT ALL ON SCHEMA other TO lesser_{plans.name}")
    text = (
        f"-- transaction:false\nSET search_path = other;\nSET ROLE lesser_{plans.name};\nCREATE TABLE mine (id int);\n"
        "CREATE INDEX CONCURRENTLY j ON mine (id);\nSELECT pg_catalog.set_config('search_path', 'public', false);\n"
        "RESET ROLE;\nINSERT INTO plans VALUES (-1);\n"
    )
    assert "2_steps.sql" in await plans.apply(text)
    owner = plans.sql("SELECT tableowner FROM pg_tables WHERE schemaname = 'other' AND tablename = 'mine'")
    assert owner == [(f"lesser_{plans.name}",)]


@pytest.mark.anyio
async def test_a_transaction_of_the_file_keeps_its_modes(plans):
    text = "BEGIN ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE seen AS SELECT current_setting('transaction_isolation') AS it;\nCOMMIT;"
    await plans.apply(text)
    await plans.apply(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nINSERT INTO seen SELECT current_setting('transaction_isolation');",
        "3_modes.sql",
    )
    steps = f"{text.replace('CREATE TABLE seen AS', 'INSERT INTO seen')}\nVACUUM seen;"
    await plans.apply(steps, "4_modes.sql")
    assert plans.sql("SELECT it FROM seen") == [("serializable",), ("repeatable read",), ("serializable",)]


@pytest.mark.anyio
async def test_a_procedure_that_commits_runs_where_the_file_asks_for_no_transaction(plans):
    plans.sql("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO plans VALUES (7); COMMIT; END $$")
    found = await refusal(plans.apply("CALL p();"))
    assert (found.code.code, found.signal) == ("MIG002", "2D000")
    assert await plans.apply("-- transaction:false\nCALL p();\nDO $$ BEGIN COMMIT; END $$;") == ["2_steps.sql"]


# -- failing -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_step_that_fails_keeps_those_before_it_and_the_next_run_goes_on(plans):
    text = (
        f"-- transaction:false\nINSERT INTO plans VALUES (-1);\n{CIC};\nINSERT INTO plans\nSELECT nope;\nVACUUM plans;"
    )
    found = await refusal(plans.apply(text))
    assert (found.code.code, found.facts["number"], found.facts["statements"]) == ("MIG002", 3, 4)
    assert found.facts["place"].endswith("2_steps.sql:5:8")
    assert "The 2 statements before this step are kept" in found.cause
    [(state, number, begun, error)] = plans.sql(ROW)
    assert (state, number, "nope" in error) == ("failed", 2, True)
    assert (
        begun == running_hashes(["INSERT INTO plans VALUES ( - 1 )", "CREATE INDEX CONCURRENTLY i ON plans ( id )"])[-1]
    )
    assert await plans.apply(text.replace("nope", "-2")) == ["2_steps.sql"]
    assert plans.sql("SELECT id FROM plans WHERE id < 0 ORDER BY id") == [(-2,), (-1,)]


@pytest.mark.anyio
async def test_a_done_part_that_was_edited_is_not_gone_on_with(plans):
    text = "-- transaction:false\nINSERT INTO plans VALUES (-1);\nSELECT nope;"
    await refusal(plans.apply(text))
    found = await refusal(plans.apply(text.replace("-1", "-5").replace("nope", "1")))
    assert (found.code.code, "not what the file says now" in found.summary) == ("MIG003", True)
    assert found.hint.endswith("take it as applied")
    assert "`startupctl migrate repair 2 --rerun`" in found.hint
    assert await plans.apply(text.replace("nope", "1") + " -- mended") == ["2_steps.sql"]


@pytest.mark.anyio
async def test_a_failed_transaction_leaves_only_the_words_of_its_failure(plans):
    found = await refusal(plans.apply("INSERT INTO plans VALUES (-1);\nSELECT nope;"))
    assert "Nothing of this file was kept" in found.cause
    [(state, number, begun, error)] = plans.sql(ROW)
    assert (state, number, begun, "nope" in error) == ("failed", 0, "", True)
    await refusal(plans.apply("SELECT never;"))
    assert "never" in plans.sql(ROW)[0][3]
    assert await plans.apply("INSERT INTO plans VALUES (-1);") == ["2_steps.sql"]
    assert [row[0] for row in plans.sql(ROW)] == ["done"]
    assert plans.sql("SELECT id FROM plans WHERE id < 0") == [(-1,)]


@pytest.mark.anyio
async def test_a_file_with_commits_of_its_own_stops_behind_one_of_them(plans):
    await refusal(plans.apply("SELECT nope;\nCOMMIT;\nINSERT INTO plans VALUES (-1);"))
    await refusal(plans.apply("INSERT INTO plans VALUES (-1);\nCOMMIT;\nSELECT nope;"))
    found = await refusal(plans.apply("INSERT INTO plans VALUES (-1);\nCOMMIT;\nSELECT 1;"))
    assert (found.code.code, "commits by itself" in found.summary) == ("MIG003", True)
    assert plans.sql("SELECT id FROM plans WHERE id < 0") == [(-1,)]


@pytest.mark.anyio
async def test_an_open_transaction_at_the_end_is_a_failure(plans):
    found = await refusal(plans.apply("BEGIN;\nINSERT INTO plans VALUES (-1);"))
    assert (found.code.code, "leaves a transaction open" in found.summary) == ("MIG002", True)
    assert plans.sql("SELECT id FROM plans WHERE id < 0") == []


# -- indexes -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_index_that_failed_is_dropped_and_built_by_the_next_try(plans):
    unique = f"{CIC};".replace("CREATE", "CREATE UNIQUE")
    plans_and_twin = f"INSERT INTO plans VALUES (1);\n{unique}"
    found = await refusal(plans.apply(plans_and_twin))
    assert (found.signal, found.facts["number"]) == ("23505", 2)
    assert "left the invalid index public.i behind" in found.summary
    assert plans.indexes == [("i", False)]
    plans.sql("DELETE FROM plans WHERE ctid IN (SELECT max(ctid) FROM plans WHERE id = 1)")
    assert await plans.apply(plans_and_twin) == ["2_steps.sql"]
    assert plans.indexes == [("i", True)]


@pytest.mark.anyio
async def test_the_invalid_index_goes_also_when_the_statement_was_corrected(plans):
    text = f"INSERT INTO plans VALUES (1);\n{CIC};"
    await refusal(plans.apply(text.replace("CREATE", "CREATE UNIQUE")))
    assert await plans.apply(text.replace("INDEX CONCURRENTLY i", "INDEX CONCURRENTLY IF NOT EXISTS other")) == [
        "2_steps.sql"
    ]
    assert plans.indexes == [("other", True)]


@pytest.mark.anyio
async def test_an_unnamed_index_that_failed_is_found_too(plans):
    text = "INSERT INTO plans VALUES (1);\nCREATE UNIQUE INDEX CONCURRENTLY ON plans (id);"
    assert "public.plans_id_idx" in (await refusal(plans.apply(text))).summary
    plans.sql("DELETE FROM plans WHERE id = 1")
    assert await plans.apply(text) == ["2_steps.sql"]
    assert plans.indexes == [("plans_id_idx", True)]


@pytest.mark.anyio
@pytest.mark.parametrize("guard", ["", "IF NOT EXISTS "])
async def test_an_invalid_index_of_somebody_else_is_left_alone(plans, guard):
    await plans.ready()
    plans.break_index()
    found = await refusal(plans.apply(f"{CIC};".replace("CONCURRENTLY ", f"CONCURRENTLY {guard}")))
    assert found.code.code == "MIG002"
    assert "public.i exists already and is invalid" in found.summary
    assert plans.indexes == [("i", False)]


@pytest.mark.anyio
async def test_an_index_that_is_there_is_the_server_s_matter(plans):
    await plans.ready()
    plans.sql("CREATE INDEX i ON plans (id)")
    found = await refusal(plans.apply(f"{CIC};"))
    assert (found.signal, found.facts["number"]) == ("42P07", 1)
    assert await plans.apply(f"{CIC};".replace("CONCURRENTLY ", "CONCURRENTLY IF NOT EXISTS ")) == ["2_steps.sql"]


# -- what is in doubt --------------------------------------------------------------------------

NORMAL = "CREATE INDEX CONCURRENTLY i ON plans ( id )"


@pytest.mark.anyio
@pytest.mark.parametrize("left", ["nothing", "broken", "built"])
async def test_an_index_in_doubt_is_built_rebuilt_or_taken_as_it_is(plans, left):
    await plans.ready()
    if left == "broken":
        plans.break_index()
    if left == "built":
        plans.sql("CREATE INDEX i ON plans (id)")
    plans.begun(0, NORMAL)
    before = plans.sql("SELECT to_regclass('i')::oid")
    assert await plans.apply(f"{CIC};\nINSERT INTO plans VALUES (-1);") == ["2_steps.sql"]
    assert plans.indexes == [("i", True)]
    assert (plans.sql("SELECT to_regclass('i')::oid") == before) is (left == "built")
    assert plans.sql("SELECT id FROM plans WHERE id < 0") == [(-1,)]


@pytest.mark.anyio
async def test_an_index_that_is_still_being_built_is_waited_for(plans, postgres):
    await plans.ready()
    plans.begun(0, NORMAL)
    with (
        psycopg.connect(postgres.url(plans.name)) as old,
        psycopg.connect(postgres.url(plans.name), autocommit=True) as builder,
        ThreadPoolExecutor(1) as pool,
    ):
        old.execute("INSERT INTO plans VALUES (0)")
        building = pool.submit(builder.execute, CIC)
        while plans.indexes != [("i", False)] and not building.done():  # noqa: ASYNC110  (another process)
            await asyncio.sleep(0.02)
        before = plans.sql("SELECT to_regclass('i')::oid")
        resumed = asyncio.create_task(plans.apply(f"{CIC};"))
        await asyncio.sleep(1.5)
        assert not resumed.done()
        old.commit()
        assert await resumed == ["2_steps.sql"]
        building.result()
    assert (plans.indexes, plans.sql("SELECT to_regclass('i')::oid")) == ([("i", True)], before)


@pytest.mark.anyio
async def test_an_index_in_doubt_on_another_table_proves_nothing(plans):
    await plans.ready()
    plans.sql("CREATE TABLE others (id int); CREATE INDEX i ON others (id)")
    plans.begun(0, NORMAL)
    found = await refusal(plans.apply(f"{CIC};"))
    assert (found.code.code, f"`{CIC}` succeeded is not known" in found.summary) == ("MIG003", True)


@pytest.mark.anyio
@pytest.mark.parametrize("there", [True, False])
async def test_a_dropped_index_in_doubt_is_dropped_once(plans, there):
    await plans.ready()
    if there:
        plans.sql("CREATE INDEX i ON plans (id)")
    plans.begun(0, "DROP INDEX CONCURRENTLY i")
    assert await plans.apply("DROP INDEX CONCURRENTLY i;") == ["2_steps.sql"]
    assert plans.indexes == []


@pytest.mark.anyio
@pytest.mark.parametrize("left", ["attached", "pending", "detached"])
async def test_a_partition_in_doubt_is_detached_once(plans, postgres, left):
    await plans.ready()
    plans.sql("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    plans.sql("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    detach = "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY"
    if left == "detached":
        plans.sql(detach)
    if left == "pending":
        with (
            psycopg.connect(postgres.url(plans.name)) as old,
            psycopg.connect(postgres.url(plans.name), autocommit=True) as other,
        ):
            old.execute("SELECT * FROM whole")
            other.execute("SET statement_timeout = 300")
            with pytest.raises(psycopg.errors.QueryCanceled):
                other.execute(detach)
        assert plans.sql("SELECT inhdetachpending FROM pg_inherits") == [(True,)]
    plans.begun(0, detach)
    assert await plans.apply(f"{detach};") == ["2_steps.sql"]
    assert plans.sql("SELECT count(*) FROM pg_inherits") == [(0,)]


@pytest.mark.anyio
async def test_what_does_no_harm_twice_is_run_again(plans):
    await plans.ready()
    plans.begun(1, "INSERT INTO plans VALUES ( - 1 )", "VACUUM plans")
    assert await plans.apply("INSERT INTO plans VALUES (-1);\nVACUUM plans;") == ["2_steps.sql"]
    assert plans.sql("SELECT id FROM plans WHERE id < 0") == []


@pytest.mark.anyio
async def test_a_procedure_in_doubt_has_two_ways_out(plans):
    await plans.ready()
    plans.sql("CREATE PROCEDURE p() LANGUAGE sql AS 'INSERT INTO plans VALUES (-7)'")
    plans.begun(0, "CALL p ( )")
    text = "-- transaction:false\nCALL p();\nINSERT INTO plans VALUES (-1);"
    found = await refusal(plans.apply(text))
    assert (found.code.code, "whether `CALL p()` succeeded is not known" in found.summary) == ("MIG003", True)
    assert plans.sql("SELECT id FROM plans WHERE id < 0") == []


@pytest.mark.anyio
async def test_a_temporary_table_of_a_done_step_does_not_come_back(plans):
    await plans.ready()
    text = "-- transaction:false\nCREATE TEMP TABLE mine (id int);\nINSERT INTO mine VALUES (1);"
    plans.begun(1, "CREATE TEMP TABLE mine ( id int )")
    found = await refusal(plans.apply(text))
    assert (found.code.code, "a temporary table, is gone" in found.summary) == ("MIG003", True)


@pytest.mark.anyio
async def test_what_a_done_step_has_set_is_set_again(plans):
    await plans.ready()
    plans.sql("CREATE SCHEMA other")
    plans.begun(1, "SET search_path = other")
    assert await plans.apply("-- transaction:false\nSET search_path = other;\nCREATE TABLE mine (id int);") == [
        "2_steps.sql"
    ]
    assert plans.sql("SELECT schemaname FROM pg_tables WHERE tablename = 'mine'") == [("other",)]


# -- the way back ------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "down",
    ["DELETE FROM plans;", "-- transaction:false\nDELETE FROM plans;\nDROP INDEX CONCURRENTLY i;\nVACUUM plans;"],
)
async def test_the_way_back_removes_the_row(plans, postgres, preparing, down):
    await plans.apply(f"{CIC};")
    script = Script(Path("2_steps.sql"), down, transaction="transaction:false" not in down)
    up = Script(Path("2_steps.sql"), f"{CIC};")
    migration = Migration("2", "2_steps.sql", "plain", "", up, script)
    site = plans.wanted.site(preparing)
    async with site.lock(()), site.session() as session:
        await site.ledger.create(session)
        await site.ledger.revert(session, migration)
        entries = await site.ledger.read(session)
    assert [entry.version for entry in entries] == ["1"]
    assert plans.sql("SELECT count(*) FROM plans") == [(0,)]


@pytest.mark.anyio
async def test_a_way_back_that_failed_goes_on(plans, preparing):
    await plans.apply("SELECT 1;")
    site = plans.wanted.site(preparing)

    def taken_back(down):
        script = Script(Path("2_steps.sql"), down, transaction=False)
        return Migration("2", "2_steps.sql", "plain", "", Script(Path("2_steps.sql"), "SELECT 1;"), script)

    async with site.lock(()), site.session() as session:
        await site.ledger.create(session)
        with pytest.raises(StatementFailed):
            await site.ledger.revert(session, taken_back("DELETE FROM plans WHERE id = 1;\nVACUUM nope;"))
    assert [row[:2] for row in plans.sql(ROW)] == [("failed", 1)]
    assert (await refusal(plans.apply("SELECT 1;"))).code.code == "MIG003"
    async with site.lock(()), site.session() as session:
        await site.ledger.create(session)
        await site.ledger.revert(session, taken_back("DELETE FROM plans WHERE id = 1;\nVACUUM plans;"))
    assert (plans.sql(ROW), plans.sql("SELECT count(*) FROM plans")) == ([], [(99,)])
