"""What became of a statement of SQLite outside of a transaction whose process ended before it did."""

from __future__ import annotations

from pathlib import Path

from startupctl.migrations.lexer import words
from startupctl.migrations.lexer_sqlite import SQLITE

SEEN = 6  # tokens: VACUUM main INTO 'file'


def can_be_settled(sql: str) -> bool:
    """Whether a statement that was begun may be sent again.

    VACUUM, pragmas, ATTACH and DETACH do the same a second time. VACUUM INTO writes a file that must not be there:
    it is sent again when there is none, and a file that is there may be half of one.
    """
    head = words(sql, SQLITE, SEEN)
    return "INTO" not in head or head[0] != "VACUUM" or _is_free(head[head.index("INTO") + 1 :])


def _is_free(target: tuple[str, ...]) -> bool:
    """Whether a name of a file is plain, and nothing is there."""
    if len(target) != 1 or target[0][:1] != "'":
        return False
    name = target[0][1:-1].replace("''", "'")
    return not name.startswith("file:") and not Path(name).exists()
