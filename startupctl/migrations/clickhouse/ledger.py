"""Migrations on ClickHouse: statement by statement, each recorded before it begins.

There are no transactions. A file that stopped goes on where it stopped, when what was begun of it is
unchanged and the server tells what became of the statement in doubt, or that one can be run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.databases.clickhouse import ClickHouseSession
from startupctl.databases.session import StatementFailed
from startupctl.migrations.clickhouse.lexer import CLICKHOUSE, statements
from startupctl.migrations.clickhouse.rows import FORGOTTEN, Rows, Table, quoted_table
from startupctl.migrations.failed import first_line, half_applied
from startupctl.migrations.ledger import Entry, State
from startupctl.migrations.stepped import SteppedLedger
from startupctl.migrations.steps import How, Step
from startupctl.migrations.watch import Watch
from startupctl.quoting import clickhouse_database, clickhouse_name, clickhouse_text, is_clickhouse_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import Reader
    from startupctl.migrations.history import Table as ForeignTable
    from startupctl.migrations.progress import Course
    from startupctl.migrations.script import Migration, Script

TABLE_EXISTS = "57"
REPLICATED_DATABASE = "Replicated"  # what is made in it is made on all of its servers, at paths of its own
_TABLE = """
CREATE TABLE IF NOT EXISTS {table}{cluster} (
  version String, name String, format String, raw_sha256 String, content_sha256 String,
  state String, statement_no UInt32, statements_sha256 String,
  started_at String, finished_at String, host String, tool_version String, error String, revision UInt64
) ENGINE = {engine} ORDER BY version"""


class ClickHouseLedger(SteppedLedger[ClickHouseSession]):
    """The ledger of one database."""

    database = "clickhouse"
    lexicon = CLICKHOUSE

    def __init__(self, table: str, cluster: str = "", watch: Watch | None = None) -> None:
        """With a cluster the table is on all of its servers; `watch` is asked between two statements."""
        super().__init__(table)
        self._cluster = cluster
        self._watch = watch or Watch(lambda _: None)
        self._table = Table(quoted_table(self.schema, self.name), replicated=bool(cluster))

    async def read(self, reader: Reader) -> list[Entry]:
        """Return the rows that stand, the oldest first."""
        engine, columns = await self._look(reader)
        if not columns:
            return []
        self.require_own(columns, self._table.quoted)
        self._table = self._table._replace(replicated=engine.startswith("Replicated"))
        return [Entry.read(row, revision) for row, revision in await self._table.read(reader)]

    async def create(self, session: ClickHouseSession) -> None:
        """Create the table unless it is there; on all servers, where there are several."""
        database = clickhouse_database(self.schema)
        found = await session.rows(f"SELECT engine FROM system.databases WHERE name = {database}")  # noqa: S608  (quoted)
        by_database = found[:1] == [[REPLICATED_DATABASE]]
        sql = _TABLE.format(
            table=self._table.quoted,
            cluster=f" ON CLUSTER {clickhouse_name(self._cluster)}" if self._cluster and not by_database else "",
            engine=self._engine(by_database=by_database),
        )
        self._table = self._table._replace(replicated=by_database or bool(self._cluster))
        try:
            await session.note(sql)
        except StatementFailed as error:
            if error.code != TABLE_EXISTS:
                raise

    async def columns(self, reader: Reader, table: str) -> list[str]:
        """Return the columns of a table."""
        schema, _, name = table.rpartition(".")
        where = is_clickhouse_table(schema, name)
        return [row[0] or "" for row in await reader.rows(f"SELECT name FROM system.columns WHERE {where}")]  # noqa: S608  (quoted)

    async def tables(self, reader: Reader, names: Sequence[str]) -> list[ForeignTable]:
        """Return those of the tables that are there."""
        from startupctl.migrations.foreign_tables import tables_on_clickhouse

        return await tables_on_clickhouse(reader, names)

    async def record(self, session: ClickHouseSession, entries: Sequence[Entry]) -> None:
        """Write rows as they are given, behind those that are there."""
        await self._add(session, entries)

    async def forget(self, session: ClickHouseSession, entry: Entry) -> None:
        """Write that a version has no row any more."""
        await self._add(session, [entry], state=FORGOTTEN)

    def steps(self, script: Script) -> list[Step]:
        """Send a file statement by statement."""
        parts = statements(script.text) if script.parts is None else script.parts
        return [Step((part,), How.ALONE) for part in parts]

    async def apply(self, session: ClickHouseSession, migration: Migration, entry: Entry | None) -> bool:
        """Apply a file from where it stopped; raises StatementFailed and Unhealthy (MIG003, LCK002)."""
        course = self._course(migration)
        edited = entry is not None and course.progress(entry) is None
        rows = await self._run(session, migration, course, None if migration.repeatable and edited else entry)
        await rows.write(State.DONE, len(course.steps), course.begun(len(course.steps)))
        return True

    async def revert(self, session: ClickHouseSession, migration: Migration) -> None:
        """Run the way down, from where it stopped, then remove the row; raises as `apply` does."""
        from startupctl.migrations.progress import DOWN, Course

        assert migration.down is not None
        course = Course(self.steps(migration.down), CLICKHOUSE, DOWN)
        entry = next((entry for entry in await self.read(session) if entry.version == migration.version), None)
        rows = await self._run(session, migration, course, entry)
        await rows.write(FORGOTTEN, 0, "")

    def resumes(self, entry: Entry, migration: Migration) -> bool:
        """Whether what was begun of a file is unchanged, and nothing of it ended with its session."""
        course = self._course(migration)
        if course.progress(entry) is None:
            return migration.repeatable
        return not _left_in_session(entry, course)

    def doubt(self, entry: Entry, migration: Migration) -> str:
        """Return why a file does not go on by itself."""
        return _what_is_in_doubt(entry, self._course(migration))

    async def _look(self, reader: Reader) -> tuple[str, list[str]]:
        """Return the engine of the table and its columns; no columns when it is not there."""
        where = is_clickhouse_table(self.schema, self.name)
        engine = f"(SELECT any(engine) FROM system.tables WHERE {is_clickhouse_table(self.schema, self.name, 'name')})"  # noqa: S608  (quoted)
        rows = await reader.rows(f"SELECT {engine}, name FROM system.columns WHERE {where}")  # noqa: S608  (quoted)
        return (rows[0][0] or "" if rows else ""), [row[1] or "" for row in rows]

    def _engine(self, *, by_database: bool) -> str:
        if by_database:
            return "ReplicatedReplacingMergeTree(revision)"
        if not self._cluster:
            return "ReplacingMergeTree(revision)"
        path = clickhouse_text(f"/startupctl/{{database}}/{self.name}")
        return f"ReplicatedReplacingMergeTree({path}, '{{replica}}', revision)"

    async def _run(self, session: ClickHouseSession, migration: Migration, course: Course, entry: Entry | None) -> Rows:
        """Run the statements of one way; return the rows, for the last one."""
        from startupctl.migrations.clickhouse.work import Work

        rows = Rows(session, self._table, self.values(migration, State.RUNNING))
        await rows.begin(entry)
        if not await Work(session, rows, course, self._watch).carry_out(entry):
            assert entry is not None
            ways, total = self.ways_out(entry), len(course.steps)
            raise Unhealthy(half_applied(migration, entry, ways, total, _what_is_in_doubt(entry, course)))
        return rows

    async def _add(self, session: ClickHouseSession, entries: Sequence[Entry], state: str = "") -> None:
        newest = await self._table.newest(session, [entry.version for entry in entries]) if entries else {}
        rows: list[dict[str, str | int]] = [
            {**entry.values, "statement_no": entry.statement_no, "revision": newest[entry.version] + 1}
            for entry in entries
        ]
        for row in rows:
            row["state"] = state or row["state"]
        await self._table.add(session, rows)


def _left_in_session(entry: Entry, course: Course) -> bool:
    """Whether what was begun made a temporary table: it is gone, and its rows with it."""
    from startupctl.migrations.clickhouse.idempotent import makes_temporary

    begun = course.steps[: entry.statement_no + 1]
    return any(makes_temporary(step.statements[0].text) for step in begun)


def _what_is_in_doubt(entry: Entry, course: Course) -> str:
    progress = course.progress(entry)
    if progress is None:
        return "what was begun of it is not what the file says now"
    if not progress.doubt:
        return "what it left in its session, as a temporary table, is gone with it"
    return f"what became of `{first_line(course.steps[progress.step].statements[0].text)}` is not known"
