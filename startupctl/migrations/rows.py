"""The statements that begin, advance and end the row of one migration, where rows are written by `ON CONFLICT`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.ledger import State
from startupctl.quoting import quote_text

if TYPE_CHECKING:
    from collections.abc import Mapping


class LedgerRow:
    """One row; `table` is quoted, `values` are the texts it begins with, `now` is the time in the dialect's words."""

    def __init__(self, table: str, values: Mapping[str, str], now: str, *, repeatable: bool = False) -> None:
        self.table, self.values, self.now = table, dict(values), now
        self.version = f"version = {quote_text(values['version'])}"
        self._host = f"host = {quote_text(values['host'])}"
        changed = f" OR content_sha256 <> {quote_text(values['content_sha256'])}" if repeatable else ""
        self._open = f"({table}.state IN ('running', 'failed'){changed})"

    def clear(self) -> str:
        """Remove what an earlier try left, or an earlier content."""
        return f"DELETE FROM {self.table} WHERE {self.version} AND {self._open}"  # noqa: S608  (quoted)

    def insert(self, **more: str) -> str:
        """Begin the row; a racer waits here, and then violates the key."""
        row = self.values | more
        values = ", ".join(map(quote_text, row.values()))
        return f"INSERT INTO {self.table} ({', '.join(row)}) VALUES ({values})"  # noqa: S608  (quoted)

    def begin(self, **more: str) -> str:
        """Begin the row unless somebody did; returns a row when this process may go on."""
        return f"{self.insert(**more)} ON CONFLICT (version) DO NOTHING RETURNING version"

    def take_over(self, **more: str) -> str:
        """Go on with a row that an earlier try left; returns a row when this process may."""
        row = self.values | {"error": "", **more}
        changes = ", ".join(f"{column} = {quote_text(value)}" for column, value in row.items() if column != "version")
        return (
            f"UPDATE {self.table} SET {changes}, finished_at = NULL "  # noqa: S608  (quoted)
            f"WHERE {self.version} AND {self._open} RETURNING version"
        )

    def mark(self, number: int, begun: str) -> str:
        """Say how far it is; returns a row while it is this process that has begun it."""
        return (
            f"UPDATE {self.table} SET statement_no = {number}, statements_sha256 = {quote_text(begun)} "  # noqa: S608  (quoted)
            f"WHERE {self.version} AND {self._host} AND state = 'running' RETURNING version"
        )

    def finish(self) -> str:
        """Say that it is done; returns a row when it was there."""
        return self._end(state=State.DONE)

    def fail(self, number: int, begun: str, error: str) -> str:
        """Say where the server refused it, and why."""
        return self._end(state=State.FAILED, statement_no=str(number), statements_sha256=begun, error=error)

    def note_failure(self, error: str) -> str:
        """Say why the server refused a file that has left nothing, so that it can be read later."""
        row = self.insert(state=State.FAILED, error=error)
        changes = "error = excluded.error, host = excluded.host, started_at = excluded.started_at"
        return f"{row} ON CONFLICT (version) DO UPDATE SET {changes} WHERE {self.table}.state = 'failed'"

    def turn_back(self, begun: str) -> str:
        """Begin the way down of what is applied."""
        changes = f"state = 'running', statement_no = 0, statements_sha256 = {quote_text(begun)}, {self._host}"
        return f"UPDATE {self.table} SET {changes} WHERE {self.version} RETURNING version"  # noqa: S608  (quoted)

    def remove(self) -> str:
        """Remove the row; returns one when it was there."""
        return f"DELETE FROM {self.table} WHERE {self.version} RETURNING version"  # noqa: S608  (quoted)

    def _end(self, **values: str) -> str:
        changes = ", ".join(f"{column} = {quote_text(value)}" for column, value in values.items())
        return (
            f"UPDATE {self.table} SET {changes}, finished_at = {self.now} "  # noqa: S608  (quoted)
            f"WHERE {self.version} AND {self._host} RETURNING version"
        )
