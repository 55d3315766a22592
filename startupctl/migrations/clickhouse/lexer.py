"""Cuts a ClickHouse file into statements: its HTTP interface takes one at a time.

Words, quotes, heredocs and comments are those of ClickHouse's src/Parsers/Lexer.cpp.
"""

from __future__ import annotations

from startupctl.migrations.lexer import Lexicon, Statement, escaped

CLICKHOUSE = Lexicon(
    space=r"[ \t\n\r\f\v\x85\xa0\u180e\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]++",
    word="[A-Za-z_][A-Za-z0-9_$]*+|[0-9][A-Za-z0-9_]*+",
    quoted=(
        r"[xXbB]'[^']*+(?:'|\Z)",
        escaped("'"),
        escaped('"'),
        escaped("`"),
        r"\u2018[^\u2019]*+(?:\u2019|\Z)|\u201c[^\u201d]*+(?:\u201d|\Z)",
    ),
    line_comments=(r"--[^\n]*+", r"//[^\n]*+", r"#[ !][^\n]*+"),
    nested=True,
    heredoc=r"\$[A-Za-z0-9_]*+\$",
)


def statements(sql: str) -> list[Statement]:
    """Return the statements of a file; a `;` outside of quotes and comments always ends one."""
    return list(CLICKHOUSE.pieces(sql))
