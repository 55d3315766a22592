"""A conversation with a Redis or Valkey server that has let us in and answered PING; nothing is written."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from startupctl import network_codes
from startupctl.addresses import Endpoint
from startupctl.check import Unhealthy
from startupctl.databases import redis_signals as signals
from startupctl.databases.redis_diagnosis import mixed_up, refused
from startupctl.databases.redis_state import ASKED, State, read_state
from startupctl.databases.redis_tls import late_alert, speaks_plain
from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.threads import in_thread
from startupctl.wire.resp import RedisError, Resp, log_in
from startupctl.wire.stream import Stream, speaks_tls
from startupctl.wire.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from startupctl.check import Run
    from startupctl.databases.redis_place import Place
    from startupctl.wire.resp import Answer, Command


@asynccontextmanager
async def open_reader(place: Place, run: Run) -> AsyncIterator[RedisReader]:
    """Connect, log in, PING and ask for the state.

    Raises Unhealthy, RedisError, ConnectionBroken, NotThisProtocol and LocalTlsFile.
    """
    async with Stream.open(place.endpoint, run) as stream, AsyncExitStack() as nodes:
        greeting = _Greeting(place, run, stream)
        resp, state = await greeting.conduct()
        yield RedisReader(greeting.place, run, resp, state, nodes)


class RedisReader:
    """Something that can be asked; what belongs to other nodes of a cluster is asked there.

    `place` is without the password when the server turned out to have none: the driver would fail of it.
    """

    def __init__(self, place: Place, run: Run, resp: Resp, state: State, nodes: AsyncExitStack) -> None:
        """Ask on `resp`; connections to other nodes are closed with `nodes`."""
        self.place, self.resp, self.state = place, resp, state
        self._run, self._nodes = run, nodes
        self._known: dict[Endpoint, RedisReader] = {}

    async def ask(self, *commands: Command) -> list[Answer]:
        """Send all at once; return the answers in order, errors among them."""
        await self.resp.send(*commands)
        answers = [await _answer_or_error(self.resp) for _ in commands]
        return [await self._followed(*pair) for pair in zip(commands, answers, strict=True)]

    async def masters(self) -> list[RedisReader]:
        """Return a reader of every master of a cluster; where there is none, this one. Raises RedisError."""
        if not self.state.clustered:
            return [self]
        [answer] = await self.ask(("CLUSTER", "SLOTS"))
        if isinstance(answer, RedisError):
            raise answer
        return [await self._node(endpoint) for endpoint in masters_in(answer, self.place.endpoint)]

    async def _followed(self, command: Command, answer: Answer) -> Answer:
        if not isinstance(answer, RedisError) or answer.word != "MOVED":
            return answer
        node = await self._node(moved_to(answer.text, self.place.endpoint))
        await node.resp.send(command)
        return await _answer_or_error(node.resp)

    async def _node(self, endpoint: Endpoint) -> RedisReader:
        if endpoint not in self._known:
            opening = open_reader(self.place._replace(endpoint=endpoint), self._run)
            self._known[endpoint] = await self._nodes.enter_async_context(opening)
        return self._known[endpoint]


def moved_to(text: str, asked: Endpoint) -> Endpoint:
    """Return the node that `MOVED slot host:port` names; an empty host is the one that was asked.

    https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#moved-redirection
    """
    host, _, port = text.rpartition(" ")[2].rpartition(":")
    return Endpoint(host or asked.host, int(port))


def masters_in(slots: Answer, asked: Endpoint) -> list[Endpoint]:
    """Return the masters that an answer to CLUSTER SLOTS names, each once; no host is the one that was asked."""
    found: dict[Endpoint, None] = {}
    for part in slots if isinstance(slots, list) else []:
        match part:
            case [_, _, [str() | None as host, int() as port, *_], *_]:
                found[Endpoint(host or asked.host, port)] = None
    return list(found)


async def _answer_or_error(resp: Resp) -> Answer:
    try:
        return await resp.answer()
    except RedisError as error:
        return error


class _Greeting:
    """The first words with a server: TLS, AUTH, SELECT, PING, INFO and ROLE."""

    def __init__(self, place: Place, run: Run, stream: Stream) -> None:
        self.place, self._run, self._stream = place, run, stream

    async def conduct(self) -> tuple[Resp, State]:
        context = await self._encrypt() if self.place.tls else None
        try:
            return await self._greet()
        except ConnectionBroken as error:
            reason = await self._reason(error, context)
            if reason:
                raise reason from error
            raise

    async def _encrypt(self) -> ssl.SSLContext:
        context = await in_thread(client_context, **self.place.files._asdict())
        endpoint = self._stream.endpoint
        try:
            async with asyncio.timeout(self._run.left() / 2):
                await self._stream.start_tls(context, endpoint.host)
        except TimeoutError as error:
            if await speaks_plain(endpoint, self._run):
                signal = "it answers PING in plain text"
                raise Unhealthy(mixed_up(network_codes.TLS_NOT_TLS, signal, self.place)) from None
            raise ConnectionBroken(endpoint, Phase.TLS, error) from error
        return context

    async def _reason(self, error: ConnectionBroken, context: ssl.SSLContext | None) -> Exception | None:
        """Return why a server closed without a word, when TLS is the reason."""
        if error.received or not isinstance(error.cause, EOFError | ConnectionError):
            return None
        if context:
            return await late_alert(error.endpoint, self._run, context)
        if await speaks_tls(error.endpoint, self._run):
            return Unhealthy(mixed_up(network_codes.TLS_REQUIRED, "a TLS handshake succeeds", self.place))
        return None

    async def _greet(self) -> tuple[Resp, State]:
        place, resp = self.place, Resp(self._stream)
        commands = log_in(place.user, place.password.reveal() if place.password else None, place.database)
        await resp.send(*commands, ("PING",), *ASKED)
        self._stream.phase = Phase.AUTH
        for _ in commands:
            await self._admitted(resp)
        self._stream.phase = Phase.QUERY
        await self._ping(resp)
        return resp, await read_state(resp)

    async def _admitted(self, resp: Resp) -> None:
        try:
            await resp.answer()
        except RedisError as error:
            if not signals.password_unused(error):
                raise
            self._run.warn(signals.PASSWORD_UNUSED, endpoint=str(self.place.endpoint))
            self.place = self.place._replace(user=None, password=None)

    async def _ping(self, resp: Resp) -> None:
        try:
            answer = await resp.answer()
        except RedisError as error:
            state = State()
            with suppress(ConnectionBroken):  # a server that refuses connections closes after the error
                state = await read_state(resp)
            if error.word == "LOADING":
                self._run.progress(f"loading: {state.progress}", state.percent, 100)
            raise Unhealthy(refused(error, self.place, state), state.facts) from error
        if answer != "PONG":
            raise NotThisProtocol(self.place.endpoint, "the Redis protocol", str(answer).encode())
