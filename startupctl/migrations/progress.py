"""How far a file is that runs in steps: what its row says, laid beside the steps it has now."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.ledger import State, running_hashes
from startupctl.migrations.lexer import normalised
from startupctl.migrations.steps import How

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.lexer import Lexicon
    from startupctl.migrations.steps import Step


class Progress(NamedTuple):
    """The step to go on with; `doubt` says that it was begun and nobody knows what became of it."""

    step: int
    doubt: bool = False


class Course:
    """The steps of one script, and the hashes that say which of them were begun.

    `way` keeps the hashes of one direction apart from those of the other.
    """

    def __init__(self, steps: Sequence[Step], lexicon: Lexicon, way: str = "") -> None:
        self.steps = tuple(steps)
        self.ends = tuple(accumulate((len(step.statements) for step in self.steps), initial=0))
        """How many statements are done before each step, and at the end."""
        parts = (part.text for step in self.steps for part in step.statements)
        texts = [*([way] if way else []), *(normalised(part, lexicon) for part in parts)]
        self._hashes = running_hashes(texts)[1 if way else 0 :]

    def begun(self, count: int) -> str:
        """Return what a row records when this many statements were begun."""
        return self._hashes[count]

    def progress(self, entry: Entry) -> Progress | None:
        """Return where to go on; None when what is done is no longer what the script begins with."""
        if entry.statement_no not in self.ends:
            return None
        step = self.ends.index(entry.statement_no)
        if entry.statements_hash == self.begun(entry.statement_no):
            return Progress(step)
        alone = step < len(self.steps) and self.steps[step].how is How.ALONE
        if alone and entry.statements_hash == self.begun(self.ends[step + 1]):
            return Progress(step, doubt=True)
        return None


def stopped(entry: Entry, course: Course, done: int) -> Entry | None:
    """Return the row of a file that stopped behind so many statements, for one with a statement in doubt.

    None where nothing is in doubt, or where none or all would be done.
    """
    progress = course.progress(entry)
    if progress is None or not progress.doubt or not 0 < done < course.ends[-1]:
        return None
    error = entry.error or "interrupted between two statements"
    return replace(entry, state=State.FAILED, statement_no=done, statements_hash=course.begun(done), error=error)
