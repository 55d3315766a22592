"""One file on its way into a ClickHouse: statement by statement, each recorded before it begins.

A row says how many statements are known to have succeeded, and its hash covers those that were begun. So
whoever comes later knows which one is in doubt, asks the server what became of it, and goes on there.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.migrations.failed import first_line, half_applied
from startupctl.migrations.fate_clickhouse import Fate, Sent, fate_of, may_run_again
from startupctl.migrations.hosts_clickhouse import MARK, TIMED_OUT, failure_of_hosts, wait_for_hosts
from startupctl.migrations.idempotent_clickhouse import is_distributed, is_idempotent, keeps_session
from startupctl.migrations.ledger import State
from startupctl.migrations.lexer import normalised
from startupctl.migrations.lexer_clickhouse import CLICKHOUSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.clickhouse import ClickHouseSession
    from startupctl.diagnosis import Diagnosis
    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.lexer import Statement
    from startupctl.migrations.rows_clickhouse import Rows
    from startupctl.migrations.script import Migration
    from startupctl.migrations.watch import Watch

INTERRUPTED = "interrupted between two statements"


class Course(NamedTuple):
    """How far a file has come: statements known to have succeeded, and whether the next one was begun."""

    done: int
    in_doubt: bool


def hashes_of(parts: Sequence[Statement]) -> list[str]:
    """Return the hash of the first 0, 1, 2 … statements, as `ledger.combined_hash` makes it."""
    hashes, digest = [""], hashlib.sha256()
    for number, part in enumerate(parts):
        digest.update(("\0" * (number > 0) + normalised(part.text, CLICKHOUSE)).encode())
        hashes.append(digest.hexdigest())
    return hashes


def course_of(entry: Entry, hashes: Sequence[str]) -> Course | None:
    """Return how far a file has come by its row; None when what was begun of it has been edited since."""
    for begun in (0, 1):
        covered = hashes[entry.statement_no + begun :][:1]
        if covered == [entry.statements_hash]:
            return Course(entry.statement_no, in_doubt=begun == 1)
    return None


class Work:
    """One file, its rows and the session it is applied in."""

    def __init__(
        self, session: ClickHouseSession, rows: Rows, migration: Migration, parts: Sequence[Statement], watch: Watch
    ) -> None:
        """Nothing is sent yet; `parts` are the statements of the way up."""
        self._session, self._rows, self._watch = session, rows, watch
        self._migration, self._parts = migration, parts
        self._hashes = hashes_of(parts)

    async def carry_out(self, entry: Entry | None, ways_out: tuple[str, str]) -> None:
        """Apply the file, behind what `entry` says was done; raises StatementFailed, Unhealthy (MIG003, LCK002)."""
        begin = await self._begin(entry, ways_out) if entry and not entry.state.is_applied else 0
        await self._session.renew()
        for part in self._parts[:begin]:
            if keeps_session(part.text):
                await self._session.execute(part.text)
        for number in range(begin, len(self._parts)):
            await self._step(number)
        await self._write(State.DONE, len(self._parts), len(self._parts))

    async def _begin(self, entry: Entry, ways_out: tuple[str, str]) -> int:
        """Return the number of the statement to go on with; raises Unhealthy (MIG003) when that is not known."""
        course = course_of(entry, self._hashes)
        if course is None or not course.in_doubt:
            return course.done if course else 0
        sent = self._sent(course.done, entry.revision - (entry.state is State.FAILED), entry)
        fate = await fate_of(self._session, sent, self._watch)
        if fate is Fate.UNKNOWN and not is_idempotent(sent.sql):
            raise Unhealthy(self._doubt(entry, course.done, ways_out))
        return course.done + (fate is Fate.DONE)

    def _doubt(self, entry: Entry, number: int, ways_out: tuple[str, str]) -> Diagnosis:
        found = half_applied(self._migration, entry, ways_out, len(self._parts))
        known = f"{found.facts['known']}, statement {number + 1} was begun: {first_line(self._parts[number].text)}"
        return replace(found, facts={**found.facts, "known": known})

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
        revision = self._rows.revision
        clean = await may_run_again(self._session, self._sent(number, revision), error)
        await self._write(State.FAILED, number, number if clean else number + 1, error.said)

    async def _write(self, state: State, done: int, begun: int, error: str = "") -> int:
        """Add the row that stands from now on; return its revision."""
        return await self._rows.write(state, done, self._hashes[begun], error)

    def _sent(self, number: int, revision: int, entry: Entry | None = None) -> Sent:
        """Return a statement with its name, which follows from the row before it: no other try has this name."""
        started, host = (entry.started_at, entry.host) if entry else (self._rows.started_at, self._rows.host)
        sql = self._parts[number].text
        version = self._migration.version
        text = "\0".join((self._rows.place, version, str(number), sql, started, host, str(revision)))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        day = date.fromisoformat(started[:10]) - timedelta(days=1)
        return Sent(sql, f"startupctl-{version}-{number + 1}-{digest}", day.isoformat())
