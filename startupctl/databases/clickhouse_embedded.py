"""The ClickHouse engine inside this process, asked as a server is asked."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from startupctl.check import Unhealthy
from startupctl.databases.clickhouse_codes import UNKNOWN_DATABASE
from startupctl.diagnoses import DRIVER_MISSING
from startupctl.diagnosis import Diagnosis
from startupctl.quoting import clickhouse_name, clickhouse_text
from startupctl.threads import in_thread
from startupctl.wire.clickhouse import ClickHouseError, number_in, parse_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from startupctl.databases.clickhouse_place import EmbeddedEngine
    from startupctl.wire.clickhouse import Row

PACKAGE = "startupctl[embedded]"
MEMORY = ":memory:"


class EmbeddedReader:
    """A connection to the engine; raises ClickHouseError without an HTTP answer."""

    def __init__(self, connection: Any) -> None:
        """Take an open connection; `open_embedded` makes one."""
        self._connection = connection

    async def rows(self, sql: str) -> list[Row]:
        """Return the rows of one statement."""
        return parse_rows(await in_thread(_query, self._connection, sql))


@asynccontextmanager
async def open_embedded(engine: EmbeddedEngine) -> AsyncIterator[EmbeddedReader]:
    """Open the engine in its database, with its settings, and close this connection at the end.

    A process has one engine, so a second folder is refused while another is open. Raises Unhealthy
    (RUN006) without the package, ClickHouseError when the folder or the database cannot be opened;
    a folder that is not there is not made, it counts as a missing database.
    """
    if engine.folder and not await in_thread(Path(engine.folder).is_dir):
        raise ClickHouseError(UNKNOWN_DATABASE, "there is no such folder")
    connection = await in_thread(_connect, engine.folder or MEMORY)
    try:
        reader = EmbeddedReader(connection)
        if engine.database:
            await reader.rows(f"USE {clickhouse_name(engine.database)}")
        for name, value in engine.settings.items():
            await reader.rows(f"SET {clickhouse_name(name)} = {clickhouse_text(value)}")
        yield reader
    finally:
        connection.close()


def _connect(path: str) -> Any:
    try:
        driver: Any = import_module("chdb._chdb")
    except ImportError as error:
        raise Unhealthy(Diagnosis(DRIVER_MISSING, {"package": PACKAGE})) from error
    driver.set_signal_handlers_enabled(0)  # the engine would take over SIGTERM
    try:
        return driver.connect(path)
    except RuntimeError as error:
        raise _refused(error) from error


def _query(connection: Any, sql: str) -> bytes:
    try:
        return bytes(connection.query(sql, "TabSeparated").bytes() or b"")
    except RuntimeError as error:
        raise _refused(error) from error


def _refused(error: RuntimeError) -> ClickHouseError:
    """Return the engine's exception; before its number stands what the engine was doing."""
    _, mark, words = str(error).strip().partition("Code: ")
    text = mark + words or str(error)
    return ClickHouseError(number_in(text) or 0, text)
