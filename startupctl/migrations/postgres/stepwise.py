"""A file in steps, its row telling how far it is: what no transaction can hold, and what has several of its own.

A statement that runs outside of a transaction is recorded as begun before it is sent and as done after; every
other step advances the row in its own transaction.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.failed import GOES_ON
from startupctl.migrations.lexer import words
from startupctl.migrations.postgres.doubt import Became, settle
from startupctl.migrations.postgres.index import invalid_indexes, left_behind, read_build, require_free
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.postgres.message import Message
from startupctl.migrations.postgres.natures import Nature, begins, nature_of
from startupctl.migrations.postgres.rows import OURSELVES
from startupctl.migrations.postgres.whole import SHORT_WAITS, patiently, reset, unlimited
from startupctl.migrations.steps import How
from startupctl.redact import masked

if TYPE_CHECKING:
    from startupctl.databases.postgres import PostgresSession
    from startupctl.migrations.postgres.index import IndexBuild
    from startupctl.migrations.progress import Course, Progress
    from startupctl.migrations.rows import LedgerRow
    from startupctl.migrations.steps import Step

COMMITTED = "What it had committed before is kept; the next run stops, and names two ways out."
ENDS_TRANSACTION = frozenset({Nature.CLOSE, Nature.OTHER, Nature.ALONE, Nature.UNKNOWN})


class Walk:
    """The steps of one script on their way into one database; the row is `running`, and this process's."""

    def __init__(self, session: PostgresSession, row: LedgerRow, course: Course) -> None:
        self._session, self._row, self._course = session, row, course

    async def go_on(self, progress: Progress, last: str) -> bool:
        """Run what is left, and `last`; False when the statement in doubt stays in doubt, then nothing was run.

        Raises StatementFailed with the place in the script; the row then says where it stopped.
        """
        first, ends = progress.step, self._course.ends
        await self._own(first, *self._endless())
        if progress.doubt:
            became = await settle(self._session, self._course.steps[first].statements[0].text)
            if became is Became.UNKNOWN:
                return False
            if became is Became.DONE:
                first += 1
                await self._mark(first, ends[first], ends[first])
        for number in range(first, len(self._course.steps)):
            await self._run(number)
        await self._owned(0, last, *reset(self._session))
        return True

    async def _run(self, number: int) -> None:
        step, done = self._course.steps[number], self._course.ends[number]
        try:
            if step.how is How.ALONE:
                await self._alone(number, step)
            elif step.how is How.WHOLE:
                await self._whole(number, step)
            else:
                await patiently(lambda: self._recorded(number, step))
        except StatementFailed as error:
            await self._refused(step, done, error)
            error.done = None if error.done is None else error.done + done
            raise

    async def _recorded(self, number: int, step: Step) -> None:
        """Run a step in a transaction that advances the row first."""
        end = self._course.ends[number + 1]
        begin, script = Message(), Message()
        begin.ours(*OURSELVES, *begins(step.opening))
        begin.opening(step.opening)
        begin.ours(*unlimited(self._session), self._row.mark(end, self._course.begun(end)), SHORT_WAITS)
        script.ours(*self._state(number))
        script.main(step.statements)
        script.ours("COMMIT")
        try:
            _require_row(await self._sent(begin, step))
            await self._sent(script, step)
        except BaseException:
            await self._session.roll_back()
            raise

    async def _alone(self, number: int, step: Step) -> None:
        """Run a statement outside of a transaction, recorded as begun before."""
        done, session = self._course.ends[number], self._session
        build = read_build(step.statements[0].text)
        script = Message()
        script.main(step.statements)
        before = await self._room(build) if build else {}
        await self._mark(number, done, done + 1)
        try:
            await self._sent(script, step)
        except StatementFailed as error:
            if build and not error.lost:
                error.said += left_behind(before, await invalid_indexes(session, build))
            raise
        await self._mark(number + 1, done + 1, done + 1)

    async def _room(self, build: IndexBuild) -> dict[str, str]:
        """Return the indexes of the table that are invalid before it is begun; raises StatementFailed when the name is taken."""
        try:
            await require_free(self._session, build)
        except StatementFailed as error:
            error.done = 0
            raise
        return await invalid_indexes(self._session, build)

    async def _whole(self, number: int, step: Step) -> None:
        """Run all statements as they are, with their own transactions."""
        script = Message()
        script.main(step.statements)
        await self._mark(number, 0, len(step.statements))
        try:
            await self._sent(script, step)
            if self._session.in_transaction:
                said = "it leaves a transaction open; what is in it was rolled back"
                raise StatementFailed("", said, FailureClass.PERMANENT, done=len(step.statements) - 1)
        finally:
            await self._session.roll_back()

    async def _refused(self, step: Step, done: int, error: StatementFailed) -> None:
        """Record where the server refused it, unless the connection is gone; the error that counts is the first."""
        if error.lost:
            return
        ran = step.statements[: (error.done or 0) + 1]
        kept = step.how is How.WHOLE and any(nature_of(part.text) in ENDS_TRANSACTION for part in ran)
        begun = self._course.begun(len(step.statements) if kept else done)
        error.kept = COMMITTED if kept else GOES_ON.format(done=done)
        with suppress(StatementFailed):
            await self._owned(0, self._row.fail(done, begun, masked(error.said)))

    async def _mark(self, number: int, done: int, begun: int) -> None:
        """Say in the row how many statements are done and begun, before step `number`."""
        await self._owned(number, self._row.mark(done, self._course.begun(begun)))

    async def _owned(self, number: int, *statements: str) -> None:
        _require_row(await self._own(number, *statements))

    async def _own(self, number: int, *statements: str) -> bool:
        """Send statements of ours, then what the script has set before step `number`; say whether ours returned a row."""
        state = self._state(number)
        try:
            found = bool(await self._session.rows("; ".join((*OURSELVES, *statements))))
            if state:
                await self._session.execute(";\n".join(state))
        except StatementFailed as error:
            error.position = error.done = None
            raise
        return found

    async def _sent(self, message: Message, step: Step) -> bool:
        try:
            return bool(await self._session.rows(message.text))
        except StatementFailed as error:
            message.locate(error, len(step.statements))
            raise

    def _endless(self) -> list[str]:
        """Return what lets statements outside of a transaction take as long as they take; a shared session runs none."""
        names = () if self._session.shared else ("lock_timeout", *self._session.limits)
        return [f"SET {name} = 0" for name in names]

    def _state(self, number: int) -> list[str]:
        """Return the statements before a step that have changed the session, to be sent again."""
        texts: list[str] = []
        for part in (part for step in self._course.steps[:number] for part in step.statements):
            if nature_of(part.text) is Nature.STATE:
                texts.append(part.text)
            elif words(part.text, POSTGRES, 2) == ("DISCARD", "ALL"):
                texts.clear()
        return texts


def _require_row(found: bool) -> None:  # noqa: FBT001  (what a statement of ours said)
    """Raise StatementFailed when the row is no longer the one this process has begun."""
    if not found:
        said = "another process has taken this migration over, or removed its row"
        raise StatementFailed("", said, FailureClass.TRANSIENT)
