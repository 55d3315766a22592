"""A ledger whose files may run in steps: what its rows say of a file that stopped between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from startupctl.migrations.ledger import Ledger

if TYPE_CHECKING:
    from startupctl.databases.session import Session
    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.progress import Course
    from startupctl.migrations.script import Migration

S = TypeVar("S", bound="Session")


class SteppedLedger(Ledger[S]):
    """A ledger of files that are one transaction or several steps; a dialect says which, and what can be settled."""

    def turns_back(self, entry: Entry, migration: Migration) -> bool:
        """Whether the row says how far the way down is."""
        from startupctl.migrations.progress import DOWN, Course

        steps = self.steps(migration.down) if migration.down else []
        return bool(steps) and Course(steps, self.lexicon, DOWN).progress(entry) is not None

    def doubt(self, entry: Entry, migration: Migration) -> str:
        """Return why a file does not go on by itself."""
        from startupctl.migrations.progress import what_is_in_doubt

        return what_is_in_doubt(entry, self._course(migration))

    def pending_again(self, entry: Entry, migration: Migration) -> Entry | None:
        """Return the row with which a file goes on with the statement in doubt."""
        return self._stopped(entry, migration, entry.statement_no)

    def accepted(self, entry: Entry, migration: Migration) -> Entry:
        """Return the row with which a file goes on behind the statement in doubt; applied, when that was the last one."""
        behind = self._stopped(entry, migration, entry.statement_no + 1)
        return behind or super().accepted(entry, migration)

    def _stopped(self, entry: Entry, migration: Migration, done: int) -> Entry | None:
        from startupctl.migrations.progress import stopped

        return stopped(entry, self._course(migration), done)

    def _course(self, migration: Migration) -> Course:
        from startupctl.migrations.progress import Course

        return Course(self.steps(migration.up), self.lexicon)
