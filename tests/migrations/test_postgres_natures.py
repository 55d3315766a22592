"""What statements ask for, by their words, and by what servers say of them."""

from pathlib import Path

import psycopg
import pytest

from startupctl.migrations.lexer import Statement
from startupctl.migrations.postgres.natures import Nature, nature_of, survives_nowhere
from startupctl.migrations.postgres.steps import steps_of
from startupctl.migrations.script import Script
from startupctl.migrations.steps import How

A, P = Nature.ALONE, Nature.PLAIN
PREPARED = """
CREATE TABLE t (id int); CREATE INDEX i ON t (id);
CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (9) TO (18);
CREATE DATABASE d; CREATE SUBSCRIPTION s CONNECTION 'dbname=nowhere' PUBLICATION one WITH (connect = false); ALTER SUBSCRIPTION s ENABLE;
"""
ASKED = [  # also put to the server, inside of a transaction
    ("CREATE INDEX CONCURRENTLY j ON t (id)", A),
    ("/* soon */ create unique -- one\n index concurrently if not exists j ON t (id)", A),
    ("CREATE INDEX concurrently_not ON t (id)", P),
    ("DROP INDEX CONCURRENTLY i", A),
    ("DROP INDEX i", P),
    ("REINDEX INDEX CONCURRENTLY i", A),
    ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", A),
    ("REINDEX TABLE t", P),
    ("REINDEX SCHEMA public", A),
    ("REINDEX DATABASE postgres", A),
    ("VACUUM", A),
    ("VACUUM (ANALYZE) t", A),
    ("ANALYZE t", P),
    ("CREATE DATABASE e", A),
    ("DROP DATABASE d", A),
    ("ALTER DATABASE d SET TABLESPACE pg_default", A),
    ("ALTER DATABASE d SET work_mem = '1MB'", P),
    ("CREATE TABLESPACE x LOCATION '/nowhere'", A),
    ("DROP TABLESPACE IF EXISTS x", A),
    ("ALTER SYSTEM SET work_mem = '8MB'", A),
    ("ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY", A),
    ("ALTER TABLE IF EXISTS ONLY public.p DETACH PARTITION public.p2 CONCURRENTLY", A),
    ("ALTER TABLE p DETACH PARTITION p1", P),
    ("CLUSTER", A),
    ("CLUSTER t USING i", P),
    ("DISCARD ALL", A),
    ("DISCARD TEMP", P),
    ("CREATE SUBSCRIPTION s2 CONNECTION 'dbname=nowhere' PUBLICATION one", A),
    ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", A),
    ("ALTER SUBSCRIPTION s DISABLE", P),
    ("COMMIT PREPARED 'x'", A),
    ("ROLLBACK PREPARED 'x'", A),
    ("LOCK TABLE t", P),
    ("ALTER TYPE m ADD VALUE 'new'", P),
    ("MERGE INTO t USING t AS u ON false WHEN MATCHED THEN DO NOTHING", P),
    ("(SELECT 1)", P),
    ("DO $$ BEGIN PERFORM 1; END $$", P),
]


@pytest.mark.parametrize(("sql", "expected"), ASKED)
def test_what_cannot_run_in_a_transaction_is_told_by_its_words(sql, expected):
    assert nature_of(sql) is expected


@pytest.mark.parametrize("build", ["18", "15"])
def test_the_server_refuses_inside_of_a_transaction_just_those(postgres_server, build):
    server = postgres_server(build)
    for statement in filter(str.strip, PREPARED.split(";")):
        server.sql(statement)
    server.sql("CREATE TYPE m AS ENUM ('old')")
    with psycopg.connect(server.url()) as connection:
        refused = {sql: said_of(connection, sql) for sql, _ in ASKED}
    assert {sql: state == "25001" for sql, state in refused.items()} == {sql: nature is A for sql, nature in ASKED}


def said_of(connection, sql):
    try:
        connection.execute(sql)
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        connection.rollback()
    return None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("BEGIN", Nature.OPEN),
        ("begin isolation level serializable", Nature.OPEN),
        ("START TRANSACTION READ WRITE", Nature.OPEN),
        ("COMMIT", Nature.CLOSE),
        ("END WORK", Nature.CLOSE),
        ("COMMIT AND NO CHAIN", Nature.CLOSE),
        ("COMMIT AND CHAIN", Nature.OTHER),
        ("ROLLBACK", Nature.OTHER),
        ("ABORT", Nature.OTHER),
        ("ROLLBACK TO SAVEPOINT a", P),
        ("ROLLBACK WORK TO a", P),
        ("SAVEPOINT a", P),
        ("PREPARE TRANSACTION 'x'", Nature.OTHER),
        ("PREPARE x AS SELECT 1", P),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Nature.MODES),
        ("SET search_path = a", Nature.STATE),
        ("SET ROLE b", Nature.STATE),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Nature.STATE),
        ("RESET ALL", Nature.STATE),
        ("SELECT pg_catalog.set_config('search_path', '', false)", Nature.STATE),
        ("SET LOCAL search_path = a", P),
        ("SET CONSTRAINTS ALL DEFERRED", P),
        ("CALL p()", Nature.UNKNOWN),
        ("DO $$ BEGIN COMMIT; END $$", Nature.UNKNOWN),
        ("WHATEVER comes", Nature.UNKNOWN),
    ],
)
def test_transactions_and_sessions_are_told_by_their_words(sql, expected):
    assert nature_of(sql) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TEMP TABLE t (id int)", True),
        ("CREATE LOCAL TEMPORARY TABLE t (id int)", True),
        ("SELECT 1 AS a INTO TEMP t", True),
        ("PREPARE x AS SELECT 1", True),
        ("LISTEN news", True),
        ("SELECT pg_try_advisory_lock(1)", True),
        ("SELECT pg_advisory_xact_lock(1)", False),
        ("CREATE TABLE temp (id int)", False),
    ],
)
def test_what_a_session_keeps_and_nothing_brings_back(sql, expected):
    assert survives_nowhere(sql) is expected


def planned(text, *, transaction=True, parts=None):
    steps = steps_of(Script(Path("1.sql"), text, transaction, parts))
    return [(step.how, [part.text for part in step.statements]) for step in steps]


CIC = "CREATE INDEX CONCURRENTLY i ON t (id)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(How.FILE, [])]),
        ("A; B;", [(How.FILE, ["A", "B"])]),
        ("BEGIN; A; B; COMMIT;", [(How.FILE, ["A", "B"])]),
        ("SELECT 'BEGIN; COMMIT'; -- VACUUM;", [(How.FILE, ["SELECT 'BEGIN; COMMIT'"])]),
        (f"INSERT 1; {CIC};", [(How.RECORDED, ["INSERT 1"]), (How.ALONE, [CIC])]),
        (f"BEGIN; INSERT 1; INSERT 2; END; {CIC}", [(How.RECORDED, ["INSERT 1", "INSERT 2"]), (How.ALONE, [CIC])]),
        ("BEGIN; A; COMMIT; BEGIN; B; COMMIT;", [(How.RECORDED, ["A"]), (How.RECORDED, ["B"])]),
        ("INSERT 1; COMMIT; B;", [(How.WHOLE, ["INSERT 1", "COMMIT", "B"])]),
        ("BEGIN; A; ROLLBACK;", [(How.WHOLE, ["BEGIN", "A", "ROLLBACK"])]),
        ("BEGIN; A;", [(How.WHOLE, ["BEGIN", "A"])]),
        ("BEGIN; BEGIN; A; COMMIT;", [(How.WHOLE, ["BEGIN", "BEGIN", "A", "COMMIT"])]),
        (f"{CIC}; CALL p();", [(How.ALONE, [CIC]), (How.RECORDED, ["CALL p()"])]),
    ],
)
def test_how_a_file_is_sent(text, expected):
    assert planned(text) == expected


def test_a_file_that_asks_for_no_transaction_is_sent_in_steps():
    found = planned("INSERT 1; CALL p(); SET a = 1; BEGIN; B; COMMIT;", transaction=False)
    assert [how for how, _ in found] == [How.RECORDED, How.ALONE, How.RECORDED, How.RECORDED]


def test_what_a_format_cuts_is_cut_again():
    text = "-- one\nA; B;\nVACUUM"
    parts = (Statement("-- one\nA; B;", 0), Statement("VACUUM", 13))
    steps = steps_of(Script(Path("1.sql"), text, parts=parts))
    assert [(part.text, part.start) for step in steps for part in step.statements] == [
        ("A", 7),
        ("B", 10),
        ("VACUUM", 13),
    ]
    assert [step.how for step in steps] == [How.RECORDED, How.RECORDED, How.ALONE]
