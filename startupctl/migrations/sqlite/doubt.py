"""What became of a statement of SQLite outside of a transaction whose process ended before it did."""

from __future__ import annotations

from pathlib import Path

from startupctl.migrations.lexer import words
from startupctl.migrations.sqlite.lexer import SQLITE
from startupctl.threads import in_thread

SEEN = 6  # tokens: VACUUM main INTO 'file'


def can_be_settled(sql: str) -> bool:
    """Whether it can be seen what became of a statement, or it does the same when it is run a second time.

    VACUUM, pragmas, ATTACH and DETACH do. VACUUM INTO writes a file, whose name may be an expression.
    """
    target = _target(sql)
    return not target or bool(_file_of(target))


async def runs_again(sql: str) -> bool:
    """Whether a statement that was begun may be run again; a copy that is there may be half of one."""
    target = _target(sql)
    return not target or not await in_thread(Path(_file_of(target)).exists)


def _target(sql: str) -> tuple[str, ...]:
    """Return what stands behind VACUUM INTO."""
    head = words(sql, SQLITE, SEEN)
    return head[head.index("INTO") + 1 :] if head[:1] == ("VACUUM",) and "INTO" in head else ()


def _file_of(target: tuple[str, ...]) -> str:
    """Return the name of a file where it is written as one, neither as a URI nor as an expression."""
    if len(target) != 1 or target[0][:1] != "'":
        return ""
    name = target[0][1:-1].replace("''", "'")
    return "" if name.startswith("file:") else name
