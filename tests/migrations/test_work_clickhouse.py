"""The name of a statement follows from the row before it, so that whoever comes later finds it in the server's log."""

from contextlib import suppress

import pytest

from recorded import Recorded
from startupctl.databases.session import StatementFailed
from startupctl.migrations.clickhouse.lexer import CLICKHOUSE, statements
from startupctl.migrations.clickhouse.rows import Rows, Table
from startupctl.migrations.clickhouse.work import Work
from startupctl.migrations.ledger import Entry, State
from startupctl.migrations.progress import Course
from startupctl.migrations.steps import How, Step
from startupctl.migrations.watch import Watch

TABLE = Table("`m`")
COURSE = Course(
    [Step((part,), How.ALONE) for part in statements("SELECT 1; INSERT INTO t SELECT 2; SELECT 3")], CLICKHOUSE
)
STARTED = "2026-11-24 00:00:00.000000+00:00"


class Server(Recorded):
    """Keeps the rows of the ledger that are written to it."""

    def __init__(self, *answers, database="app"):
        super().__init__(*answers)
        self.database, self.entries = database, []

    async def rows(self, sql):
        if "currentDatabase()" in sql:
            return [[self.database, STARTED, str(self.entries[-1].revision if self.entries else 0)]]
        return await super().rows(sql)

    @property
    def last(self):
        return self.entries[-1]


class Kept(Rows):
    """Rows as the ledger reads them again."""

    async def write(self, state, done, begun_hash, error=""):
        revision = await super().write(state, done, begun_hash, error)
        times = {"started_at": self.started_at, "host": self.host, "error": error, "revision": revision}
        self._session.entries.append(Entry("7", "7_x.sql", "plain", "", "", state, done, begun_hash, **times))
        return revision


async def work(server, entry=None, host="here:1"):
    rows = Kept(server, TABLE, {"version": "7", "host": host})
    await rows.begin(entry)
    with suppress(StatementFailed):
        return await Work(server, rows, COURSE, Watch(lambda _: None)).carry_out(entry)


def asked_for(server):
    """Return the names that the log was asked for."""
    return [sql.rpartition("query_id = '")[2].rstrip("'") for sql in server.sent if "system.query_log" in sql]


@pytest.mark.anyio
async def test_whoever_comes_later_asks_for_the_name_that_was_sent():
    killed = Server(("INSERT INTO t", None))
    await work(killed)
    assert (killed.last.state, killed.last.statement_no) == (State.RUNNING, 1)
    later = Server(("system.query_log", [["QueryFinish", "0", "1"]]))
    assert await work(later, killed.last, host="there:2")
    assert asked_for(later) == [killed.names[-1]]
    assert killed.names[-1].startswith("startupctl-7-2-")
    assert [sql for sql in later.sent if sql.startswith("SELECT 3")]
    assert not [sql for sql in later.sent if sql.startswith("INSERT INTO t")]


@pytest.mark.anyio
async def test_so_does_who_comes_after_a_failure_that_was_heard():
    failed = Server(("INSERT INTO t", 241), ("system.query_log", [["ExceptionWhileProcessing", "241", "3"]]))
    await work(failed)
    assert (failed.last.state, failed.last.statement_no) == (State.FAILED, 1)
    assert COURSE.progress(failed.last).doubt
    later = Server(("system.query_log", [["ExceptionWhileProcessing", "241", "3"]]))
    assert await work(later, failed.last) is False
    assert asked_for(later) == [failed.names[-1]]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("revision", "database", "host"), [(9, "app", "here:1"), (0, "other", "here:1"), (0, "app", "there:2")]
)
async def test_no_other_try_has_the_name(revision, database, host):
    first, other = Server(("INSERT INTO t", None)), Server(("INSERT INTO t", None), database=database)
    other.entries = [Entry("7", "", "", "", "", State.FAILED, revision=revision)]
    await work(first)
    await work(other, host=host)
    assert first.names[-1] != other.names[-1]
