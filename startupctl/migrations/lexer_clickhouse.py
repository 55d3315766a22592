"""Cuts a ClickHouse file into statements: its HTTP interface takes one at a time.

Quotes, heredocs and comments are those of ClickHouse's src/Parsers/Lexer.cpp.
"""

from __future__ import annotations

from startupctl.migrations.lexer import Lexicon, Statement, cut_statements, escaped

CLICKHOUSE = Lexicon(
    (
        r"[xXbB]'[^']*(?:'|\Z)",
        escaped("'"),
        escaped('"'),
        escaped("`"),
        r"\$(?P<tag>[^$]*)\$.*?\$(?P=tag)\$",  # one that is never closed is none
        "\u2018[^\u2019]*\u2019|\u201c[^\u201d]*\u201d",
    ),
    line_comments=("--[^\n]*", "//[^\n]*", "#[ !][^\n]*"),
)


def statements(sql: str) -> list[Statement]:
    """Return the statements of a file; a `;` outside of quotes and comments always ends one."""
    return list(cut_statements(sql, CLICKHOUSE, (token.start for token in CLICKHOUSE.tokens(sql) if token.text == ";")))
