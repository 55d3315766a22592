"""The rows of a ClickHouse ledger: they are added and never changed; of one version the highest revision stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.ledger import COLUMNS, State
from startupctl.quoting import clickhouse_name, clickhouse_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from startupctl.databases.clickhouse import ClickHouseSession
    from startupctl.databases.session import Reader
    from startupctl.migrations.ledger import Entry

FORGOTTEN = "forgotten"
NOW = "concat(toString(now64(6, 'UTC')), '+00:00')"  # the clock of the server
# several servers: a row counts when most of them have it, one after the other, and is read where it is
DURABLE = "async_insert = 0"
REPLICATED = ", insert_quorum = 'auto', insert_quorum_parallel = 0"
CONSISTENT = " SETTINGS select_sequential_consistency = 1"


class Table(NamedTuple):
    """A ledger's table; `quoted` is its name."""

    quoted: str
    replicated: bool = False

    async def newest(self, reader: Reader, versions: Sequence[str]) -> dict[str, int]:
        """Return the highest revision of versions, those that were forgotten among them; 0 for those without a row."""
        wanted = ", ".join(map(clickhouse_text, versions))
        found = await reader.rows(
            f"SELECT version, max(revision) FROM {self.quoted} WHERE version IN ({wanted}) GROUP BY version{self.consistent}"  # noqa: S608  (quoted)
        )
        return dict.fromkeys(versions, 0) | {version or "": int(revision or 0) for version, revision in found}

    async def read(self, reader: Reader) -> list[tuple[Sequence[str | None], int]]:
        """Return the rows that stand, the oldest first, each with its revision."""
        names = ", ".join((*COLUMNS, "revision"))
        sql = f"SELECT {names} FROM {self.quoted} FINAL ORDER BY started_at, version{self.consistent}"  # noqa: S608  (quoted)
        rows = await reader.rows(sql)
        state = COLUMNS.index("state")
        return [(row[:-1], int(row[-1] or 0)) for row in rows if row[state] != FORGOTTEN]

    async def add(self, session: ClickHouseSession, rows: Sequence[Mapping[str, str | int]]) -> None:
        """Add rows at once; an empty `started_at` or `finished_at` is now, unless it still runs."""
        if not rows:
            return
        values = ", ".join(f"({', '.join(_literal(row, name) for name in row)})" for row in rows)
        settings = DURABLE + (REPLICATED if self.replicated else "")
        sql = f"INSERT INTO {self.quoted} ({', '.join(rows[0])}) SETTINGS {settings} VALUES {values}"  # noqa: S608  (quoted)
        await session.note(sql)

    @property
    def consistent(self) -> str:
        """The settings with which all rows are seen."""
        return CONSISTENT if self.replicated else ""


def quoted_table(schema: str, name: str) -> str:
    """Return the quoted name of a table; without a schema it is in the database of the session."""
    return ".".join(clickhouse_name(part) for part in (schema, name) if part)


class Rows:
    """The rows of one migration that is under way."""

    def __init__(self, session: ClickHouseSession, table: Table, values: Mapping[str, str]) -> None:
        """`values` are those every row has; `begin` comes first and fills in the rest."""
        self._session, self._table, self._values = session, table, dict(values)
        self.place = self.started_at = ""
        self.host, self.version = values["host"], values["version"]
        self.revision = 0

    async def begin(self, entry: Entry | None) -> None:
        """Ask for the newest row of this version and for the time; what was begun keeps its own."""
        asked = f"SELECT currentDatabase(), {NOW}, max(revision) FROM {self._table.quoted}"  # noqa: S608  (quoted)
        version = f"WHERE version = {clickhouse_text(self.version)}"
        [(database, now, revision)] = await self._session.rows(f"{asked} {version}{self._table.consistent}")
        self.revision = int(revision or 0)
        self.place = f"{database}.{self._table.quoted}"
        self.started_at = entry.started_at if entry and not entry.state.is_applied else now or ""

    async def write(self, state: State | str, done: int, begun_hash: str, error: str = "") -> int:
        """Add the row that stands from now on; return its revision."""
        self.revision += 1
        row: dict[str, str | int] = {
            **self._values,
            "state": state,
            "statement_no": done,
            "statements_sha256": begun_hash,
            "started_at": self.started_at,
            "finished_at": "",
            "error": error,
            "revision": self.revision,
        }
        await self._table.add(self._session, [row])
        return self.revision


def _literal(row: Mapping[str, str | int], name: str) -> str:
    value = row[name]
    if isinstance(value, int):
        return str(value)
    is_now = name == "started_at" or (name == "finished_at" and row["state"] != State.RUNNING)
    return NOW if is_now and not value else clickhouse_text(value)
