"""Cuts an SQLite file into statements.

Words, quotes and comments are those of SQLite's src/tokenize.c, bodies of triggers those of src/complete.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.lexer import Lexicon, Statement, before_end, cut_statements, doubled, words

if TYPE_CHECKING:
    from collections.abc import Callable

# letters, digits, `_`, `$` and all beyond ASCII, told by what they are not: a class that long takes 10 ms to compile
_LETTER = r"[^\x00-#%-/:-@\[-^`{-\x7f]"

SQLITE = Lexicon(
    space=r"[ \t\n\r\f\ufeff]++",
    word=rf"(?!\ufeff){_LETTER}++",
    quoted=("[xX]?+" + doubled("'"), doubled('"'), doubled("`"), r"\[[^\]]*+(?:\]|\Z)"),
)


def statements(sql: str) -> list[Statement]:
    """Return the statements of a file; a `;` in the body of CREATE TRIGGER ends none."""
    return list(cut_statements(sql, SQLITE, _body_of))


def _body_of(first: str) -> Callable[[str], bool] | None:
    if first[:6].upper() != "CREATE":
        return None
    head = words(first, SQLITE, 3)
    created = head[2:] if head[1:2] in (("TEMP",), ("TEMPORARY",)) else head[1:2]
    return before_end if created == ("TRIGGER",) else None
