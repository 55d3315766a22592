"""The engine: runs a query in the process, with the settings of that query alone."""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from startupctl.embedded.clickhouse_http.connection import connect
from startupctl.embedded.clickhouse_http.refusal import Refusal
from startupctl.embedded.clickhouse_http.sessions import Session, Sessions
from startupctl.migrations.clickhouse.lexer import statements
from startupctl.quoting import clickhouse_name, clickhouse_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from startupctl.embedded.clickhouse_http.connection import Connection, Result
    from startupctl.embedded.clickhouse_http.query import Query

# INSERT INTO … FORMAT name, then raw data; white space and comments may stand before it
RAW_INSERT = re.compile(
    rb"^((?:\s|--[^\n]*\n|/\*.*?\*/)*INSERT\s+INTO\s(?:(?!\b(?:VALUES|SELECT|FORMAT)\b).)*)\bFORMAT\s+(\w+)[ \t;]*\n?(.*)$",
    re.IGNORECASE | re.DOTALL,
)
FORMAT_CLAUSE = re.compile(r"\bFORMAT\s+(\w+)[\s;]*$", re.IGNORECASE)
READS = re.compile(r"\W*(SELECT|WITH|SHOW|DESC|EXPLAIN|EXISTS|CHECK)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query returned; `output_format` is empty when it returns no rows."""

    body: bytes
    output_format: str
    summary: str


class Engine:
    """One open data directory; a second process cannot open it at the same time."""

    def __init__(self, path: Path) -> None:
        """Open `path`, making it when it is missing; raises RuntimeError when it is in use."""
        self.path = str(path)
        self._keeper = connect(self.path)  # holds the engine while no query runs
        self.sessions = Sessions(self.connect)
        self.version, self.timezone = self.ask("SELECT version(), timezone()").split("\t")
        self._guard = threading.Lock()
        self._running: set[str] = set()

    def connect(self) -> Connection:
        """Return a new connection."""
        return connect(self.path)

    def ask(self, sql: str) -> str:
        """Return the answer to a query of our own, as tab-separated text."""
        return (self._keeper.query(sql, "TSV").bytes() or b"").decode().strip()

    def run(self, query: Query) -> Answer:
        """Run a query; raises Refusal with the engine's error."""
        with self._identified(query.query_id):
            try:
                with self._connection(query) as connection:
                    return _answer(connection, query)
            except RuntimeError as error:
                raise Refusal.from_engine(error) from error

    @contextmanager
    def _identified(self, query_id: str) -> Iterator[None]:
        with self._guard:
            if query_id in self._running:
                text = f"Query with id = {query_id} is already running"
                raise Refusal.of(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", text)
            self._running.add(query_id)
        try:
            yield
        finally:
            with self._guard:
                self._running.discard(query_id)

    @contextmanager
    def _connection(self, query: Query) -> Iterator[Connection]:
        if not query.session_id:
            connection = self.connect()
            try:
                yield connection
            finally:
                connection.close()
            return
        with self.sessions.taken(query.session_id, must_exist=query.session_must_exist) as session:
            try:
                yield session.connection
            finally:
                self._forget(session, query.settings)

    def _forget(self, session: Session, settings: Mapping[str, str]) -> None:
        """Reset settings of the URL, which live for one query; `readonly` cannot be reset, only left behind."""
        try:
            for key in settings:
                session.connection.query(f"SET `{key}` = DEFAULT")
        except RuntimeError:
            session.connection.close()
            session.connection = self.connect()


def _answer(connection: Connection, query: Query) -> Answer:
    started = time.perf_counter()
    if query.database:
        connection.query(f"USE {clickhouse_name(query.database)}")
    if query.settings:
        pairs = (f"{clickhouse_name(key)} = {clickhouse_text(value)}" for key, value in query.settings.items())
        connection.query(f"SET {', '.join(pairs)}")
    insert = RAW_INSERT.match(query.text or query.data)
    if insert:
        data = insert[3] + (query.data if query.text else b"")
        return Answer(b"", "", _summary(_insert(connection, insert, data), started))
    sql = query.sql
    if len(statements(sql)) > 1:
        raise Refusal.of(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
    result = connection.query(sql, query.output_format, params=dict(query.parameters))
    body = bytes(result.bytes() or b"")
    clause = FORMAT_CLAUSE.search(sql)
    output_format = clause[1] if clause else query.output_format
    return Answer(body, output_format if body or READS.match(sql) else "", _summary(result, started))


def _insert(connection: Connection, insert: re.Match[bytes], data: bytes) -> Result:
    """Insert raw data through a file: the engine takes no data beside a statement."""
    if not data:
        return connection.query("SELECT 1 WHERE 0")
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return connection.query(
            f"{insert[1].decode()} FROM INFILE {clickhouse_text(file.name)} FORMAT {insert[2].decode()}"
        )


def _summary(result: Result, started: float) -> str:
    counts = {
        "read_rows": result.rows_read(),
        "read_bytes": result.bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "elapsed_ns": int((time.perf_counter() - started) * 1e9),
    }
    return json.dumps({key: str(count) for key, count in counts.items()})
