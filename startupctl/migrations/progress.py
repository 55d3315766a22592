"""How far a file is that runs in steps: what its row says, laid beside the steps it has now."""

from __future__ import annotations

import hashlib
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.failed import first_line
from startupctl.migrations.ledger import State
from startupctl.migrations.lexer import normalised
from startupctl.migrations.steps import How

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.lexer import Lexicon
    from startupctl.migrations.steps import Step


DOWN = "down"
INTERRUPTED = "interrupted between two statements"


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


def running_hashes(texts: Sequence[str]) -> list[str]:
    """Return one sha256 for the first 0, 1, 2 ... texts, in order; that of none is empty."""
    hashes, digest = [""], hashlib.sha256()
    for number, text in enumerate(texts):
        digest.update(("\0" * (number > 0) + text).encode())
        hashes.append(digest.hexdigest())
    return hashes


def stopped(entry: Entry, course: Course, done: int) -> Entry | None:
    """Return the row of a file that stopped behind so many statements, for one with a statement in doubt.

    None where nothing is in doubt, or where none or all would be done.
    """
    progress = course.progress(entry)
    if progress is None or not progress.doubt or not 0 < done < course.ends[-1]:
        return None
    error = entry.error or INTERRUPTED
    return entry._replace(state=State.FAILED, statement_no=done, statements_hash=course.begun(done), error=error)


def goes_on(
    entry: Entry, course: Course, ends_with_session: Callable[[str], bool], can_be_settled: Callable[[str], bool]
) -> bool:
    """Whether a script that was begun can go on: what is done is unchanged, and what is in doubt can be seen.

    The dialect says of a statement whether all it did is gone with its session, and whether it can be settled.
    """
    progress = course.progress(entry)
    if progress is None:
        return False
    done = (part.text for step in course.steps[: progress.step] for part in step.statements)
    if any(map(ends_with_session, done)):
        return False
    return not progress.doubt or can_be_settled(course.steps[progress.step].statements[0].text)


def what_is_in_doubt(entry: Entry, course: Course) -> str:
    """Say why a script cannot go on by itself."""
    progress = course.progress(entry)
    if progress and progress.doubt:
        return f"whether `{first_line(course.steps[progress.step].statements[0].text)}` succeeded is not known"
    if progress:
        return "what they left in their session, as a temporary table, is gone with it"
    if entry.statement_no:
        return "they, or what follows them, are not what the file says now"
    return "it commits by itself, and where it stopped is not known"
