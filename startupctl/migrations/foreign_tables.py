"""Which of some tables are there, and with which columns: one question per database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.history import Table, is_true
from startupctl.quoting import is_clickhouse_table, quote_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from startupctl.databases.session import Reader, Row

# the catalogue is asked, not to_regclass: that one fails for a schema this role may not look into
_ON_POSTGRES = """
SELECT n.nspname, c.relname, current_database(), a.attname,
  has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND ({named})"""
_ON_CLICKHOUSE = "SELECT database, table, '', name, 1 FROM system.columns WHERE {named}"
_ON_SQLITE = """
SELECT '', m.name, '', p.name, 1 FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS p
WHERE m.type IN ('table', 'view') AND m.name IN ({names})"""


async def tables_on_postgres(reader: Reader, names: Iterable[str]) -> list[Table]:
    """Return those of the tables that are there; one without a schema is looked for on the search path."""
    named = [
        f"n.nspname = {quote_text(schema)} AND c.relname = {quote_text(name)}"
        if schema
        else f"c.relname = {quote_text(name)} AND pg_table_is_visible(c.oid)"
        for schema, name in map(_parts, names)
    ]
    return _gathered(await reader.rows(_ON_POSTGRES.format(named=" OR ".join(named))))


async def tables_on_clickhouse(reader: Reader, names: Iterable[str]) -> list[Table]:
    """Return those of the tables that are there; one without a database is looked for in the current one."""
    named = [is_clickhouse_table(schema, name) for schema, name in map(_parts, names)]
    return _gathered(await reader.rows(_ON_CLICKHOUSE.format(named=" OR ".join(named))))


async def tables_on_sqlite(reader: Reader, names: Iterable[str]) -> list[Table]:
    """Return those of the tables that are there; `main` is the only schema."""
    found = [quote_text(name) for schema, name in map(_parts, names) if schema in ("", "main")]
    return _gathered(await reader.rows(_ON_SQLITE.format(names=", ".join(found))))


def _parts(name: str) -> tuple[str, str]:
    schema, _, last = name.rpartition(".")
    return schema, last


def _gathered(rows: Sequence[Row]) -> list[Table]:
    columns: dict[tuple[str, str, str, bool], set[str]] = {}
    for schema, name, database, column, readable in rows:
        columns.setdefault((schema or "", name or "", database or "", is_true(readable)), set()).add(column or "")
    return [
        Table(name, frozenset(held), schema, database, readable)
        for (schema, name, database, readable), held in columns.items()
    ]
