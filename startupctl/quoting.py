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


def clickhouse_database(name: str) -> str:
    """Return what a column with the name of a database is compared with; without a name that of the session."""
    return clickhouse_text(name) if name else "currentDatabase()"


def is_clickhouse_table(database: str, table: str, column: str = "table") -> str:
    """Return the condition for the rows of a system table about one table; `column` is where its name stands."""
    return f"database = {clickhouse_database(database)} AND {column} = {clickhouse_text(table)}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\")
