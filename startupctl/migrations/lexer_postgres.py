"""Cuts a PostgreSQL file into statements.

Quotes and comments are those of the manual, https://www.postgresql.org/docs/current/sql-syntax-lexical.html;
a `;` in parentheses (CREATE RULE) or in the body of BEGIN ATOMIC ends no statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.lexer import Lexicon, Part, Statement, cut_statements, doubled, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRES = Lexicon(
    (
        "[eE]" + escaped("'"),
        doubled("'"),
        doubled('"'),
        r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)",
    )
)


def statements(sql: str) -> list[Statement]:
    """Return the statements of a file, as the server counts them."""
    return list(cut_statements(sql, POSTGRES, _ends(sql)))


def _ends(sql: str) -> Iterator[int]:
    """Yield where a `;` ends a statement."""
    parentheses, blocks, before = 0, 0, ""
    for token in POSTGRES.tokens(sql):
        if not token.counts:
            continue
        if token.part is Part.SIGN:
            parentheses = max(0, parentheses + {"(": 1, ")": -1}.get(token.text, 0))
            if token.text == ";" and not parentheses and not blocks:
                yield token.start
        word = token.text.upper() if token.part is Part.WORD else ""
        if (word == "ATOMIC" and before == "BEGIN") or (blocks and word in ("CASE", "BEGIN")):
            blocks += 1
        elif blocks and word == "END":
            blocks -= 1
        before = word
