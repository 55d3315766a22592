"""The ledger on PostgreSQL: its table, found or made by the search path, and who may write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.databases.postgres import PostgresSession, lost_race
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.ledger import COLUMNS, Entry, upsert
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.stepped import SteppedLedger
from startupctl.quoting import quote_name, quote_text
from startupctl.threads import aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.script import Migration, Script
    from startupctl.migrations.steps import Step

CREATE_TRIES = 5
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
READ_ONLY, NOT_PERMITTED, NO_SCHEMA = "25006", "42501", "3F000"
NOWHERE = (
    "no schema of the search_path is there to record migrations in: "
    "create it, or set `migrations.table` to `schema.table`"
)
DEFAULT_SCHEMA = "public"


class PostgresLedger(SteppedLedger[PostgresSession]):
    """The ledger of one database; without a schema its table is found, or made, by the search path."""

    database = "postgresql"
    lexicon = POSTGRES

    async def schema_of(self, reader: Reader) -> str:
        """Return the schema the table is in, or would be made in; the usual one where there is no place for it."""
        schema, _ = await self._look(reader)
        return schema or DEFAULT_SCHEMA

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
        """Create schema and table unless they are there; the loser of a race looks again.

        Raises StatementFailed (3F000) when the table would be where the search path does not find it again.
        """
        for _ in range(CREATE_TRIES):
            schema, columns = await self._look(session)
            if not schema:
                raise StatementFailed(NO_SCHEMA, NOWHERE, FailureClass.PERMANENT)
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
        if not (await self._look(reader))[0]:
            raise StatementFailed(NO_SCHEMA, NOWHERE, FailureClass.PERMANENT)
        schema = quote_text(self.schema) if self.schema else "current_schema()"
        [(lacking,)] = await reader.rows(_LACKING.format(schema=schema, table=quote_text(self._table)))
        if lacking == "read-only":
            raise StatementFailed(READ_ONLY, "transactions of this role are read-only", FailureClass.PERMANENT)
        if lacking:
            said = f"migrations could not be recorded, this role has no right to {lacking}"
            raise StatementFailed(NOT_PERMITTED, said, FailureClass.PERMANENT)

    async def _look(self, reader: Reader) -> tuple[str, list[str]]:
        """Return the schema of the table and its columns: no columns without the table, no schema without a place for it."""
        schema = quote_text(self.schema) if self.schema else "current_schema()"
        rows = await reader.rows(_PLACE.format(schema=schema, table=quote_text(self._table)))
        return rows[0][0] or "", [column for _, column in rows if column]

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
        """Return how a file is sent: in one transaction where it can be, else in steps."""
        from startupctl.migrations.postgres.steps import steps_of

        return steps_of(script)

    def resumes(self, entry: Entry, migration: Migration) -> bool:
        """Whether what was begun can go on."""
        from startupctl.migrations.postgres.work import resumes

        return resumes(entry, migration.up)

    async def _create_in(self, session: PostgresSession, schema: str) -> None:
        if self.schema and not await session.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = {quote_text(schema)}"):  # noqa: S608  (quoted)
            await session.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_name(schema)}")
        await session.execute(_TABLE.format(table=self._table))

    async def apply(self, session: PostgresSession, migration: Migration, entry: Entry | None) -> bool:
        """Apply one file; while it only waits for a lock on a table it gives way and tries again."""
        from startupctl.migrations.postgres.work import Work

        work = await aside(migration.up.text, Work, self, self._table, session, migration)
        return await work.apply(entry)

    def expect_more(self, session: PostgresSession, *, more: bool) -> bool:
        """Let the last commit of a run wait for the disk for all of them: the log of the server is written in order.

        A crash before that loses files together with their rows, the newest ones; until the last one is on disk
        nobody sees it applied.
        """
        session.more_follows = more
        return more

    async def revert(self, session: PostgresSession, migration: Migration) -> None:
        """Run the way down and remove the row."""
        from startupctl.migrations.postgres.work import Work

        await Work(self, self._table, session, migration).revert()
