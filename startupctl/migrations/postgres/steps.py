"""How a file runs on PostgreSQL: in one transaction where that is possible, else in steps that can be resumed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.migrations.lexer import Statement
from startupctl.migrations.postgres.lexer import statements
from startupctl.migrations.postgres.natures import Nature, nature_of
from startupctl.migrations.steps import How, Step
from startupctl.migrations.steps import parts_of as parts_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.migrations.script import Script

# without one of these words a file is one transaction, and its text as it stands is what is sent
_SPECIAL = re.compile(
    r"\b(?:BEGIN|START|COMMIT|END|ABORT|ROLLBACK|TRANSACTION|PREPARED?|VACUUM|CONCURRENTLY|REINDEX|CLUSTER|"
    r"DATABASE|TABLESPACE|SUBSCRIPTION|SYSTEM|DISCARD)\b",
    re.IGNORECASE,
)

Natured = tuple[Statement, Nature]


def is_simple(script: Script) -> bool:
    """Whether a file is one transaction at first sight, and its text as it stands what is sent."""
    return script.transaction and script.parts is None and not _SPECIAL.search(script.text)


def steps_of(script: Script) -> list[Step]:
    """Return how a file is sent, in order."""
    parts = parts_of(script)
    if not parts or is_simple(script):
        return [Step(parts, How.FILE)]
    natured = [(part, nature_of(part.text)) for part in parts]
    found = {nature for _, nature in natured}
    outside = not script.transaction or Nature.ALONE in found
    if not outside and found.isdisjoint({Nature.OPEN, Nature.CLOSE, Nature.OTHER}):
        return [_transaction(natured, How.FILE)]
    steps = _one_by_one(natured, may_commit=not script.transaction)
    if not outside and len(steps) == 1:
        return [steps[0]._replace(how=How.FILE)]
    return steps or [Step(parts, How.WHOLE)]


def parts_of(script: Script) -> tuple[Statement, ...]:
    """Return the statements as the server counts them."""
    return parts_in(script, statements)


def _one_by_one(natured: Sequence[Natured], *, may_commit: bool) -> list[Step]:
    """Return a step for each statement and for each BEGIN … COMMIT; none when they do not pair."""
    steps: list[Step] = []
    group: list[Natured] = []
    for part, nature in natured:
        if nature is Nature.OTHER or nature is (Nature.OPEN if group else Nature.CLOSE):
            return []
        if nature is Nature.CLOSE:
            steps.append(_transaction(group, How.RECORDED))
            group = []
        elif group or nature is Nature.OPEN:
            group.append((part, nature))
        else:
            alone = nature is Nature.ALONE or (may_commit and nature is Nature.UNKNOWN)
            steps.append(Step((part,), How.ALONE if alone else How.RECORDED))
    return [] if group else steps


def _transaction(natured: Sequence[Natured], how: How) -> Step:
    """Return one step; what begins its transaction, or sets its modes, comes before its record."""
    opening = tuple(part for part, nature in natured if nature in (Nature.OPEN, Nature.MODES))
    return Step(tuple(part for part, _ in natured if part not in opening), how, opening)
