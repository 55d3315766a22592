"""Cuts a PostgreSQL file into statements, as the server counts them.

Words, quotes and comments are those of src/backend/parser/scan.l while `standard_conforming_strings` is on;
https://www.postgresql.org/docs/current/sql-syntax-lexical.html describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.lexer import (
    Lexicon,
    Statement,
    before_end,
    cut_statements,
    doubled,
    escaped,
    repeated,
    upper,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# letters, `_` and all beyond ASCII, told by what they are not: a class that long takes 10 ms to compile
_FIRST = r"[^\x00-@\[-^`{-\x7f]"
_NEXT = r"[^\x00-/:-@\[-^`{-\x7f]"
_SPACE = r"[ \t\n\r\f\v]++"
_COMMENT = r"--[^\n\r]*+"
_LINE_BREAK = repeated(rf"[ \t\f\v]++|{_COMMENT}") + r"[\n\r]" + repeated(rf"{_SPACE}|{_COMMENT}[\n\r]")

POSTGRES = Lexicon(
    space=_SPACE,
    word=rf"{_FIRST}(?:{_NEXT}++|\$++)*+|[0-9]{_NEXT}*+",
    quoted=(
        "[eE]" + escaped("'", f"'{_LINE_BREAK}'"),  # what goes on in another line has escapes there, too
        "(?:[uU]&|[bBnNxX])?+" + doubled("'"),
        "(?:[uU]&)?+" + doubled('"'),
    ),
    line_comments=(_COMMENT,),
    nested=True,
    heredoc=rf"\$(?:{_FIRST}{_NEXT}*+)?+\$",
    heredoc_stays_open=True,
)


def statements(sql: str) -> list[Statement]:
    """Return the statements of a file; a `;` in the rules of CREATE RULE or in a body of BEGIN ATOMIC ends none."""
    return list(cut_statements(sql, POSTGRES, _body_of))


def _body_of(first: str) -> Callable[[str], bool] | None:
    if first[:6].upper() != "CREATE":
        return None
    head = words(first, POSTGRES, 4)
    created = head[3:4] if head[1:3] == ("OR", "REPLACE") else head[1:2]
    if created == ("RULE",):
        return _before_parenthesis(first)
    return before_end if created in (("FUNCTION",), ("PROCEDURE",)) and _opens_body(first) else None


def _before_parenthesis(first: str) -> Callable[[str], bool] | None:
    """Return what counts parentheses, when one is open."""
    depth = _opened(first)

    def goes_on(piece: str) -> bool:
        nonlocal depth
        depth += _opened(piece)
        return depth > 0

    return goes_on if depth > 0 else None


def _opened(piece: str) -> int:
    signs = [token.text for token in POSTGRES.tokens(piece)]
    return signs.count("(") - signs.count(")")


def _opens_body(first: str) -> bool:
    """Whether BEGIN ATOMIC stands in a piece outside of parentheses, and not the END of an empty body behind it."""
    depth, seen = 0, [""]
    for token in POSTGRES.tokens(first):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.counts and not depth:
            seen.append(upper(token))
            if seen[-2:] == ["BEGIN", "ATOMIC"]:
                return words(first[token.start :], POSTGRES, 3) != ("ATOMIC", "END")
    return False
