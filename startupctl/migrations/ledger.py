"""The table that records what was applied: its columns and rows, and what a dialect has to say about it."""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from startupctl import __version__
from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.codes import CANNOT_ADOPT
from startupctl.quoting import quote_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import Reader, Row, Session
    from startupctl.migrations.history import Table
    from startupctl.migrations.lexer import Lexicon, Statement
    from startupctl.migrations.script import Migration, Script
    from startupctl.migrations.steps import Step

S = TypeVar("S", bound="Session")

NO_LEDGER = "exists and is no ledger of startupctl, another tool or the application owns it"
OTHER_TABLE = "give `migrations.table` another name"

COLUMNS = (
    "version",
    "name",
    "format",
    "raw_sha256",
    "content_sha256",
    "state",
    "statement_no",
    "statements_sha256",
    "started_at",
    "finished_at",
    "host",
    "tool_version",
    "error",
)


class State(StrEnum):
    """What a row says of its migration."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ADOPTED = "adopted"

    @property
    def is_applied(self) -> bool:
        """Whether nothing is left to do."""
        return self in (State.DONE, State.ADOPTED)


class Entry(NamedTuple):
    """One row, its fields in the order of COLUMNS: a migration that was begun or applied.

    `raw` is the sha256 of the file, `content_hash` that of its text without comments and layout.
    `statement_no` statements are known to have succeeded; `statements_hash` is the hash of their text.
    Times are as the server writes them.
    """

    version: str
    name: str
    format: str
    raw: str
    content_hash: str
    state: State
    statement_no: int = 0
    statements_hash: str = ""
    started_at: str = ""
    finished_at: str = ""
    host: str = ""
    tool_version: str = ""
    error: str = ""
    revision: int = 0

    @classmethod
    def read(cls, row: Row, revision: int = 0) -> Entry:
        """Read a row whose values stand in the order of COLUMNS; `revision` counts what was written for it."""
        texts = dict(zip(COLUMNS, (value or "" for value in row), strict=True))
        return cls(
            version=texts["version"],
            name=texts["name"],
            format=texts["format"],
            raw=texts["raw_sha256"],
            content_hash=texts["content_sha256"],
            state=State(texts["state"]),
            statement_no=int(texts["statement_no"] or 0),
            statements_hash=texts["statements_sha256"],
            started_at=texts["started_at"],
            finished_at=texts["finished_at"],
            host=texts["host"],
            tool_version=texts["tool_version"],
            error=texts["error"],
            revision=revision,
        )

    @property
    def left_nothing(self) -> bool:
        """Whether it was tried, and all of it was taken back: only the words of its failure are left."""
        return self.state is State.FAILED and not self.statement_no and not self.statements_hash

    @property
    def values(self) -> dict[str, str]:
        """The texts of a row, by column."""
        return dict(zip(COLUMNS, map(str, self[:-1]), strict=True))


class Ledger(ABC, Generic[S]):
    """What is particular to one database: its dialect, its table, and how one file is applied and recorded.

    `table` is `name` or `schema.name`, as the manifest writes it.
    """

    database: str
    """What it is: `postgresql`, `clickhouse` or `sqlite`."""

    lexicon: Lexicon

    def __init__(self, table: str) -> None:
        """Keep the name of the table; where it is, is asked when it is read."""
        self.table = table
        self.schema, _, self.name = table.rpartition(".")

    @abstractmethod
    async def read(self, reader: Reader) -> list[Entry]:
        """Return all rows, the oldest first; no table is no rows. Raises Unhealthy (MIG010) for a foreign table."""

    @abstractmethod
    async def create(self, session: S) -> None:
        """Create the table unless it is there; others may do so at the same time."""

    @abstractmethod
    async def apply(self, session: S, migration: Migration, entry: Entry | None) -> bool:
        """Apply one file and record it; False when somebody else did. `entry` is what an earlier try left.

        Raises StatementFailed.
        """

    @abstractmethod
    async def revert(self, session: S, migration: Migration) -> None:
        """Run the way down of one file and remove its row; raises StatementFailed."""

    @abstractmethod
    async def record(self, session: S, entries: Sequence[Entry]) -> None:
        """Write rows as they are given, in place of those of their versions; a time that is empty is now."""

    @abstractmethod
    async def forget(self, session: S, entry: Entry) -> None:
        """Remove one row."""

    @abstractmethod
    async def columns(self, reader: Reader, table: str) -> Sequence[str]:
        """Return the columns of a table, `name` or `schema.name`; none when there is no such table."""

    @abstractmethod
    async def tables(self, reader: Reader, names: Sequence[str]) -> list[Table]:
        """Return those of the tables that are there; a name is `name` or `schema.name`. Asks once."""

    @abstractmethod
    def steps(self, script: Script) -> Sequence[Step]:
        """Return how the statements of a file are sent, in order."""

    def statements(self, script: Script) -> Sequence[Statement]:
        """Cut a file into its statements."""
        return [statement for step in self.steps(script) for statement in step.statements]

    def resumes(self, entry: Entry, migration: Migration) -> bool:
        """Whether a file that was begun may be applied again, or from where it stopped."""
        del entry, migration
        return False

    def expect_more(self, session: S, *, more: bool) -> bool:
        """Say before a file whether others follow in this run; return whether its commit may then wait for theirs to be on disk."""
        del session, more
        return False

    def turns_back(self, entry: Entry, migration: Migration) -> bool:
        """Whether the way down of a file was begun, and goes on when it is reverted again."""
        del entry, migration
        return False

    def doubt(self, entry: Entry, migration: Migration) -> str:
        """Return why a file that was begun does not go on by itself, where that is known."""
        del entry, migration
        return ""

    def pending_again(self, entry: Entry, migration: Migration) -> Entry | None:
        """Return the row with which a file that was begun runs again; None is no row: from its beginning.

        Where statements are recorded one by one, that is from the one in doubt.
        """
        del entry, migration
        return None

    def accepted(self, entry: Entry, migration: Migration) -> Entry:
        """Return the row with which a file that was begun counts as applied.

        Where statements are recorded one by one, that is the one in doubt; what follows it stays pending.
        """
        total = len(self.statements(migration.up))
        return entry._replace(state=State.DONE, statement_no=total, finished_at="", error="")

    def ways_out(self, entry: Entry) -> tuple[str, str]:
        """Return the command that makes a half-applied file pending again, and the one that accepts it."""
        import shlex

        command = f"startupctl migrate repair {shlex.quote(entry.version)}"
        return f"{command} --rerun", f"{command} --accept"

    def require_own(self, columns: Sequence[str], table: str) -> None:
        """Raise Unhealthy (MIG010) when a table that exists has not the columns of a ledger."""
        if not set(COLUMNS) <= set(columns):
            raise Unhealthy(Diagnosis(CANNOT_ADOPT, {"what": f"the table {table} {NO_LEDGER}", "cure": OTHER_TABLE}))

    def values(self, migration: Migration, state: State) -> dict[str, str]:
        """Return the texts a new row begins with, by column."""
        return {
            "version": migration.version,
            "name": migration.name,
            "format": migration.format,
            "raw_sha256": migration.raw,
            "content_sha256": migration.content_hash(self.lexicon),
            "state": state,
            "host": this_process(),
            "tool_version": __version__,
        }


def upsert(table: str, entry: Entry, now: str) -> str:
    """Return the statement that writes a row, by `ON CONFLICT`; `now` is what an empty time becomes."""
    row = {column: quote_text(value) for column, value in entry.values.items()}
    row |= {column: now for column in ("started_at", "finished_at") if not entry.values[column]}
    changes = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
    return (
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())}) "  # noqa: S608  (quoted)
        f"ON CONFLICT (version) DO UPDATE SET {changes}"
    )


def this_process() -> str:
    """Return `host:pid`, how this process is called in ledgers and locks."""
    return f"{socket.gethostname()}:{os.getpid()}"
