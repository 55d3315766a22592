"""Migrations through a PgBouncer, and what is told where they cannot go through one."""

import psycopg
import pytest

from startupctl.check import Unhealthy
from startupctl.migrations.postgres.lock import lock_key

PLANS = {"1_plans.sql": "CREATE TABLE plans (id int);"}
INDEX = {
    "2_index.sql": "-- transaction:false\nINSERT INTO plans VALUES (1);\nCREATE INDEX CONCURRENTLY i ON plans (id);"
}


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    return caught.value.diagnosis


@pytest.mark.anyio
async def test_files_that_are_one_transaction_go_through_a_transaction_pooler(
    postgres, on_postgres, pgbouncer, preparing, write, fresh_database
):
    write({**PLANS, **{f"{number}_row.sql": "INSERT INTO plans VALUES (1);" for number in range(2, 9)}})
    facts = await on_postgres(fresh_database, server=pgbouncer(postgres)).carry_out(preparing)
    assert len(facts["migrations"]["applied"]) == 8
    assert postgres.sql("SELECT count(*) FROM plans", fresh_database) == [(7,)]


@pytest.mark.anyio
async def test_steps_that_are_transactions_go_through_a_transaction_pooler(
    postgres, on_postgres, pgbouncer, preparing, write, fresh_database
):
    postgres.sql(f"ALTER DATABASE {fresh_database} SET statement_timeout = '7s'")
    pooler = pgbouncer(postgres)
    text = "-- transaction:false\nINSERT INTO plans VALUES (1);\nBEGIN; INSERT INTO plans VALUES (2); COMMIT;"
    write({**PLANS, "2_steps.sql": text})
    facts = await on_postgres(fresh_database, server=pooler).carry_out(preparing)
    assert facts["migrations"]["applied"] == ["1_plans.sql", "2_steps.sql"]
    assert postgres.sql("SELECT count(*) FROM plans", fresh_database) == [(2,)]
    with psycopg.connect(pooler.url(fresh_database)) as one, psycopg.connect(pooler.url(fresh_database)) as two:
        left = [each.execute("SHOW statement_timeout").fetchone() for each in (one, two)]
    assert left == [("7s",), ("7s",)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text",
    [
        INDEX["2_index.sql"],
        "-- transaction:false\nSET search_path = public;\nINSERT INTO plans VALUES (1);",
        "-- transaction:false\nCREATE TEMP TABLE t (id int);\nINSERT INTO plans VALUES (1);",
        "INSERT INTO plans VALUES (1);\nCOMMIT;\nINSERT INTO plans VALUES (1);",
        "INSERT INTO plans VALUES (1);\nPREPARE later AS SELECT 1;",
        "INSERT INTO plans VALUES (1);\nSELECT pg_advisory_lock(1);",
    ],
)
async def test_what_needs_a_session_for_itself_is_told_before_it_begins(
    postgres, on_postgres, pgbouncer, preparing, write, fresh_database, text
):
    write({**PLANS, "2_own.sql": text})
    pooled = on_postgres(fresh_database, server=pgbouncer(postgres))
    found = await refusal(pooled.carry_out(preparing))
    assert (found.code.code, "`migrations.url`" in found.hint, "2_own.sql" in found.summary) == ("LCK003", True, True)
    assert postgres.sql("SELECT count(*) FROM plans", fresh_database) == [(0,)]
    assert postgres.sql("SELECT version, state FROM startupctl_migrations", fresh_database) == [("1", "done")]
    facts = await pooled._replace(direct=on_postgres(fresh_database).place).carry_out(preparing)
    assert facts["migrations"]["applied"] == ["2_own.sql"]


@pytest.mark.anyio
@pytest.mark.parametrize("room", [2, 8])
async def test_a_pooler_of_whole_sessions_is_as_good_as_the_server(
    postgres, on_postgres, pgbouncer, preparing, write, fresh_database, room
):
    write({**PLANS, **INDEX})
    pooler = pgbouncer(postgres, pool_mode="session", pool_size=room)
    facts = await on_postgres(fresh_database, server=pooler).carry_out(preparing)
    assert facts["migrations"]["applied"] == ["1_plans.sql", "2_index.sql"]


@pytest.mark.anyio
async def test_what_a_file_leaves_in_its_session_is_not_handed_to_others(
    postgres, on_postgres, pgbouncer, preparing, write, fresh_database
):
    postgres.sql(f"CREATE ROLE lesser_{fresh_database}")
    pooler = pgbouncer(postgres, pool_size=2)
    leaves = f"SET search_path = pg_catalog; SET ROLE lesser_{fresh_database}; LISTEN news;"
    write({**PLANS, "2_leaves.sql": f"CREATE TEMP TABLE t (id int); {leaves}"})
    await on_postgres(fresh_database, server=pooler).carry_out(preparing)
    seen = "SELECT current_user, current_setting('search_path'), to_regclass('pg_temp.t'), count(*) FROM pg_listening_channels()"
    with (
        psycopg.connect(pooler.url(fresh_database), autocommit=True) as one,
        psycopg.connect(pooler.url(fresh_database), autocommit=True) as two,
    ):
        one.execute("BEGIN")
        two.execute("BEGIN")
        for other in (one, two):
            assert other.execute(seen).fetchall() == [("postgres", '"$user", public', None, 0)]


@pytest.mark.anyio
async def test_a_pooler_that_says_itself_that_it_has_no_room_is_told_as_such(
    postgres, pgbouncer, on_postgres, preparing, write, fresh_database
):
    write(PLANS)
    impatient = pgbouncer(postgres, pool_size=1, query_wait_timeout=2)
    found = await refusal(on_postgres(fresh_database, server=impatient).carry_out(preparing))
    assert (found.code.code, "migrations.url" in found.hint) == ("LCK003", True)
    assert postgres.sql("SELECT to_regclass('plans')", fresh_database) == [(None,)]


@pytest.mark.anyio
async def test_a_lock_that_is_on_another_server_is_told(
    postgres_server, postgres, on_postgres, preparing, write, monkeypatch
):
    """As behind a proxy that balances: the lock's connection and the other are not on the same server."""
    write(PLANS)
    wanted = on_postgres("postgres", server=postgres_server())
    key = lock_key("public", "startupctl_migrations")
    monkeypatch.setattr("startupctl.migrations.postgres.lock.lock_key", lambda *_: next(keys))
    keys = iter([key, key, key + 1])  # of who looks first, of the lock, and of who looks beside it
    found = await refusal(wanted.carry_out(preparing))
    assert (found.code.code, "different servers" in found.summary) == ("LCK003", True)


def test_locks_of_a_session_exclude_nobody_behind_a_transaction_pooler(postgres, pgbouncer):
    """Why the lock is one of a transaction: two clients get the same session, which may take its lock again."""
    pooler = pgbouncer(postgres, pool_size=1)
    with psycopg.connect(pooler.url(), autocommit=True) as one, psycopg.connect(pooler.url(), autocommit=True) as two:
        assert [each.execute("SELECT pg_try_advisory_lock(4711)").fetchone() for each in (one, two)] == [(True,)] * 2
    held = postgres.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711")
    assert held == [(1,)]
