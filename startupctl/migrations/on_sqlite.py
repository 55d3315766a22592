"""Migrations on SQLite: looking, applying and recording are one transaction that no one else can write beside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.databases.sqlite import SqliteSession
from startupctl.diagnosis import FailureClass
from startupctl.migrations.ledger import COLUMNS, Entry, Ledger, State
from startupctl.migrations.lexer_sqlite import SQLITE, statements
from startupctl.quoting import quote_name, quote_text

if TYPE_CHECKING:
    from startupctl.databases.session import Reader
    from startupctl.migrations.files import Migration
    from startupctl.migrations.lexer import Statement

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

    lexicon = SQLITE

    async def read(self, reader: Reader) -> list[Entry]:
        """Return all rows, the oldest first."""
        columns = [
            row[1] or "" for row in await reader.rows(f"PRAGMA {self._prefix}table_info({quote_name(self.name)})")
        ]
        if not columns:
            return []
        self.require_own(columns, self._table)
        rows = await reader.rows(f"SELECT {', '.join(COLUMNS)} FROM {self._table} ORDER BY started_at, version")  # noqa: S608  (quoted)
        return [Entry.read(row) for row in rows]

    async def create(self, session: SqliteSession) -> None:
        """Create the table unless it is there."""
        await session.execute(_TABLE.format(table=self._table))

    def statements(self, migration: Migration) -> list[Statement]:
        """Cut a file into its statements."""
        return statements(migration.up)

    async def apply(self, session: SqliteSession, migration: Migration, entry: Entry | None) -> bool:
        """Apply one file."""
        del entry
        parts = self.statements(migration)
        if not migration.transaction:
            return await self._outside(session, migration, parts)
        _refuse_transactions(parts)
        try:
            return await self._inside(session, migration, parts)
        except BaseException:
            await session.roll_back()
            raise

    def ways_out(self, entry: Entry) -> tuple[str, str]:
        """Return the two statements an operator chooses between."""
        row = f"WHERE version = {quote_text(entry.version)}"
        return f"DELETE FROM {self._table} {row}", f"UPDATE {self._table} SET state = 'done', finished_at = {NOW} {row}"  # noqa: S608  (quoted)

    async def _inside(self, session: SqliteSession, migration: Migration, parts: list[Statement]) -> bool:
        await session.execute("BEGIN IMMEDIATE")
        if not await self._begun(session, migration):
            await session.execute("ROLLBACK")
            return False
        await _run(session, parts)
        await session.execute(self._change(migration, State.DONE))
        await session.execute("COMMIT")
        return True

    async def _outside(self, session: SqliteSession, migration: Migration, parts: list[Statement]) -> bool:
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
        """Insert the row; False when it is there already."""
        row = self.values(migration, State.RUNNING)
        values = ", ".join(map(quote_text, row.values()))
        await session.execute(f"INSERT OR IGNORE INTO {self._table} ({', '.join(row)}) VALUES ({values})")  # noqa: S608  (quoted)
        return await session.rows("SELECT changes()") == [("1",)]

    def _change(self, migration: Migration, state: State, *, number: int = 0, error: str = "") -> str:
        values = f"state = {quote_text(state)}, statement_no = {number}, error = {quote_text(error)}"
        return f"UPDATE {self._table} SET {values}, finished_at = {NOW} WHERE version = {quote_text(migration.version)}"  # noqa: S608  (quoted)

    @property
    def _prefix(self) -> str:
        return f"{quote_name(self.schema)}." if self.schema else ""

    @property
    def _table(self) -> str:
        return self._prefix + quote_name(self.name)


async def _run(session: SqliteSession, parts: list[Statement]) -> None:
    for number, part in enumerate(parts):
        try:
            await session.execute(part.text)
        except StatementFailed as error:
            error.done = number
            raise


def _refuse_transactions(parts: list[Statement]) -> None:
    """Raise StatementFailed when a file ends the transaction it is applied in."""
    for number, part in enumerate(parts):
        word = _TRANSACTION_WORD.match(part.text)
        if word:
            said = f"`{word[0].upper()}` in a file that is applied in one transaction; remove it"
            raise StatementFailed("", said, FailureClass.PERMANENT, done=number)
