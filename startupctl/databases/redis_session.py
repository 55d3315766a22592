"""Commands that change something in a Redis or Valkey server, on redis-py."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from startupctl.addresses import Endpoint
from startupctl.databases.session import end_if_cancelled
from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken
from startupctl.threads import in_thread, load
from startupctl.wire.resp import RedisError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

    from startupctl.databases.redis_place import Place

ANSWER = 5.0  # seconds a command may take
MAX_HOPS = 5  # from node to node of a cluster, as redis-cli and the drivers allow
# the driver has a class for these words and takes them off the text
_WORDS = {
    "AskError": "ASK",
    "AuthenticationError": "WRONGPASS",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}


class RedisSession:
    """A server that is told what to do; what belongs to another node of a cluster is sent there.

    Every call runs on a thread of its own. When its caller is cancelled its end is waited for: what was
    sent is done.
    """

    def __init__(self, place: Place, connect_timeout: float) -> None:
        """Connect when the first command is sent; use `connected` to close at the end."""
        self.place = place
        self._connect_timeout = connect_timeout
        self._clients: dict[Endpoint, Any] = {}  # redis.Redis, whose types cover its shortcuts only

    async def call(self, *words: str | bytes | int, at: Endpoint | None = None) -> Any:
        """Send one command, to the node `at` or to this one; raises RedisError and ConnectionBroken."""
        sending = in_thread(self._follow, words, at or self.place.endpoint)
        return await end_if_cancelled(sending, _let_it_end, 2 * ANSWER)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await in_thread(client.close)

    def _follow(self, words: tuple[str | bytes | int, ...], endpoint: Endpoint) -> Any:
        """Send a command where it belongs."""
        load("redis")
        import redis.exceptions

        for _ in range(MAX_HOPS):
            try:
                return self._client(endpoint).execute_command(*words)
            except redis.exceptions.MovedError as moved:
                endpoint = Endpoint(moved.host or endpoint.host, moved.port)
            except redis.exceptions.RedisError as error:
                raise in_our_words(error, str(words[0]), endpoint) from error
        raise RedisError("MOVED", f"from node to node, {MAX_HOPS} times", str(words[0]))

    def _client(self, endpoint: Endpoint) -> Any:
        import redis

        if endpoint not in self._clients:
            where = (
                {"unix_socket_path": endpoint.path} if endpoint.path else {"host": endpoint.host, "port": endpoint.port}
            )
            self._clients[endpoint] = redis.Redis(**where, **self._options())
        return self._clients[endpoint]

    def _options(self) -> dict[str, Any]:
        place = self.place
        options: dict[str, Any] = {
            "db": place.database,
            "username": place.user,
            "password": place.password.reveal() if place.password else None,
            "socket_timeout": ANSWER,
            "socket_connect_timeout": self._connect_timeout,
            "retry": None,  # whoever asks decides what may be sent twice
            "decode_responses": True,
            "encoding_errors": "surrogateescape",
            "protocol": 2,
        }
        return options | (self._tls_options() if place.tls else {})

    def _tls_options(self) -> dict[str, Any]:
        files = self.place.files
        return {
            "ssl": True,
            "ssl_cert_reqs": "required" if files.verify else "none",
            "ssl_check_hostname": files.verify and files.check_name,
            "ssl_ca_certs": str(files.ca_file) if files.ca_file else None,
            "ssl_certfile": str(files.cert_file) if files.cert_file else None,
            "ssl_keyfile": str(files.key_file) if files.key_file else None,
        }


@asynccontextmanager
async def connected(place: Place, connect_timeout: float) -> AsyncIterator[RedisSession]:
    """Yield a session and close its connections at the end; `connect_timeout` is in seconds."""
    session = RedisSession(place, connect_timeout)
    try:
        yield session
    finally:
        await session.close()


def in_our_words(error: redis.RedisError, command: str, endpoint: Endpoint) -> RedisError | ConnectionBroken:
    """Return an exception of the driver as ours: an error answer with its word, or a broken connection."""
    import redis.exceptions as driver

    word = _WORDS.get(type(error).__name__, "")
    if word or isinstance(error, driver.ResponseError):
        first, _, rest = str(error).partition(" ")
        is_word = not word and first.isupper() and first.isalpha()
        return RedisError(first, rest, command) if is_word else RedisError(word or "ERR", str(error), command)
    causes = (error.__cause__, error.__context__)
    lost: BaseException = next((cause for cause in causes if isinstance(cause, OSError)), ConnectionResetError())
    timed_out = isinstance(error, driver.TimeoutError)
    return ConnectionBroken(endpoint, Phase.QUERY, TimeoutError() if timed_out else lost, received=1)


async def _let_it_end() -> None:
    """Do nothing: a command ends by itself within its time."""
