"""The ledger on SQLite: its table, and what its rows say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.databases.sqlite import SqliteSession
from startupctl.migrations.ledger import COLUMNS, Entry, upsert
from startupctl.migrations.sqlite.lexer import SQLITE
from startupctl.migrations.stepped import SteppedLedger
from startupctl.quoting import quote_name, quote_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration, Script
    from startupctl.migrations.steps import Step

NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_TABLE = f"""
CREATE TABLE IF NOT EXISTS {{table}} (
  version TEXT PRIMARY KEY, name TEXT NOT NULL, format TEXT NOT NULL,
  raw_sha256 TEXT NOT NULL, content_sha256 TEXT NOT NULL,
  state TEXT NOT NULL, statement_no INTEGER NOT NULL DEFAULT 0, statements_sha256 TEXT NOT NULL DEFAULT '',
  started_at TEXT NOT NULL DEFAULT ({NOW}), finished_at TEXT,
  host TEXT NOT NULL DEFAULT '', tool_version TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT ''
)"""


class SqliteLedger(SteppedLedger[SqliteSession]):
    """The ledger of one database file; a schema before the table's name is that of an attached database."""

    database = "sqlite"
    lexicon = SQLITE

    async def read(self, reader: Reader) -> list[Entry]:
        """Return all rows, the oldest first."""
        columns = await self.columns(reader, self.table)
        if not columns:
            return []
        self.require_own(columns, self._table)
        rows = await reader.rows(f"SELECT {', '.join(COLUMNS)} FROM {self._table} ORDER BY started_at, version")  # noqa: S608  (quoted)
        return [Entry.read(row) for row in rows]

    async def create(self, session: SqliteSession) -> None:
        """Create the table unless it is there."""
        await session.execute(_TABLE.format(table=self._table))

    async def columns(self, reader: Reader, table: str) -> list[str]:
        """Return the columns of a table."""
        schema, _, name = table.rpartition(".")
        prefix = f"{quote_name(schema)}." if schema else ""
        return [row[1] or "" for row in await reader.rows(f"PRAGMA {prefix}table_info({quote_name(name)})")]

    async def tables(self, reader: Reader, names: Sequence[str]) -> list[Table]:
        """Return those of the tables that are there."""
        from startupctl.migrations.foreign_tables import tables_on_sqlite

        return await tables_on_sqlite(reader, names)

    async def record(self, session: SqliteSession, entries: Sequence[Entry]) -> None:
        """Write rows as they are given."""
        for entry in entries:
            await session.execute(upsert(self._table, entry, NOW))

    async def forget(self, session: SqliteSession, entry: Entry) -> None:
        """Remove one row."""
        await session.execute(f"DELETE FROM {self._table} WHERE version = {quote_text(entry.version)}")  # noqa: S608  (quoted)

    def steps(self, script: Script) -> list[Step]:
        """Return how a file is sent: in one transaction where it can be, else in steps."""
        from startupctl.migrations.sqlite.steps import steps_of

        return steps_of(script)

    def resumes(self, entry: Entry, migration: Migration) -> bool:
        """Whether what was begun can go on."""
        from startupctl.migrations.sqlite.work import resumes

        return resumes(entry, migration.up)

    async def apply(self, session: SqliteSession, migration: Migration, entry: Entry | None) -> bool:
        """Apply one file; while it only finds the database locked it tries again."""
        from startupctl.migrations.sqlite.work import Work

        return await Work(self, self._table, NOW, session, migration).apply(entry)

    async def revert(self, session: SqliteSession, migration: Migration) -> None:
        """Run the way down and remove the row."""
        from startupctl.migrations.sqlite.work import Work

        await Work(self, self._table, NOW, session, migration).revert()

    @property
    def _table(self) -> str:
        return ".".join(quote_name(part) for part in (self.schema, self.name) if part)
