"""The engine's own calls, typed: `chdb` has no annotations for them."""

from __future__ import annotations

from typing import Any, Protocol


class Result(Protocol):
    """What a statement returned."""

    def bytes(self) -> bytes | None:
        """Return the rows in the format asked for."""

    def rows_read(self) -> int:
        """Count the rows read."""

    def bytes_read(self) -> int:
        """Count the bytes read."""

    def rows_written(self) -> int:
        """Count the rows written."""

    def bytes_written(self) -> int:
        """Count the bytes written."""


class Connection(Protocol):
    """A connection with a database and settings of its own."""

    def query(self, sql: str, format: str = ..., *, params: dict[str, str] = ...) -> Result:  # noqa: A002  (the name is the library's)
        """Execute one statement; raises RuntimeError with the engine's text."""

    def close(self) -> None:
        """End it."""


def connect(path: str) -> Connection:
    """Open the engine at `path`, or another connection to it; raises RuntimeError when a process has it open."""
    from chdb import _chdb

    driver: Any = _chdb
    driver.set_signal_handlers_enabled(0)  # the engine would take over SIGTERM
    connection: Connection = driver.connect(path)
    return connection
