"""One migration on its way into one PostgreSQL database, or back: in one transaction, or in steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.codes import LOCK_UNSAFE
from startupctl.migrations.failed import half_applied
from startupctl.migrations.ledger import State
from startupctl.migrations.postgres.doubt import can_be_settled
from startupctl.migrations.postgres.index import drop_left_behind
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.postgres.natures import Nature, nature_of, survives_nowhere
from startupctl.migrations.postgres.rows import PostgresRow
from startupctl.migrations.postgres.sendable import require_sendable
from startupctl.migrations.postgres.steps import is_simple, parts_of, steps_of
from startupctl.migrations.postgres.stepwise import Walk
from startupctl.migrations.postgres.waiting import wait_for_orphans
from startupctl.migrations.postgres.whole import note_failure, run_whole
from startupctl.migrations.progress import DOWN, Course, Progress, goes_on, what_is_in_doubt
from startupctl.migrations.steps import How
from startupctl.threads import aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.postgres import PostgresSession
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration, Script
    from startupctl.migrations.steps import Step

PAST_POOLER = "set `migrations.url` to the server itself, past the pooler"
_STAYS_SHARED = re.compile(r"\bPREPARE\b|\bpg_(?:try_)?advisory_lock", re.IGNORECASE)


class Work:
    """What is to be done with one migration; `ledger` knows its table by schema and name."""

    def __init__(
        self, ledger: Ledger[PostgresSession], table: str, session: PostgresSession, migration: Migration
    ) -> None:
        self._ledger, self._session, self._migration = ledger, session, migration
        values = ledger.values(migration, State.RUNNING)
        self._row = PostgresRow(table, values, repeatable=migration.repeatable)

    async def apply(self, entry: Entry | None) -> bool:
        """Apply and record it; False when somebody else did. `entry` is what an earlier try, or content, left."""
        script = self._migration.up
        steps = await aside(script.text, self._steps, script)
        if steps:
            return await self._walk(steps, entry)
        content = self._row.values["content_sha256"]
        before = [self._row.clear()] if entry else []
        try:
            return await run_whole(
                self._session, script, [*before, self._row.insert(statements_sha256=content)], self._row.finish()
            )
        except StatementFailed as error:
            await note_failure(self._session, self._row, error)
            raise

    async def revert(self) -> None:
        """Run the way down and remove the row."""
        script = self._migration.down
        assert script is not None
        steps = self._steps(script)
        if not steps:
            await run_whole(self._session, script, [self._row.require()], self._row.remove())
            return
        course, left = Course(steps, POSTGRES, DOWN), await self._entry()
        progress = course.progress(left) if left else None
        if left and progress:
            await wait_for_orphans(self._session, left.host)
            await self._session.execute(self._row.take_over())
        else:
            await self._session.execute(self._row.turn_back(course.begun(0)))
        await Walk(self._session, self._row, course).go_on(progress or Progress(0), self._row.remove())

    def _steps(self, script: Script) -> list[Step]:
        """Return the steps of a script that is not one transaction; raises Unhealthy (LCK003) and StatementFailed."""
        simple = is_simple(script)
        steps = [] if simple else steps_of(script)
        if self._session.shared and _needs_own_session(script, steps):
            what = (
                f"`{script.path}` needs a session of the server for itself, and a pooler shares it between transactions"
            )
            raise Unhealthy(Diagnosis(LOCK_UNSAFE, {"what": what, "cure": PAST_POOLER}))
        require_sendable(script)
        return [] if [step.how for step in steps] == [How.FILE] else steps

    async def _walk(self, steps: list[Step], entry: Entry | None) -> bool:
        course, progress = Course(steps, POSTGRES), Progress(0)
        if entry is None:
            begun = await self._session.rows(self._row.begin())
        elif entry.state.is_applied:
            begun = await self._session.rows(self._row.take_over(statement_no="0", statements_sha256=""))
        else:
            progress = await self._pick_up(entry, course)
            begun = await self._session.rows(self._row.take_over())
        if begun and not await Walk(self._session, self._row, course).go_on(progress, self._row.finish()):
            assert entry is not None
            raise self._half_applied(entry, course)
        return bool(begun)

    async def _pick_up(self, entry: Entry, course: Course) -> Progress:
        """Wait until nobody works for an earlier try any more, and return where to go on; raises Unhealthy (MIG003)."""
        await wait_for_orphans(self._session, entry.host)
        left = await self._entry() or entry
        progress = course.progress(left)
        if progress is None:
            raise self._half_applied(left, course)
        await drop_left_behind(self._session, left.error)
        return progress

    async def _entry(self) -> Entry | None:
        """Return the row as it is now, if there is one."""
        entries = await self._ledger.read(self._session)
        return next((entry for entry in entries if entry.version == self._migration.version), None)

    def _half_applied(self, entry: Entry, course: Course) -> Unhealthy:
        total, ways_out = course.ends[-1], self._ledger.ways_out(entry)
        return Unhealthy(half_applied(self._migration, entry, ways_out, total, what_is_in_doubt(entry, course)))


def resumes(entry: Entry, script: Script) -> bool:
    """Whether a script that was begun can go on: what is done is unchanged, and what is in doubt can be seen."""
    return goes_on(entry, Course(steps_of(script), POSTGRES), survives_nowhere, can_be_settled)


def _needs_own_session(script: Script, steps: Sequence[Step]) -> bool:
    """Whether a script must have a session of the server for itself, also between its transactions."""
    if [step.how for step in steps] in ([], [How.FILE]):
        return bool(_STAYS_SHARED.search(script.text)) and any(survives_nowhere(part.text) for part in parts_of(script))
    parts = [part.text for step in steps for part in step.statements]
    outside = any(step.how in (How.ALONE, How.WHOLE) for step in steps)
    return outside or any(nature_of(text) is Nature.STATE or survives_nowhere(text) for text in parts)
