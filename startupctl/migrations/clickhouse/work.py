"""One script on its way into a ClickHouse: statement by statement, each recorded before it begins.

A row says how many statements are known to have succeeded, and its hash covers those that were begun. So
whoever comes later knows which one is in doubt, asks the server what became of it, and goes on there.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.migrations.clickhouse.fate import Fate, Sent, fate_of, may_run_again
from startupctl.migrations.clickhouse.hosts import MARK, TIMED_OUT, failure_of_hosts, wait_for_hosts
from startupctl.migrations.clickhouse.idempotent import is_distributed, is_idempotent, keeps_session
from startupctl.migrations.ledger import State
from startupctl.migrations.progress import INTERRUPTED
from startupctl.redact import masked

if TYPE_CHECKING:
    from startupctl.databases.clickhouse import ClickHouseSession
    from startupctl.migrations.clickhouse.rows import Rows
    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.progress import Course
    from startupctl.migrations.watch import Watch

GOES_ON = "What the file did before is kept, and the next run goes on with this statement."
MAY_BE_HALF = (
    "What the file did before is kept, and a part of what this statement does may be; the next run asks the server."
)


class Work:
    """The statements of one script, its rows and the session they run in; `course` says in which way."""

    def __init__(self, session: ClickHouseSession, rows: Rows, course: Course, watch: Watch) -> None:
        """Nothing is sent yet."""
        self._session, self._rows, self._course, self._watch = session, rows, course, watch
        self._parts = [part.text for step in course.steps for part in step.statements]

    async def carry_out(self, entry: Entry | None) -> bool:
        """Run what is left behind what `entry` says was done; False when nobody knows what that is, then nothing was run.

        Raises StatementFailed with the place in the script, and Unhealthy (LCK002).
        """
        begin = await self._begin(entry) if entry and not entry.state.is_applied else 0
        if begin is None:
            return False
        await self._session.renew()
        for sql in self._parts[:begin]:
            if keeps_session(sql):
                await self._session.execute(sql)
        for number in range(begin, len(self._parts)):
            await self._step(number)
        return True

    async def _begin(self, entry: Entry) -> int | None:
        """Return the number of the statement to go on with; None when that is not known."""
        progress = self._course.progress(entry)
        if progress is None or not progress.doubt:
            return progress.step if progress else None
        sent = self._sent(progress.step, entry.revision - (entry.state is State.FAILED), entry)
        fate = await fate_of(self._session, sent, self._watch)
        if fate is Fate.UNKNOWN and not is_idempotent(sent.sql):
            return None
        return progress.step + (fate is Fate.DONE)

    async def _step(self, number: int) -> None:
        """Record that a statement begins, and run it."""
        done = number
        try:
            await self._watch.ensure()
            revision = await self._write(State.RUNNING, number, number + 1)
            done += 1
            await self._send(number, revision)
        except StatementFailed as error:
            error.done = number
            if done > number:
                await self._note_failure(number, error)
            raise
        except asyncio.CancelledError as ended:
            if ended.__cause__ is None:  # else it was killed, and may have left a part of its work
                await self._write(State.FAILED, done, done, INTERRUPTED)
            raise

    async def _send(self, number: int, revision: int) -> None:
        sent = self._sent(number, revision)
        if not is_distributed(sent.sql):
            await self._session.execute(sent.sql, query_id=sent.query_id)
            return
        try:
            await self._session.execute(sent.sql, query_id=sent.query_id, settings={MARK: sent.query_id})
        except StatementFailed as error:
            hosts = await wait_for_hosts(self._session, sent.query_id, self._watch) if error.code == TIMED_OUT else []
            failure = failure_of_hosts(hosts) if hosts else error
            if failure:
                raise failure from error

    async def _note_failure(self, number: int, error: StatementFailed) -> None:
        """Record a failure that the server has told; a statement that may have done a part of its work stays in doubt."""
        if error.lost:
            return
        error.kept = MAY_BE_HALF
        sent = self._sent(number, self._rows.revision)
        with suppress(StatementFailed):  # the error that counts is the first; without a row it stays in doubt
            clean = await may_run_again(self._session, sent, error)
            await self._write(State.FAILED, number, number if clean else number + 1, masked(error.said))
            error.kept = GOES_ON if clean else MAY_BE_HALF

    async def _write(self, state: State, done: int, begun: int, error: str = "") -> int:
        """Add the row that stands from now on; return its revision."""
        return await self._rows.write(state, done, self._course.begun(begun), error)

    def _sent(self, number: int, revision: int, entry: Entry | None = None) -> Sent:
        """Return a statement with its name, which follows from the row before it: no other try has this name."""
        started, host = (entry.started_at, entry.host) if entry else (self._rows.started_at, self._rows.host)
        sql, version = self._parts[number], self._rows.version
        text = "\0".join((self._rows.place, version, self._course.begun(number), sql, started, host, str(revision)))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        day = date.fromisoformat(started[:10]) - timedelta(days=1)
        return Sent(sql, f"startupctl-{version}-{number + 1}-{digest}", day.isoformat())
