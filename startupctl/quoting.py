"""How names and texts stand in SQL: as the standard has it, and as ClickHouse has it."""

from __future__ import annotations


def quote_name(name: str) -> str:
    """Quote an identifier as the SQL standard has it."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Quote a text as the SQL standard has it, without backslash escapes; NUL cannot be sent and is dropped."""
    return "'" + text.replace("\0", "").replace("'", "''") + "'"


def clickhouse_name(name: str) -> str:
    """Quote the name of a database, table or setting as ClickHouse has it."""
    return "`" + _escape(name).replace("`", "\\`") + "`"


def clickhouse_text(text: str) -> str:
    """Quote a text as ClickHouse has it: a backslash escapes."""
    return "'" + _escape(text).replace("'", "\\'") + "'"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\")
