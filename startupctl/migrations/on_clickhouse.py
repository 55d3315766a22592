"""Migrations on ClickHouse: statement by statement, each recorded before the next one begins.

There are no transactions. A file that failed goes on behind its last good statement, when what ran is
unchanged; a file whose process vanished in the middle of a statement is left to a person.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from startupctl.databases.clickhouse import ClickHouseSession
from startupctl.databases.session import StatementFailed, end_if_cancelled
from startupctl.migrations.ledger import COLUMNS, Entry, Ledger, State, combined_hash
from startupctl.migrations.lexer import normalised
from startupctl.migrations.lexer_clickhouse import CLICKHOUSE, statements
from startupctl.migrations.steps import How, Step
from startupctl.quoting import clickhouse_name, clickhouse_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table
    from startupctl.migrations.lexer import Statement
    from startupctl.migrations.script import Migration, Script

TABLE_EXISTS = "57"
INTERRUPTED = "interrupted between two statements"
PATIENCE = 10.0  # seconds a row of ours may take when the run is interrupted
# `revision` counts the rows of one migration: the last one stands, whatever the clocks say
_TABLE = """
CREATE TABLE IF NOT EXISTS {table}{cluster} (
  version String, name String, format String, raw_sha256 String, content_sha256 String,
  state String, statement_no UInt32, statements_sha256 String,
  started_at String, finished_at String, host String, tool_version String, error String, revision UInt64
) ENGINE = {engine} ORDER BY version"""


class ClickHouseLedger(Ledger[ClickHouseSession]):
    """The ledger of one database; rows are added and never changed."""

    lexicon = CLICKHOUSE

    def __init__(self, table: str, cluster: str = "") -> None:
        """With a cluster the table is replicated to all of its servers."""
        super().__init__(table)
        self._cluster = cluster

    async def read(self, reader: Reader) -> list[Entry]:
        """Return the last row of every migration, the oldest migration first."""
        columns = await self.columns(reader, self.table)
        if not columns:
            return []
        self.require_own(columns, self.quoted)
        consistent = " SETTINGS select_sequential_consistency = 1" if self._cluster else ""
        names = ", ".join((*COLUMNS, "revision"))
        rows = await reader.rows(f"SELECT {names} FROM {self.quoted} FINAL ORDER BY started_at, version{consistent}")  # noqa: S608  (quoted)
        return [Entry.read(row[:-1], revision=int(row[-1] or 0)) for row in rows]

    async def create(self, session: ClickHouseSession) -> None:
        """Create the table unless it is there."""
        cluster = f" ON CLUSTER {clickhouse_name(self._cluster)}" if self._cluster else ""
        engine = "ReplacingMergeTree(revision)"
        if self._cluster:
            path = clickhouse_text(f"/startupctl/{{database}}/{self.name}")
            engine = f"ReplicatedReplacingMergeTree({path}, '{{replica}}', revision)"
        try:
            await session.execute(_TABLE.format(table=self.quoted, cluster=cluster, engine=engine))
        except StatementFailed as error:
            if error.code != TABLE_EXISTS:
                raise

    async def columns(self, reader: Reader, table: str) -> list[str]:
        """Return the columns of a table."""
        schema, _, name = table.rpartition(".")
        database = clickhouse_text(schema) if schema else "currentDatabase()"
        where = f"database = {database} AND table = {clickhouse_text(name)}"
        return [row[0] or "" for row in await reader.rows(f"SELECT name FROM system.columns WHERE {where}")]  # noqa: S608  (quoted)

    async def tables(self, reader: Reader, names: Sequence[str]) -> list[Table]:
        """Return those of the tables that are there."""
        from startupctl.migrations.foreign_tables import tables_on_clickhouse

        return await tables_on_clickhouse(reader, names)

    async def record(self, session: ClickHouseSession, entries: Sequence[Entry]) -> None:
        """Write rows as they are given, behind those that are there."""
        for entry in entries:
            row: dict[str, str | int] = dict(entry.values)
            row["started_at"] = entry.started_at or _now()
            row["finished_at"] = entry.finished_at or _now()
            await self.write(session, {**row, "statement_no": entry.statement_no, "revision": entry.revision + 1})

    async def write(self, session: ClickHouseSession, row: Mapping[str, str | int]) -> None:
        """Add one row."""
        values = ", ".join(str(value) if isinstance(value, int) else clickhouse_text(value) for value in row.values())
        sql = f"INSERT INTO {self.quoted} ({', '.join(row)}) SETTINGS {self.durable} VALUES ({values})"  # noqa: S608  (quoted)
        await end_if_cancelled(session.execute(sql), _wait, PATIENCE)

    async def forget(self, session: ClickHouseSession, entry: Entry) -> None:
        """Remove the rows of one version."""
        row = f"WHERE version = {clickhouse_text(entry.version)}"
        await session.execute(f"ALTER TABLE {self.quoted} DELETE {row} SETTINGS mutations_sync = 2")

    def steps(self, script: Script) -> list[Step]:
        """Send a file statement by statement."""
        parts = statements(script.text) if script.parts is None else script.parts
        return [Step((part,), How.ALONE) for part in parts]

    async def revert(self, session: ClickHouseSession, migration: Migration) -> None:
        """Run the way down, then remove the row."""
        assert migration.down is not None
        await session.renew()
        for number, part in enumerate(self.statements(migration.down)):
            try:
                await session.execute(part.text)
            except StatementFailed as error:
                error.done = number
                raise
        await self.forget(session, Entry(migration.version, migration.name, "", "", "", State.DONE))

    def resumes(self, entry: Entry, migration: Migration) -> bool:
        """Whether the server refused a statement, and those before it are still the same."""
        done = self.statements(migration.up)[: entry.statement_no]
        unchanged = len(done) == entry.statement_no and self._hash(done) == entry.statements_hash
        return entry.state is State.FAILED and unchanged

    async def apply(self, session: ClickHouseSession, migration: Migration, entry: Entry | None) -> bool:
        """Apply a file from its first statement that is not known to have succeeded."""
        parts = self.statements(migration.up)
        record = _Record(self, session, migration, entry)
        await session.renew()
        for number in range(entry.statement_no if entry else 0, len(parts)):
            done = number
            try:
                await record.write(State.RUNNING, number, self._hash(parts[:number]))
                done += 1
                await session.execute(parts[number].text, query_id=self._query_id(migration, number, parts[number]))
            except StatementFailed as error:
                error.done = number
                if not error.lost:
                    await record.write(State.FAILED, number, self._hash(parts[:number]), error.said)
                raise
            except asyncio.CancelledError as ended:
                if ended.__cause__ is None:  # else it was killed, and may have left a part of its work
                    await record.write(State.FAILED, done, self._hash(parts[:done]), INTERRUPTED)
                raise
        await record.write(State.DONE, len(parts), self._hash(parts))
        return True

    def ways_out(self, entry: Entry) -> tuple[str, str]:
        """Return the two statements an operator chooses between."""
        row = f"WHERE version = {clickhouse_text(entry.version)}"
        return (
            f"ALTER TABLE {self.quoted} DELETE {row}",
            f"ALTER TABLE {self.quoted} UPDATE state = 'done' {row}",
        )

    @property
    def durable(self) -> str:
        """The settings with which a row is kept, on a cluster by most of the replicas, before the next step."""
        return "async_insert = 0" + (", insert_quorum = 'auto'" if self._cluster else "")

    @property
    def quoted(self) -> str:
        """The quoted name of the table."""
        return ".".join(clickhouse_name(part) for part in (self.schema, self.name) if part)

    def _hash(self, parts: Sequence[Statement]) -> str:
        return combined_hash([normalised(part.text, CLICKHOUSE) for part in parts])

    def _query_id(self, migration: Migration, number: int, part: Statement) -> str:
        """Return the name of one statement, the same for whoever runs it: two at once are refused by the server."""
        text = "\0".join((self.quoted, migration.version, str(number), part.text))
        return f"startupctl-{migration.version}-{number + 1}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class _Record:
    """The rows of one migration."""

    def __init__(
        self, ledger: ClickHouseLedger, session: ClickHouseSession, migration: Migration, entry: Entry | None
    ) -> None:
        self._ledger, self._session = ledger, session
        self._values: dict[str, str | int] = dict(ledger.values(migration, State.RUNNING))
        self._values["started_at"] = entry.started_at if entry else _now()
        self._revision = entry.revision if entry else 0

    async def write(self, state: State, number: int, done_hash: str, error: str = "") -> None:
        """Add the row that stands from now on."""
        self._revision += 1
        row: dict[str, str | int] = {
            **self._values,
            "state": state,
            "statement_no": number,
            "statements_sha256": done_hash,
            "finished_at": "" if state is State.RUNNING else _now(),
            "error": error,
            "revision": self._revision,
        }
        await self._ledger.write(self._session, row)


async def _wait() -> None:
    """End nothing: what is under way is short."""


def _now() -> str:
    return datetime.now(UTC).isoformat(sep=" ", timespec="microseconds")
