"""The kind `redis`: a Redis or Valkey server that answers PING after authentication and SELECT."""

from __future__ import annotations

import asyncio
import textwrap
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from startupctl import network_codes
from startupctl.addresses import Endpoint, Url
from startupctl.check import Check, Facts, Unhealthy
from startupctl.databases import redis_signals as signals
from startupctl.databases.redis_place import PORT, Place, place_in
from startupctl.databases.redis_state import ASKED, State, read_state, slots_served
from startupctl.databases.redis_tls import context_for, late_alert, speaks_plain
from startupctl.diagnosis import Code, Diagnosis, FailureClass, Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.fields import Port, Secret
from startupctl.keys import Keys, without_empty
from startupctl.threads import in_thread
from startupctl.versions import VersionField
from startupctl.wire.resp import RedisError, Resp, log_in
from startupctl.wire.stream import Stream, speaks_tls
from startupctl.wire.tls_keys import CaFile, CertFile, KeyFile, Verify

if TYPE_CHECKING:
    import ssl

    from startupctl.check import Run

MAX_SAID = 200  # characters kept of an error answer; protected mode explains itself in 900

Role = Annotated[
    Literal["master", "replica"],
    BeforeValidator(lambda value: {"primary": "master", "slave": "replica"}.get(value, value)),
]


class RedisExpect(Keys):
    """What the server must be."""

    version: VersionField | None = Field(default=None, description="a constraint on the server's own version: `>=7.2`")
    role: Role | None = Field(default=None, description="`master` (also `primary`) or `replica`")


class Redis(Check):
    """A Redis or Valkey server is reached, takes the credentials, has the database and answers."""

    database: ClassVar[bool] = True
    codes: ClassVar[tuple[Code, ...]] = signals.CODES

    url: Url | None = Field(
        default=None, description="redis://user:password@host:6379/0; rediss, valkey, valkeys and unix too"
    )
    host: str | None = Field(default=None, description="instead of `url`")
    port: Port = Field(default=PORT, description="beside `host`")
    user: str | None = Field(default=None, description="beside `host`; of the access list")
    password: Secret | None = Field(default=None, description="beside `host`")
    db: int = Field(default=0, ge=0, description="beside `host`")
    tls: bool = Field(default=False, description="beside `host`; a URL says it by rediss:// or valkeys://")
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None
    verify: Verify = True
    expect: RedisExpect = RedisExpect()

    _without_empty = model_validator(mode="before")(without_empty)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        beside = {"host", "port", "user", "password", "db", "tls"} & self.model_fields_set
        if self.url and beside:
            raise ValueError(f"`url` and `{min(beside)}` exclude each other")
        if not self.url and not self.host:
            raise ValueError("`url` or `host` is missing")
        _ = self.place
        return self

    @property
    def place(self) -> Place:
        """Where the server is and who asks."""
        if self.url:
            return place_in(self.url)
        return Place(Endpoint(self.host or "", self.port), self.tls, self.user, self.password, self.db)

    @property
    def target(self) -> str:
        """The address and the database."""
        place = self.place
        return f"{place.endpoint}/{place.database}" if place.database else str(place.endpoint)

    async def check(self, run: Run) -> Facts:
        """Authenticate, select, PING; then hold what the server says of itself against `expect`."""
        async with Stream.open(self.place.endpoint, run) as stream:
            context = await self._encrypt(stream, run) if self.place.tls else None
            try:
                return (await self._greet(stream, run)).facts
            except ConnectionBroken as error:
                reason = await self._reason(error, context, run)
                if reason:
                    raise reason from error
                raise

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify error answers and answers that are no Redis'."""
        if isinstance(error, RedisError):
            return self._diagnosis(error, State())
        if isinstance(error, NotThisProtocol):
            return self._foreign(error)
        return None

    async def _encrypt(self, stream: Stream, run: Run) -> ssl.SSLContext:
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        context = await in_thread(context_for, self.place, run.folder, verify=self.verify, **files)
        try:
            async with asyncio.timeout(run.left() / 2):
                await stream.start_tls(context, stream.endpoint.host)
        except TimeoutError as error:
            if await speaks_plain(stream.endpoint, run):
                raise Unhealthy(self._mixed_up(network_codes.TLS_NOT_TLS, "it answers PING in plain text")) from None
            raise ConnectionBroken(stream.endpoint, Phase.TLS, error) from error
        return context

    async def _reason(self, error: ConnectionBroken, context: ssl.SSLContext | None, run: Run) -> Exception | None:
        """Return why a server closed without a word, when TLS is the reason."""
        if error.received or not isinstance(error.cause, EOFError | ConnectionError):
            return None
        if context:
            return await late_alert(error.endpoint, run, context)
        if await speaks_tls(error.endpoint, run):
            return Unhealthy(self._mixed_up(network_codes.TLS_REQUIRED, "a TLS handshake succeeds"))
        return None

    async def _greet(self, stream: Stream, run: Run) -> State:
        place, resp = self.place, Resp(stream)
        commands = log_in(place.user, place.password.reveal() if place.password else None, place.database)
        await resp.send(*commands, ("PING",), *ASKED)
        for _ in commands:
            await self._admitted(resp, stream, run)
        stream.phase = Phase.QUERY
        await self._ping(resp, run)
        state = await read_state(resp)
        await self._usable(resp, state, run)
        self._as_expected(state)
        return state

    async def _admitted(self, resp: Resp, stream: Stream, run: Run) -> None:
        stream.phase = Phase.AUTH
        try:
            await resp.answer()
        except RedisError as error:
            if not signals.password_unused(error):
                raise
            run.warn(signals.PASSWORD_UNUSED, endpoint=str(self.place.endpoint))

    async def _ping(self, resp: Resp, run: Run) -> None:
        try:
            answer = await resp.answer()
        except RedisError as error:
            state = State()
            with suppress(ConnectionBroken):  # a server that refuses connections closes after the error
                state = await read_state(resp)
            if error.word == "LOADING":
                run.progress(f"loading: {state.progress}", state.percent, 100)
            raise Unhealthy(self._diagnosis(error, state), state.facts) from error
        if answer != "PONG":
            raise NotThisProtocol(self.place.endpoint, "the Redis protocol", str(answer).encode())

    async def _usable(self, resp: Resp, state: State, run: Run) -> None:
        slots = await slots_served(resp) if state.clustered else None
        if slots is not None:
            raise Unhealthy(self._seen(signals.CLUSTER_DOWN, state, slots=slots), state.facts)
        if state.full and self.expect.role == "master":
            raise Unhealthy(self._seen(signals.OUT_OF_MEMORY, state), state.facts)
        if state.full:
            run.warn(signals.OUT_OF_MEMORY, **self._facts(state))

    def _as_expected(self, state: State) -> None:
        expect = self.expect
        if state.role == "sentinel":  # it answers PING, and holds no data
            self._unexpected("role", expect.role or "master or replica", state.role, state)
        if expect.version and not state.version:
            raise Unhealthy(self._seen(signals.PERMISSION_DENIED, state, command="info"), state.facts)
        if expect.version and not expect.version.admits(state.version):
            self._unexpected("version", str(expect.version), state.version, state)
        if expect.role and not state.role:
            raise Unhealthy(self._seen(signals.PERMISSION_DENIED, state, command="role"), state.facts)
        if expect.role == "master" and state.role == "replica":
            diagnosis = self._seen(signals.READ_ONLY_REPLICA, state)
            waiting = None if state.link_up else FailureClass.WAITING  # its master is gone: a failover may be going on
            raise Unhealthy(replace(diagnosis, failure_class=waiting), state.facts)
        if expect.role and expect.role != state.role:
            self._unexpected("role", expect.role, state.role, state)

    def _unexpected(self, name: str, expected: str, found: str, state: State) -> None:
        facts = {"name": name, "expected": expected, "found": found}
        raise Unhealthy(self._seen(signals.EXPECTATION_FAILED, state, **facts), state.facts)

    def _facts(self, state: State) -> dict[str, Any]:
        return {
            "endpoint": str(self.place.endpoint),
            "user": self.place.user or "default",
            "db": self.place.database,
            "role": state.role or "replica",
            "link": "up" if state.link_up else "down",
            "master": state.master,
            "progress": state.progress,
            "used": state.number("used_memory"),
            "limit": state.number("maxmemory"),
            "policy": state.info.get("maxmemory_policy", "unknown"),
            "slots": "not all",
        }

    def _seen(self, code: Code, state: State, **facts: Any) -> Diagnosis:
        return Diagnosis(code, self._facts(state) | facts, phase=Phase.QUERY)

    def _diagnosis(self, error: RedisError, state: State) -> Diagnosis:
        return Diagnosis(
            signals.code_of(error),
            self._facts(state) | {"command": error.command.lower()},
            said=textwrap.shorten(error.text, MAX_SAID, placeholder=" ..."),  # between words: no half secrets
            phase=Phase.AUTH if error.command in ("AUTH", "SELECT") else Phase.QUERY,
            signal=error.word,
            retry_after=state.next_look,
        )

    def _foreign(self, error: NotThisProtocol) -> Diagnosis:
        if error.looks_like == "TLS":
            return self._mixed_up(network_codes.TLS_REQUIRED, "it answers with a TLS alert")
        facts = self._facts(State()) | {"looks_like": error.looks_like}
        return Diagnosis(signals.NOT_REDIS, facts, phase=Phase.GREET)

    def _mixed_up(self, code: Code, signal: str) -> Diagnosis:
        turn = "on" if code is network_codes.TLS_REQUIRED else "off"
        advice = f"turn TLS {turn}: `{'rediss' if turn == 'on' else 'redis'}://` in the URL, or the key `tls`"
        return Diagnosis(code, self._facts(State()) | {"signal": signal}, phase=Phase.TLS, signal=signal, advice=advice)
