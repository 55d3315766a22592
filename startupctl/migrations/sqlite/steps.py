"""How a file runs on SQLite: in one transaction where that is possible, else in steps that can be resumed.

What a transaction refuses, or ignores, was found by trying every pragma inside of one: https://www.sqlite.org/pragma.html
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from startupctl.migrations.lexer import words
from startupctl.migrations.sqlite.lexer import SQLITE, statements
from startupctl.migrations.steps import How, Step, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.migrations.lexer import Statement
    from startupctl.migrations.script import Script

SEEN = 6  # tokens: PRAGMA main . journal_mode = WAL
_OUTSIDE = frozenset({"FOREIGN_KEYS", "JOURNAL_MODE", "SYNCHRONOUS", "TEMP_STORE", "TEMP_STORE_DIRECTORY"})
# what a pragma with a value leaves in the file, or nowhere; all others change the session
_NO_STATE = frozenset({
    "APPLICATION_ID", "DEFER_FOREIGN_KEYS", "FOREIGN_KEY_CHECK", "FOREIGN_KEY_LIST", "INCREMENTAL_VACUUM", "INDEX_INFO",
    "INDEX_LIST", "INDEX_XINFO", "INTEGRITY_CHECK", "OPTIMIZE", "QUICK_CHECK", "SCHEMA_VERSION", "TABLE_INFO",
    "TABLE_LIST", "TABLE_XINFO", "USER_VERSION", "WAL_CHECKPOINT",
})  # fmt: skip


class Nature(Enum):
    """What a statement asks for."""

    PLAIN = auto()
    """To run in a transaction, or to be one."""
    ALONE = auto()
    """To be sent outside of a transaction: SQLite refuses it inside, or ignores it."""
    POINT = auto()
    """To set, release or go back to a savepoint, which is one of a transaction."""
    OPEN = auto()
    CLOSE = auto()
    OTHER = auto()
    """To end a transaction in another way than by keeping it."""


_BY_WORD = {
    "BEGIN": Nature.OPEN,
    "COMMIT": Nature.CLOSE,
    "END": Nature.CLOSE,
    "SAVEPOINT": Nature.POINT,
    "RELEASE": Nature.POINT,
}


def nature_of(sql: str) -> Nature:
    """Return what one statement asks for."""
    match words(sql, SQLITE, SEEN):
        case ["VACUUM" | "ATTACH" | "DETACH", *_]:
            return Nature.ALONE
        case ["PRAGMA", *_]:
            name, has_value = _pragma(sql)
            outside = name == "WAL_CHECKPOINT" or (has_value and name in _OUTSIDE)
            return Nature.ALONE if outside else Nature.PLAIN
        case ["ROLLBACK", *rest]:
            return Nature.POINT if "TO" in rest[:2] else Nature.OTHER
        case head:
            return _BY_WORD.get(head[0] if head else "", Nature.PLAIN)


def keeps_state(sql: str) -> bool:
    """Whether a statement changes the session, for all statements behind it."""
    match words(sql, SQLITE, SEEN):
        case ["ATTACH" | "DETACH", *_]:
            return True
        case ["PRAGMA", *_]:
            name, has_value = _pragma(sql)
            return has_value and name not in _NO_STATE
        case _:
            return False


def ends_with_session(sql: str) -> bool:
    """Whether what a statement makes is gone with the session."""
    match words(sql, SQLITE, SEEN):
        case ["CREATE", "TEMP" | "TEMPORARY", *_] | ["CREATE", _, "TEMP", ".", *_]:
            return True
        case _:
            return False


def steps_of(script: Script) -> list[Step]:
    """Return how a file is sent, in order.

    Neighbours that can share a transaction share one; a file that asks for none has one for each statement.
    """
    parts = parts_of(script, statements)
    natures = [nature_of(part.text) for part in parts]
    if not _pair(natures):
        return [Step(parts, How.WHOLE)]
    together = script.transaction or Nature.POINT in natures
    steps = list(_cut(parts, natures, together=together))
    if script.transaction and [step.how for step in steps] == [How.RECORDED]:
        return [Step(steps[0].statements, How.FILE)]
    return steps or [Step((), How.FILE)]


def first_boundary(parts: Sequence[Statement]) -> int:
    """Return which statement is the first that begins or ends a transaction."""
    natures = [nature_of(part.text) for part in parts]
    return next(number for number, nature in enumerate(natures) if nature in (Nature.OPEN, Nature.CLOSE, Nature.OTHER))


def _pair(natures: Sequence[Nature]) -> bool:
    """Whether what begins a transaction and what ends one take turns."""
    marks = [nature for nature in natures if nature in (Nature.OPEN, Nature.CLOSE, Nature.OTHER)]
    return marks == [Nature.OPEN, Nature.CLOSE] * (len(marks) // 2)


def _cut(parts: Sequence[Statement], natures: Sequence[Nature], *, together: bool) -> Iterator[Step]:
    group: list[Statement] = []
    own = False
    for part, nature in zip(parts, natures, strict=True):
        ends_group = nature in (Nature.OPEN, Nature.CLOSE) or not (own or (together and nature is not Nature.ALONE))
        if ends_group and group:
            yield Step(tuple(group), How.RECORDED)
            group = []
        if nature in (Nature.OPEN, Nature.CLOSE):
            own = nature is Nature.OPEN
        elif nature is Nature.ALONE and not own:
            yield Step((part,), How.ALONE)
        else:
            group.append(part)
    if group:
        yield Step(tuple(group), How.RECORDED)


def _pragma(sql: str) -> tuple[str, bool]:
    """Return the name of a pragma, and whether it is given a value."""
    head = words(sql, SQLITE, SEEN)
    rest = head[3:] if head[2:3] == (".",) else head[1:]
    name = rest[0] if rest else ""
    return name.strip("\"'`[]").upper(), rest[1:2] in (("=",), ("(",))
