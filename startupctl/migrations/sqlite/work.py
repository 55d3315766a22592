"""One migration on its way into one SQLite database, or back: in one transaction, or in steps."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.failed import NOTHING_KEPT, half_applied
from startupctl.migrations.ledger import State
from startupctl.migrations.progress import DOWN, Course, goes_on, what_is_in_doubt
from startupctl.migrations.rows import LedgerRow
from startupctl.migrations.sqlite.doubt import can_be_settled, runs_again
from startupctl.migrations.sqlite.lexer import SQLITE
from startupctl.migrations.sqlite.steps import ends_with_session, first_boundary, steps_of
from startupctl.migrations.sqlite.stepwise import Walk, patiently, send, transaction
from startupctl.migrations.steps import How
from startupctl.redact import masked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from startupctl.databases.sqlite import SqliteSession
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration, Script
    from startupctl.migrations.steps import Step

# without one of these words a file leaves nothing in the session
_LEAVES = re.compile(r"\b(?:PRAGMA|ATTACH|TEMP|TEMPORARY)\b", re.IGNORECASE)
UNPAIRED = "the BEGIN and COMMIT of this file do not take turns, or it rolls back; nothing of it was run"


class Work:
    """What is to be done with one migration; `table` is quoted, `now` is the time as the ledger writes it."""

    def __init__(
        self, ledger: Ledger[SqliteSession], table: str, now: str, session: SqliteSession, migration: Migration
    ) -> None:
        self._ledger, self._session, self._migration = ledger, session, migration
        values = ledger.values(migration, State.RUNNING)
        self._row = LedgerRow(table, values, now, repeatable=migration.repeatable)

    async def apply(self, entry: Entry | None) -> bool:
        """Apply and record it; False when somebody else did. `entry` is what an earlier try, or content, left."""
        script = self._migration.up
        steps = _steps(script)
        if steps[0].how is not How.FILE:
            async with self._left_clean(script):
                return await self._walk(steps, entry)
        try:
            async with self._left_clean(script):
                return await patiently(lambda: self._whole(steps, clear=entry is not None))
        except StatementFailed as error:
            error.kept = NOTHING_KEPT
            await self._note_failure(error)
            raise

    async def revert(self) -> None:
        """Run the way down and remove the row."""
        script = self._migration.down
        assert script is not None
        steps = _steps(script)
        async with self._left_clean(script):
            if steps[0].how is How.FILE:
                await patiently(lambda: self._whole_back(steps))
            else:
                await self._walk_back(steps)

    async def _whole(self, steps: Sequence[Step], *, clear: bool) -> bool:
        """Run a file and record it, in one transaction."""
        content = self._row.values["content_sha256"]
        async with transaction(self._session):
            if clear:
                await self._session.execute(self._row.clear())
            if not await self._session.rows(self._row.begin(statements_sha256=content)):
                return False
            await send(self._session, steps[0].statements)
            if not await self._session.rows(self._row.finish()):
                said = "the row of this migration is gone: the script has removed it"
                raise StatementFailed("", said, FailureClass.PERMANENT)
        return True

    async def _whole_back(self, steps: Sequence[Step]) -> None:
        """Run a way down and remove the row, in one transaction; without a row somebody else did."""
        async with transaction(self._session):
            if await self._session.rows(self._row.remove()):
                await send(self._session, steps[0].statements)

    async def _walk(self, steps: Sequence[Step], entry: Entry | None) -> bool:
        course, first = Course(steps, SQLITE), 0
        if entry is None:
            begin = self._row.begin()
        elif entry.state.is_applied:
            begin = self._row.take_over(statement_no="0", statements_sha256="")
        else:
            first, begin = await self._pick_up(entry, course), self._row.take_over()
        if not await patiently(lambda: self._session.rows(begin)):
            return False
        await Walk(self._session, self._row, course).go_on(first, self._row.finish())
        return True

    async def _pick_up(self, entry: Entry, course: Course) -> int:
        """Return the step to go on with; raises Unhealthy (MIG003)."""
        progress = course.progress(entry)
        if progress is None or not goes_on(entry, course, ends_with_session, can_be_settled):
            raise self._half_applied(entry, course)
        if progress.doubt and not await runs_again(course.steps[progress.step].statements[0].text):
            raise self._half_applied(entry, course)
        return progress.step

    def _half_applied(self, entry: Entry, course: Course) -> Unhealthy:
        total, ways_out = course.ends[-1], self._ledger.ways_out(entry)
        return Unhealthy(half_applied(self._migration, entry, ways_out, total, what_is_in_doubt(entry, course)))

    async def _walk_back(self, steps: Sequence[Step]) -> None:
        course = Course(steps, SQLITE, DOWN)
        entries = await self._ledger.read(self._session)
        left = next((entry for entry in entries if entry.version == self._migration.version), None)
        progress = course.progress(left) if left else None
        first = await self._pick_up(left, course) if left and progress else 0
        begin = self._row.take_over() if progress else self._row.turn_back(course.begun(0))
        if await patiently(lambda: self._session.rows(begin)):
            await Walk(self._session, self._row, course).go_on(first, self._row.remove())

    async def _note_failure(self, error: StatementFailed) -> None:
        """Record why a file failed that has left nothing; nothing depends on it."""
        if error.failure is not FailureClass.CONTENTION:
            with suppress(StatementFailed):
                await self._session.execute(self._row.note_failure(masked(error.said)))

    @asynccontextmanager
    async def _left_clean(self, script: Script) -> AsyncIterator[None]:
        """Leave a session in which nothing is set, attached or temporary that the script leaves."""
        try:
            yield
        finally:
            if _LEAVES.search(script.text):
                await self._session.renew()


def resumes(entry: Entry, script: Script) -> bool:
    """Whether a script that was begun can go on: what is done is unchanged, and what is in doubt can be seen."""
    return goes_on(entry, Course(steps_of(script), SQLITE), ends_with_session, can_be_settled)


def _steps(script: Script) -> list[Step]:
    """Return the steps of a script; raises StatementFailed when its transactions do not pair."""
    steps = steps_of(script)
    if steps[0].how is How.WHOLE:
        raise StatementFailed("", UNPAIRED, FailureClass.PERMANENT, done=first_boundary(steps[0].statements))
    return steps
