"""Statements ON CLUSTER: the queue's rows are as its documentation has them, for no cluster runs here."""

import pytest

from recorded import Recorded
from startupctl.databases.session import StatementFailed
from startupctl.migrations.clickhouse import hosts
from startupctl.migrations.clickhouse.fate import Fate, Sent, fate_of
from startupctl.migrations.clickhouse.hosts import failure_of_hosts, wait_for_hosts
from startupctl.migrations.clickhouse.lexer import CLICKHOUSE
from startupctl.migrations.clickhouse.rows import Rows, Table
from startupctl.migrations.clickhouse.work import Work
from startupctl.migrations.lexer import Statement
from startupctl.migrations.progress import Course
from startupctl.migrations.steps import How, Step
from startupctl.migrations.watch import Watch

QUEUE = "system.distributed_ddl_queue"
SQL = "ALTER TABLE t ON CLUSTER c ADD COLUMN a UInt8"
NAME = "startupctl-1-1-abc"
DONE = ["one", "Finished", "0", ""]
FAILED = ["two", "Finished", "44", "Code: 44. DB::Exception: it is there"]
AT_WORK, WAITS = ["two", "Active", None, None], ["two", "Inactive", None, None]


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(hosts, "FIRST_LOOK", 0.001)


def watch(steps=None):
    return Watch((steps if steps is not None else []).append)


@pytest.mark.anyio
async def test_hosts_that_are_at_work_are_waited_for():
    steps = []
    server = Recorded((QUEUE, [DONE, WAITS], [DONE, AT_WORK], [DONE, ["two", "Finished", "0", ""]]))
    found = await wait_for_hosts(server, NAME, watch(steps))
    assert [host.is_done for host in found] == [True, True]
    assert failure_of_hosts(found) is None
    assert steps == ["waiting for two to execute a statement ON CLUSTER"] * 2
    assert f"settings['log_comment'] = '{NAME}'" in server.sent[0]


@pytest.mark.anyio
async def test_hosts_that_do_nothing_are_not_waited_for_endlessly(monkeypatch):
    monkeypatch.setattr(hosts, "PATIENCE", 0.05)
    failure = failure_of_hosts(await wait_for_hosts(Recorded((QUEUE, [DONE, WAITS])), NAME, watch()))
    assert (failure.code, "not executed by two" in failure.said) == ("159", True)


@pytest.mark.anyio
async def test_a_host_that_refused_is_named():
    failure = failure_of_hosts(await wait_for_hosts(Recorded((QUEUE, [DONE, FAILED])), NAME, watch()))
    assert (failure.code, failure.said) == ("44", "on two: Code: 44. DB::Exception: it is there")


@pytest.mark.anyio
@pytest.mark.parametrize("code", [139, 60, 497])
async def test_a_queue_that_cannot_be_read_knows_nothing(code):
    assert await wait_for_hosts(Recorded((QUEUE, code)), NAME, watch()) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("rows", "log", "fate"),
    [
        ([DONE], [], Fate.DONE),
        ([DONE, FAILED], [], Fate.UNKNOWN),
        ([], [["QueryFinish", "0", "0"]], Fate.DONE),
        ([], [["QueryStart", "0", "0"], ["ExceptionWhileProcessing", "159", "0"]], Fate.UNKNOWN),
    ],
)
async def test_what_became_of_a_statement_on_a_cluster(rows, log, fate):
    server = Recorded((QUEUE, rows), ("system.query_log", log))
    assert await fate_of(server, Sent(SQL, NAME, "2026-11-23"), watch()) is fate


def work_on(server):
    values = {"version": "1", "host": "here:1"}
    rows = Rows(server, Table("`m`"), values)
    rows.place, rows.started_at = "app.`m`", "2026-11-24 00:00:00.000000+00:00"
    return Work(server, rows, Course([Step((Statement(SQL, 0),), How.ALONE)], CLICKHOUSE), watch())


@pytest.mark.anyio
async def test_a_statement_that_timed_out_succeeds_with_its_hosts():
    server = Recorded((QUEUE, [WAITS], [DONE]), ("ADD COLUMN", 159))
    assert await work_on(server).carry_out(None)
    assert server.settings["log_comment"].startswith("startupctl-1-1-")


@pytest.mark.anyio
async def test_a_statement_that_timed_out_fails_with_its_hosts_and_what_they_said():
    server = Recorded((QUEUE, [DONE, FAILED]), ("ADD COLUMN", 159))
    with pytest.raises(StatementFailed) as caught:
        await work_on(server).carry_out(None)
    assert (caught.value.code, caught.value.done) == ("44", 0)


@pytest.mark.anyio
async def test_a_statement_that_nobody_knows_of_any_more_stays_in_doubt():
    server = Recorded((QUEUE, []), ("ADD COLUMN", 159))
    with pytest.raises(StatementFailed) as caught:
        await work_on(server).carry_out(None)
    assert caught.value.code == "159"
    assert "a part of what this statement does may be" in caught.value.kept
