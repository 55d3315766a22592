"""What PostgreSQL does, and why the lock, the creation and the records are as they are."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from startupctl.databases.postgres import failed, lost_race

RACERS = 8
CIC = "CREATE INDEX CONCURRENTLY i ON t (id)"


@pytest.fixture
def connect(postgres, fresh_database):
    """Open connections that are closed at the end."""
    opened = []

    def open_(**keys):
        opened.append(psycopg.connect(postgres.url(fresh_database), **{"autocommit": True, **keys}))
        return opened[-1]

    yield open_
    for connection in opened:
        connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE DATABASE raced_{0}_{1}",
        "CREATE SCHEMA IF NOT EXISTS s{1}",
        "CREATE TABLE IF NOT EXISTS t{1} (id int)",
        "CREATE TYPE y{1} AS (a int)",
        "CREATE INDEX IF NOT EXISTS i{1} ON base (id)",
        "DO $$ BEGIN CREATE TYPE z{1} AS (a int); EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    ],
)
def test_the_loser_of_a_race_to_create_is_told_apart_from_a_mistake(postgres, fresh_database, connect, sql):
    connect().execute("CREATE TABLE base (id int)")
    racers = [connect() for _ in range(RACERS)]
    states = set()
    for number in range(5):
        barrier = threading.Barrier(RACERS)
        statement = sql.format(fresh_database, number)
        with ThreadPoolExecutor(RACERS) as pool:
            said = list(pool.map(lambda racer: attempt(racer, statement, barrier), racers))  # noqa: B023  (ends in the loop)
        assert said.count(None) >= 1
        assert all(error is None or lost_race(error) for error in said), said
        states |= {error.code for error in said if error}
        if sql.startswith("CREATE DATABASE"):
            postgres.sql(f"DROP DATABASE raced_{fresh_database}_{number}")
    assert states <= {"23505", "42P04", "42P06", "42P07", "42710", "55006"}


def attempt(racer, statement, barrier):
    barrier.wait(10)
    try:
        racer.execute(statement)
    except psycopg.Error as error:
        return failed(error, lost=False)
    return None


def simple(connection, *statements):
    for statement in statements:
        connection.pgconn.exec_(statement.encode())


def held_simply(connection, _):
    simple(connection, "BEGIN", "SELECT pg_try_advisory_xact_lock(1)")


def held_by_a_parameter(connection, _):
    simple(connection, "BEGIN")
    connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (1,))


def held_by_a_parameter_and_a_simple_statement_behind(connection, other):
    held_by_a_parameter(connection, other)
    simple(connection, "SET LOCAL idle_in_transaction_session_timeout = 0")


def held_in_repeatable_read(connection, _):
    simple(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT pg_try_advisory_xact_lock(1)")


def held_by_one_who_wrote(connection, other):
    held_simply(connection, other)
    simple(connection, "CREATE TABLE written (id int)")


def waited_for_by_blocking(connection, other):
    held_simply(connection, other)
    other.pgconn.send_query(b"SELECT pg_advisory_xact_lock(1)")


def waited_for_by_asking(connection, other):
    held_simply(connection, other)
    simple(other, "SELECT pg_try_advisory_xact_lock(1)")


@pytest.mark.parametrize(
    ("lock", "built"),
    [
        (held_simply, True),
        (held_by_a_parameter, False),
        (held_by_a_parameter_and_a_simple_statement_behind, True),
        (held_in_repeatable_read, False),
        (held_by_one_who_wrote, True),
        (waited_for_by_blocking, False),
        (waited_for_by_asking, True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_index_waits_for_ever_for_a_lock_that_keeps_a_snapshot(connect, lock, built):
    builder = connect()
    builder.execute("CREATE TABLE t (id int)")
    lock(connect(), connect())
    builder.execute(f"SET statement_timeout = {20_000 if built else 700}")
    if built:
        builder.execute(CIC)
        return
    with pytest.raises(psycopg.errors.QueryCanceled):
        builder.execute(CIC)


def test_a_session_lock_that_somebody_waits_for_deadlocks_with_an_index(connect):
    builder, waiter = connect(), connect()
    builder.execute("CREATE TABLE t (id int)")
    builder.execute("SELECT pg_advisory_lock(2)")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter.execute, "SELECT pg_advisory_lock(2)")
        while not builder.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ).fetchone()[0]:
            pass
        ends = []
        for work in (lambda: builder.execute(CIC), lambda: waiting.result(20)):
            try:
                work()
            except psycopg.Error as error:
                ends.append(error.sqlstate)
            builder.execute("SELECT pg_advisory_unlock_all()")
    assert ends == ["40P01"]


def test_a_setting_of_one_file_would_hold_for_the_next(connect):
    session = connect()
    session.execute("BEGIN; SET lock_timeout = '5s'; SET search_path = pg_catalog; COMMIT")
    assert session.execute("SELECT current_setting('lock_timeout'), current_setting('search_path')").fetchone() == (
        "5s",
        "pg_catalog",
    )


def test_who_inserts_the_row_first_lets_others_wait_and_find_it(connect):
    first, second = connect(), connect()
    first.execute("CREATE TABLE ledger (version text PRIMARY KEY)")
    first.execute("BEGIN; INSERT INTO ledger VALUES ('1')")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.execute, "INSERT INTO ledger VALUES ('1')")
        first.execute("COMMIT")
        with pytest.raises(psycopg.errors.UniqueViolation):
            waiting.result(20)
