"""Tables of what a server says of a statement: its log cannot be had from the engine that runs here."""

import pytest

from recorded import Recorded
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.clickhouse.fate import Fate, Sent, fate_of, may_run_again
from startupctl.migrations.watch import Watch

START, FINISH = ["QueryStart", "0", "0"], ["QueryFinish", "0", "3"]
INSERT, RENAME, MUTATE = "INSERT INTO t SELECT 1", "RENAME TABLE a TO b", "ALTER TABLE t UPDATE a = a + 1 WHERE 1"


def before(code):
    return ["ExceptionBeforeStart", str(code), "0"]


def meanwhile(code, written=0):
    return ["ExceptionWhileProcessing", str(code), str(written)]


def sent(sql):
    return Sent(sql, "startupctl-1-1-abc", "2026-11-23")


def watch(steps=None):
    return Watch((steps if steps is not None else []).append)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sql", "log", "fate"),
    [
        (INSERT, [START, FINISH], Fate.DONE),
        (RENAME, [FINISH], Fate.DONE),
        (INSERT, [], Fate.UNKNOWN),
        (INSERT, [START], Fate.UNKNOWN),
        (INSERT, [before(60)], Fate.UNTOUCHED),
        (INSERT, [before(241)], Fate.UNTOUCHED),
        (INSERT, [START, meanwhile(241)], Fate.UNTOUCHED),
        (INSERT, [START, meanwhile(241, written=7)], Fate.UNKNOWN),
        (RENAME, [START, meanwhile(394)], Fate.UNKNOWN),
        (RENAME, [before(60)], Fate.UNTOUCHED),
        (MUTATE, [before(47)], Fate.UNTOUCHED),
        (MUTATE, [before(341)], Fate.UNKNOWN),  # of DDL every exception is one before its start
        (MUTATE, [before(394)], Fate.UNKNOWN),
        (INSERT, [before(216)], Fate.UNKNOWN),  # another one of this name runs, or ran
        (INSERT, [START, FINISH, before(216)], Fate.DONE),
    ],
)
async def test_what_the_log_says_of_a_statement(sql, log, fate):
    assert await fate_of(Recorded(("system.query_log", log)), sent(sql), watch()) is fate


@pytest.mark.anyio
@pytest.mark.parametrize("code", [60, 497])
async def test_without_a_log_nothing_is_known(code):
    server = Recorded(("system.query_log", code), ("FLUSH LOGS", 497), ("system.processes", 497))
    assert await fate_of(server, sent(INSERT), watch()) is Fate.UNKNOWN


@pytest.mark.anyio
async def test_a_log_that_cannot_be_flushed_is_read_all_the_same():
    server = Recorded(("FLUSH LOGS", 497), ("system.query_log", [FINISH]))
    assert await fate_of(server, sent(INSERT), watch()) is Fate.DONE
    assert "event_date >= toDate('2026-11-23') AND query_id = 'startupctl-1-1-abc'" in server.sent[-1]


@pytest.mark.anyio
async def test_a_statement_that_still_runs_is_waited_for():
    steps = []
    server = Recorded(("system.processes", [["7"]], [["8"]], []), ("system.query_log", [FINISH]))
    assert await fate_of(server, sent(INSERT), watch(steps)) is Fate.DONE
    assert steps == [f"waiting for a statement that still runs on the server, for {n} s now" for n in (7, 8)]
    assert "query_id = 'startupctl-1-1-abc' OR hex(SHA256(query)) = '" in server.sent[0]


@pytest.mark.anyio
async def test_a_question_holds_no_words_of_the_statement():
    server = Recorded()
    await fate_of(server, sent("CREATE USER u IDENTIFIED BY 's3cret'"), watch())
    assert not any("s3cret" in sql for sql in server.sent)


@pytest.mark.anyio
async def test_a_lost_connection_is_no_answer():
    with pytest.raises(StatementFailed):
        await fate_of(Recorded(("system.processes", None)), sent(INSERT), watch())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sql", "code", "log", "again"),
    [
        ("CREATE TABLE IF NOT EXISTS t (a UInt8) ENGINE = Log", 241, [], True),
        ("CREATE TABLE t (a UInt8) ENGINE = Log", 57, [], True),
        ("CREATE TABLE t (a UInt8) ENGINE = Log", 36, [], True),
        ("CREATE TABLE t (a UInt8) ENGINE = Log", 159, [], False),
        (MUTATE, 341, [], False),
        (RENAME, 999, [], False),
        (RENAME, 60, [], True),
        (INSERT, 60, [], True),
        (INSERT, 62, [], True),
        (INSERT, 6, [], False),
        (INSERT, 241, [], False),
        (INSERT, 241, [START, meanwhile(241)], True),
        (INSERT, 241, [START, meanwhile(241, written=5)], False),
        ("INSERT INTO t VALUES (1), ('x')", 6, [], True),
        ("INSERT INTO t VALUES (1), ('x')", 252, [], False),
        (f"INSERT INTO t VALUES {'(1), ' * 200_000} ('x')", 6, [], False),
    ],
)
async def test_what_may_run_again_after_the_server_said_that_it_failed(sql, code, log, again):
    error = StatementFailed(str(code), "refused", FailureClass.PERMANENT)
    assert await may_run_again(Recorded(("system.query_log", log)), sent(sql), error) is again


@pytest.mark.anyio
async def test_nothing_may_run_again_when_nobody_heard_the_answer():
    error = StatementFailed("", "reset", FailureClass.TRANSIENT, lost=True)
    assert not await may_run_again(Recorded(), sent("DROP TABLE IF EXISTS t"), error)
