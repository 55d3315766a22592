"""Migrations on SQLite: looking, applying and recording are one transaction that no one else can write beside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.databases.sqlite import SqliteSession
from startupctl.diagnosis import FailureClass
from startupctl.migrations.ledger import COLUMNS, Entry, Ledger, State, upsert
from startupctl.migrations.lexer_sqlite import SQLITE, statements
from startupctl.migrations.steps import How, Step
from startupctl.quoting import quote_name, quote_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.lexer import Statement
    from startupctl.migrations.script import Migration, Script

NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_TABLE = f"""
CREATE TABLE IF NOT EXISTS {{table}} (
  version TEXT PRIMARY KEY, name TEXT NOT NULL, format TEXT NOT NULL,
  raw_sha256 TEXT NOT NULL, content_sha256 TEXT NOT NULL,
  state TEXT NOT NULL, statement_no INTEGER NOT NULL DEFAULT 0, statements_sha256 TEXT NOT NULL DEFAULT '',
  started_at TEXT NOT NULL DEFAULT ({NOW}), finished_at TEXT,
  host TEXT NOT NULL DEFAULT '', tool_version TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT ''
)"""
_TRANSACTION_WORD = re.compile(r"(BEGIN|COMMIT|END|ROLLBACK)\b(?!\s+TO\b)", re.IGNORECASE)


class SqliteLedger(Ledger[SqliteSession]):
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
        """Send a file statement by statement, in one transaction unless it asks for none."""
        parts = statements(script.text) if script.parts is None else script.parts
        return [Step(tuple(parts), How.FILE if script.transaction else How.ALONE)]

    async def apply(self, session: SqliteSession, migration: Migration, entry: Entry | None) -> bool:
        """Apply one file."""
        del entry
        parts = self.statements(migration.up)
        if not migration.up.transaction:
            return await self._outside(session, migration, parts)
        _refuse_transactions(parts)
        try:
            return await self._inside(session, migration, parts)
        except BaseException:
            await session.roll_back()
            raise

    async def revert(self, session: SqliteSession, migration: Migration) -> None:
        """Run the way down and remove the row, in one transaction."""
        assert migration.down is not None
        parts = self.statements(migration.down)
        _refuse_transactions(parts)
        await session.execute("BEGIN IMMEDIATE")
        try:
            await _run(session, parts)
            await session.execute(f"DELETE FROM {self._table} WHERE version = {quote_text(migration.version)}")  # noqa: S608  (quoted)
            await session.execute("COMMIT")
        except BaseException:
            await session.roll_back()
            raise

    async def _inside(self, session: SqliteSession, migration: Migration, parts: Sequence[Statement]) -> bool:
        await session.execute("BEGIN IMMEDIATE")
        if not await self._begun(session, migration):
            await session.execute("ROLLBACK")
            return False
        await _run(session, parts)
        await session.execute(self._change(migration, State.DONE))
        await session.execute("COMMIT")
        return True

    async def _outside(self, session: SqliteSession, migration: Migration, parts: Sequence[Statement]) -> bool:
        if not await self._begun(session, migration):
            return False
        try:
            await _run(session, parts)
        except StatementFailed as error:
            await session.roll_back()
            await session.execute(self._change(migration, State.FAILED, number=error.done or 0, error=error.said))
            raise
        await session.execute(self._change(migration, State.DONE, number=len(parts)))
        return True

    async def _begun(self, session: SqliteSession, migration: Migration) -> bool:
        """Insert the row; False when it is there already, save for a repeatable migration with another content."""
        row = self.values(migration, State.RUNNING)
        again = "NOTHING"
        if migration.repeatable:
            changes = ", ".join(f"{column} = excluded.{column}" for column in row if column != "version")
            again = f"UPDATE SET {changes}, started_at = {NOW} WHERE content_sha256 <> excluded.content_sha256"
        values = ", ".join(map(quote_text, row.values()))
        insert = f"INSERT INTO {self._table} ({', '.join(row)}) VALUES ({values})"  # noqa: S608  (quoted)
        return bool(await session.rows(f"{insert} ON CONFLICT (version) DO {again} RETURNING version"))

    def _change(self, migration: Migration, state: State, *, number: int = 0, error: str = "") -> str:
        values = f"state = {quote_text(state)}, statement_no = {number}, error = {quote_text(error)}"
        return f"UPDATE {self._table} SET {values}, finished_at = {NOW} WHERE version = {quote_text(migration.version)}"  # noqa: S608  (quoted)

    @property
    def _table(self) -> str:
        return ".".join(quote_name(part) for part in (self.schema, self.name) if part)


async def _run(session: SqliteSession, parts: Sequence[Statement]) -> None:
    for number, part in enumerate(parts):
        try:
            await session.execute(part.text)
        except StatementFailed as error:
            error.done = number
            raise


def _refuse_transactions(parts: Sequence[Statement]) -> None:
    """Raise StatementFailed when a file ends the transaction it is applied in."""
    for number, part in enumerate(parts):
        word = _TRANSACTION_WORD.match(part.text)
        if word:
            said = f"`{word[0].upper()}` in a file that is applied in one transaction; remove it"
            raise StatementFailed("", said, FailureClass.PERMANENT, done=number)
