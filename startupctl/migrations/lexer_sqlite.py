"""Cuts an SQLite file into statements.

Quotes and comments are those of https://www.sqlite.org/lang_comment.html and lang_keywords.html.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from startupctl.migrations.lexer import Lexicon, Statement, cut_statements, doubled

if TYPE_CHECKING:
    from collections.abc import Iterator

SQLITE = Lexicon((doubled("'"), doubled('"'), doubled("`"), r"\[[^\]]*\]"), nested=False)


def statements(sql: str) -> list[Statement]:
    """Return the statements of a file, by SQLite's own word for where one is complete."""
    return list(cut_statements(sql, SQLITE, _ends(sql)))


def _ends(sql: str) -> Iterator[int]:
    """Yield where a `;` ends a statement: inside of CREATE TRIGGER it does not."""
    begin = 0
    for token in SQLITE.tokens(sql):
        if token.text == ";" and sqlite3.complete_statement(sql[begin : token.start + 1]):
            yield token.start
            begin = token.start + 1
