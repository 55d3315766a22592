"""Sessions that change a ClickHouse: a server by clickhouse-connect, or the engine inside this process.

One statement per call, each on a thread of its own; when the caller is cancelled the statement is
killed on the server and what became of it is waited for.
"""

from __future__ import annotations

import uuid
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from startupctl.databases.clickhouse_embedded import open_embedded
from startupctl.databases.session import StatementFailed, end_if_cancelled
from startupctl.diagnosis import FailureClass
from startupctl.quoting import clickhouse_text
from startupctl.threads import in_thread, load
from startupctl.wire.clickhouse import ClickHouseError, number_in, parse_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from startupctl.databases.clickhouse_embedded import EmbeddedReader
    from startupctl.databases.clickhouse_place import EmbeddedEngine
    from startupctl.wire.clickhouse import ClickHouseServer, Row

PATIENCE = 10.0  # seconds a killed statement may take to end
ENDLESS = 366 * 86400  # seconds; the driver computes with it, so it must be a number
# what may go better when it is tried again: timeouts, memory, network, Keeper, killed
TRANSIENT = frozenset({159, 209, 210, 216, 236, 241, 242, 319, 394, 425, 439, 519, 999})
CONTENTION = frozenset({202, 203, 364})  # limits on what runs at once
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class ClickHouseSession(Protocol):
    """One way to a database."""

    async def rows(self, sql: str) -> list[Row]:
        """Return the rows of one statement; raises StatementFailed."""

    async def execute(self, sql: str, *, query_id: str = "", settings: Mapping[str, str] = NO_SETTINGS) -> None:
        """Run one statement under a name, with settings for it alone; raises StatementFailed."""

    async def note(self, sql: str) -> None:
        """Run one statement of ours, which nothing a file has set may change; raises StatementFailed."""

    async def renew(self) -> None:
        """Forget settings and temporary tables."""


class ServerSession:
    """A server, through the driver."""

    def __init__(self, client: Any) -> None:
        """Use a client that makes no sessions of its own."""
        self._client = client
        self._session_id = str(uuid.uuid4())

    async def rows(self, sql: str) -> list[Row]:
        """Return the rows of one statement."""
        return parse_rows(await self._ask(sql))

    async def execute(self, sql: str, *, query_id: str = "", settings: Mapping[str, str] = NO_SETTINGS) -> None:
        """Run one statement; the session keeps what SET says until it is renewed."""
        name = query_id or str(uuid.uuid4())
        said = {**settings, "session_id": self._session_id, "wait_end_of_query": "1", "query_id": name}
        work = in_thread(_translated, self._client.command, sql, settings=said)
        await end_if_cancelled(work, lambda: self._kill(name), PATIENCE)

    async def note(self, sql: str) -> None:
        """Run one statement of ours, apart from the session; one that was begun is waited for."""
        work = in_thread(_translated, self._client.command, sql, settings={"wait_end_of_query": "1"})
        await end_if_cancelled(work, _wait, PATIENCE)

    async def renew(self) -> None:
        """Begin a new session of the server."""
        self._session_id = str(uuid.uuid4())

    async def _ask(self, sql: str) -> bytes:
        answer: bytes = await in_thread(_translated, self._client.raw_query, sql, fmt="TabSeparated")
        return answer

    async def _kill(self, query_id: str) -> None:
        with suppress(StatementFailed):  # it may be over, or this user may not kill
            await self._ask(f"KILL QUERY WHERE query_id = {clickhouse_text(query_id)} ASYNC")


class EmbeddedSession:
    """The engine inside this process."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        """Connect by `renew`."""
        self._engine, self._stack = engine, AsyncExitStack()
        self._reader: EmbeddedReader | None = None

    async def rows(self, sql: str) -> list[Row]:
        """Return the rows of one statement."""
        assert self._reader is not None
        try:
            return await self._reader.rows(sql)
        except ClickHouseError as error:
            raise failed(error.code, error.text) from error

    async def execute(self, sql: str, *, query_id: str = "", settings: Mapping[str, str] = NO_SETTINGS) -> None:
        """Run one statement; the engine knows it by its text."""
        del query_id, settings
        await end_if_cancelled(self.rows(sql), lambda: self._kill(sql), PATIENCE)

    async def note(self, sql: str) -> None:
        """Run one statement of ours; one that was begun is waited for."""
        await end_if_cancelled(self.rows(sql), _wait, PATIENCE)

    async def renew(self) -> None:
        """Connect anew; the old connection is closed after that, so that an engine in memory keeps its data."""
        fresh = AsyncExitStack()
        try:
            self._reader = await fresh.enter_async_context(open_embedded(self._engine))
        except ClickHouseError as error:
            raise failed(error.code, error.text) from error
        old, self._stack = self._stack, fresh
        await old.aclose()

    async def close(self) -> None:
        """Close the connection."""
        await self._stack.aclose()

    async def _kill(self, sql: str) -> None:
        with suppress(ClickHouseError):
            async with open_embedded(self._engine) as other:
                await other.rows(f"KILL QUERY WHERE startsWith(query, {clickhouse_text(sql)}) ASYNC")


@asynccontextmanager
async def server_session(
    server: ClickHouseServer, *, connect_timeout: float, database: str | None = None
) -> AsyncIterator[ServerSession]:
    """Open a client for a server and close its connections at the end; raises StatementFailed.

    `database` replaces the server's; empty means the user's default one.
    """
    pool = await in_thread(_pool, server)
    try:
        client = await in_thread(_translated, _client, server, pool, connect_timeout, database)
        yield ServerSession(client)
    finally:
        pool.clear()


@asynccontextmanager
async def embedded_session(engine: EmbeddedEngine) -> AsyncIterator[EmbeddedSession]:
    """Open the engine; raises StatementFailed, and Unhealthy (RUN006) without the package."""
    session = EmbeddedSession(engine)
    try:
        await session.renew()
        yield session
    finally:
        await session.close()


async def _wait() -> None:
    """End nothing: what is under way is short."""


def failed(number: int | None, said: str) -> StatementFailed:
    """Return a failed statement by the number of the exception; without one nobody knows what became of it."""
    if not number:
        return StatementFailed("", said, FailureClass.TRANSIENT, lost=True)
    return StatementFailed(str(number), said, failure_of(number))


def failure_of(number: int) -> FailureClass:
    """Return how a failed statement behaves when it is tried again."""
    if number in CONTENTION:
        return FailureClass.CONTENTION
    return FailureClass.TRANSIENT if number in TRANSIENT else FailureClass.PERMANENT


def _translated(call: Any, *args: Any, **keys: Any) -> Any:
    """Call the driver; its errors become StatementFailed."""
    from clickhouse_connect.driver.exceptions import ClickHouseError as DriverError

    try:
        return call(*args, **keys)
    except DriverError as error:
        said = str(error)
        number = getattr(error, "code", None) or number_in(said)
        raise failed(number, said) from error


def _client(server: ClickHouseServer, pool: Any, connect_timeout: float, database: str | None) -> Any:
    from clickhouse_connect import get_client

    return get_client(
        **{
            **server.options,
            "host": server.endpoint.host,
            "port": server.endpoint.port,
            "interface": "https" if server.secure else "http",
            "username": server.user or ("default" if server.password else None),
            "password": server.password.reveal(),
            "database": server.database if database is None else database,
            "settings": dict(server.settings),
            "pool_mgr": pool,
            "autogenerate_session_id": False,
            "query_retries": 0,
            "connect_timeout": connect_timeout,
            "send_receive_timeout": ENDLESS,
            "proxy_path": server.path,
        }
    )


def _pool(server: ClickHouseServer) -> Any:
    """Return connections of our own, so that they can be closed; the certificate is checked as in a check."""
    import ssl

    load("clickhouse_connect")
    import urllib3
    from clickhouse_connect.driver.httputil import check_env_proxy, get_pool_manager_options

    scheme = "https" if server.secure else "http"
    options: dict[str, Any] = get_pool_manager_options()
    if server.secure:
        context = server.tls()
        verified = context.verify_mode is not ssl.CERT_NONE
        options |= {"ssl_context": context, "cert_reqs": "CERT_REQUIRED" if verified else "CERT_NONE"}
    proxy = check_env_proxy(scheme, server.endpoint.host, server.endpoint.port)
    if proxy:
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", **options)
    return urllib3.PoolManager(**options)
