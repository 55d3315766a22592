"""Migrations on PostgreSQL: a file is one transaction with its ledger row inserted first.

That alone makes it exactly-once: a racer waits for the row, then sees that it is there. A file that
ends the transaction by a COMMIT of its own leaves the row `running`, so a failure behind it is seen.
"""

from __future__ import annotations

import asyncio
from random import uniform
from typing import TYPE_CHECKING

from startupctl.databases.postgres import LOCK_NOT_AVAILABLE, PostgresSession, lost_race
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.errors import Mark, Problem
from startupctl.migrations.files import bad_files
from startupctl.migrations.ledger import COLUMNS, Entry, Ledger, State, upsert
from startupctl.migrations.lexer_postgres import POSTGRES, statements
from startupctl.migrations.steps import How, Step
from startupctl.quoting import quote_name, quote_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import Reader, Row
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration, Script

LOCK_TIMEOUT = "5s"  # a waiting ALTER TABLE stalls everybody who comes behind it
LOCK_TRIES = 8
LOCK_PAUSE = 2.0  # seconds, at most, between two tries
CREATE_TRIES = 5

# what a file may have left in the session; DISCARD ALL cannot be sent together with others
RESET = (
    "CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DEALLOCATE ALL; UNLISTEN *; "
    "DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_advisory_unlock_all();"
)
_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (
  version text PRIMARY KEY, name text NOT NULL, format text NOT NULL,
  raw_sha256 text NOT NULL, content_sha256 text NOT NULL,
  state text NOT NULL, statement_no integer NOT NULL DEFAULT 0, statements_sha256 text NOT NULL DEFAULT '',
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz,
  host text NOT NULL DEFAULT '', tool_version text NOT NULL DEFAULT '', error text NOT NULL DEFAULT ''
)"""
_PLACE = """
SELECT coalesce(n.nspname, {schema}), a.attname
FROM (SELECT to_regclass({table}) AS oid) AS t
LEFT JOIN pg_class c ON c.oid = t.oid
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"""

_LACKING = """
SELECT CASE
  WHEN current_setting('transaction_read_only') = 'on' THEN 'read-only'
  WHEN t.oid IS NOT NULL AND NOT has_table_privilege(t.oid, 'INSERT') THEN 'INSERT on the table of the migrations'
  WHEN t.oid IS NULL AND n.oid IS NULL AND NOT has_database_privilege(current_database(), 'CREATE') THEN 'CREATE on the database'
  WHEN t.oid IS NULL AND n.oid IS NOT NULL AND NOT has_schema_privilege(n.oid, 'CREATE') THEN 'CREATE on the schema'
END
FROM (SELECT to_regclass({table}) AS oid) AS t
LEFT JOIN pg_namespace n ON n.nspname = {schema}"""
READ_ONLY, NOT_PERMITTED = "25006", "42501"


class PostgresLedger(Ledger[PostgresSession]):
    """The ledger of one database; without a schema its table is found, or made, by the search path."""

    lexicon = POSTGRES

    async def schema_of(self, reader: Reader) -> str:
        """Return the schema the table is in, or would be made in."""
        schema, _ = await self._look(reader)
        return schema

    async def read(self, reader: Reader) -> list[Entry]:
        """Return all rows, the oldest first."""
        schema, columns = await self._look(reader)
        if not columns:
            return []
        table = f"{quote_name(schema)}.{quote_name(self.name)}"
        self.require_own(columns, table)
        rows = await reader.rows(f"SELECT {', '.join(COLUMNS)} FROM {table} ORDER BY started_at, version")  # noqa: S608  (quoted)
        return [Entry.read(row) for row in rows]

    async def create(self, session: PostgresSession) -> None:
        """Create schema and table unless they are there; the loser of a race looks again."""
        for _ in range(CREATE_TRIES):
            schema, columns = await self._look(session)
            self.schema = schema  # what a file does to the search path must not move the table
            if columns:
                return
            try:
                await self._create_in(session, schema)
            except StatementFailed as error:
                if not lost_race(error):
                    raise

    async def require_right(self, reader: Reader) -> None:
        """Return when this role may record a migration here; raises StatementFailed (25006, 42501) as recording would."""
        schema = quote_text(self.schema) if self.schema else "current_schema()"
        [(lacking,)] = await reader.rows(_LACKING.format(schema=schema, table=quote_text(self._table)))
        if lacking == "read-only":
            raise StatementFailed(READ_ONLY, "transactions of this role are read-only", FailureClass.PERMANENT)
        if lacking:
            said = f"migrations could not be recorded, this role has no right to {lacking}"
            raise StatementFailed(NOT_PERMITTED, said, FailureClass.PERMANENT)

    async def _look(self, reader: Reader) -> tuple[str, list[str]]:
        """Return the schema of the table and its columns; no columns when the table is not there."""
        schema = quote_text(self.schema) if self.schema else "current_schema()"
        rows = await reader.rows(_PLACE.format(schema=schema, table=quote_text(self._table)))
        return rows[0][0] or "public", [column for _, column in rows if column]

    @property
    def _table(self) -> str:
        return ".".join(quote_name(part) for part in (self.schema, self.name) if part)

    async def columns(self, reader: Reader, table: str) -> list[str]:
        """Return the columns of a table; without a schema it is found by the search path."""
        quoted = ".".join(map(quote_name, table.split(".")))
        rows = await reader.rows(_PLACE.format(schema="current_schema()", table=quote_text(quoted)))
        return [column for _, column in rows if column]

    async def tables(self, reader: Reader, names: Sequence[str]) -> list[Table]:
        """Return those of the tables that are there."""
        from startupctl.migrations.foreign_tables import tables_on_postgres

        return await tables_on_postgres(reader, names)

    async def record(self, session: PostgresSession, entries: Sequence[Entry]) -> None:
        """Write rows as they are given, all of them or none."""
        if entries:
            await session.execute("; ".join(upsert(self._table, entry, "clock_timestamp()") for entry in entries))

    async def forget(self, session: PostgresSession, entry: Entry) -> None:
        """Remove one row."""
        await session.execute(f"DELETE FROM {self._table} WHERE version = {quote_text(entry.version)}")  # noqa: S608  (quoted)

    def steps(self, script: Script) -> list[Step]:
        """Send a file whole."""
        parts = statements(script.text) if script.parts is None else script.parts
        return [Step(tuple(parts), How.FILE if script.transaction else How.ALONE)]

    async def revert(self, session: PostgresSession, migration: Migration) -> None:
        """Run the way down and remove the row, in one transaction."""
        assert migration.down is not None
        row = f"WHERE version = {quote_text(migration.version)}"
        try:
            await session.execute(f"{RESET} BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {session.unlimited}")
            await session.execute(migration.down.text)
            await session.execute(f"RESET SESSION AUTHORIZATION; RESET ROLE; DELETE FROM {self._table} {row}; COMMIT")  # noqa: S608  (quoted)
        except BaseException:
            await session.roll_back()
            raise

    async def _create_in(self, session: PostgresSession, schema: str) -> None:
        if self.schema and not await session.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = {quote_text(schema)}"):  # noqa: S608  (quoted)
            await session.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_name(schema)}")
        await session.execute(_TABLE.format(table=self._table))

    async def apply(self, session: PostgresSession, migration: Migration, entry: Entry | None) -> bool:
        """Apply one file; while it only waits for a lock on a table it gives way and tries again."""
        del entry
        work = _Work(session, self._table, self.values(migration, State.RUNNING))
        if not migration.up.transaction:
            return await work.outside(migration)
        for _ in range(LOCK_TRIES - 1):
            try:
                return await work.inside(migration)
            except StatementFailed as error:
                if error.code != LOCK_NOT_AVAILABLE:
                    raise
            await asyncio.sleep(uniform(LOCK_PAUSE / 4, LOCK_PAUSE))  # noqa: S311  (jitter)
        return await work.inside(migration)

    def ways_out(self, entry: Entry) -> tuple[str, str]:
        """Return the two statements an operator chooses between."""
        row = f"WHERE version = {quote_text(entry.version)}"
        return f"DELETE FROM {self._table} {row}", f"UPDATE {self._table} SET state = 'done', finished_at = now() {row}"  # noqa: S608  (quoted)


class _Work:
    """One file on its way into one database."""

    def __init__(self, session: PostgresSession, table: str, values: dict[str, str]) -> None:
        self._session, self._table, self._values = session, table, values

    async def inside(self, migration: Migration) -> bool:
        """Apply and record in one transaction; three messages to the server."""
        session = self._session
        try:
            begin = f"BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {session.unlimited}"
            if not await self._own(f"{RESET} {begin}; {self._insert}"):
                await session.roll_back()
                return False
            await session.execute(migration.up.text)
            return self._require_row(migration, await self._own(f"{self._finish}; COMMIT"))
        except BaseException:
            await session.roll_back()
            raise

    async def outside(self, migration: Migration) -> bool:
        """Apply without a transaction, the row `running` before it and `done` after it.

        No lock_timeout: what runs outside takes weak locks and waits long, as CREATE INDEX CONCURRENTLY
        does, and would leave an invalid index behind when it gave up.
        """
        session = self._session
        if not await self._own(f"{RESET} SET lock_timeout = 0; SET statement_timeout = 0; {self._insert}"):
            return False
        try:
            await session.execute(migration.up.text)
        except StatementFailed as error:
            if not error.lost:
                await session.roll_back()
                await session.execute(f"{RESET} {self._set(state=State.FAILED, error=error.said)}")
            raise
        return self._require_row(migration, await self._own(self._finish))

    async def _own(self, sql: str) -> Sequence[Row]:
        """Send statements of ours; where one fails is no place in the file."""
        try:
            return await self._session.rows(sql)
        except StatementFailed as error:
            error.position = error.done = None
            raise

    @property
    def _insert(self) -> str:
        values = ", ".join(quote_text(value) for value in self._values.values())
        return f"INSERT INTO {self._table} ({', '.join(self._values)}) VALUES ({values}) ON CONFLICT (version) DO NOTHING RETURNING version"  # noqa: S608  (quoted)

    @property
    def _finish(self) -> str:
        return f"RESET SESSION AUTHORIZATION; RESET ROLE; {self._set(state=State.DONE)}"

    def _set(self, **values: str) -> str:
        changes = ", ".join(f"{column} = {quote_text(value)}" for column, value in values.items())
        row = f"WHERE version = {quote_text(self._values['version'])}"
        return f"UPDATE {self._table} SET {changes}, finished_at = clock_timestamp() {row} RETURNING version"  # noqa: S608  (quoted)

    def _require_row(self, migration: Migration, found: Sequence[Row]) -> bool:
        if found:
            return True
        what = "rolls back its own transaction, and its row in the ledger with it"
        raise bad_files([Problem(what, hint="remove the ROLLBACK", mark=Mark(str(migration.path)))])
