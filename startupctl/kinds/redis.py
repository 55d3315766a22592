"""The kind `redis`: a Redis or Valkey server that answers PING after authentication and SELECT."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from startupctl.addresses import Endpoint, Url
from startupctl.check import Check, Facts, Unhealthy
from startupctl.databases import redis_signals as signals
from startupctl.databases.redis_bootstrap_codes import BOOTSTRAP_CODES
from startupctl.databases.redis_diagnosis import explain, facts_of, seen
from startupctl.databases.redis_keys import BootstrapKeys, RedisExpect
from startupctl.databases.redis_place import PORT, Place, place_in
from startupctl.databases.redis_reader import RedisReader, open_reader
from startupctl.databases.redis_state import State, slots_served
from startupctl.diagnosis import Code, Diagnosis, FailureClass
from startupctl.fields import Port, Secret
from startupctl.keys import without_empty
from startupctl.wire.tls_keys import CaFile, CertFile, KeyFile, Verify

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from startupctl.check import Held, Run
    from startupctl.migrations.redis.preparation import RedisPreparation
    from startupctl.migrations.site import Latch


class Redis(Check):
    """A Redis or Valkey server is reached, takes the credentials, has the database and answers."""

    database: ClassVar[bool] = True
    lock_strength: ClassVar[int] = 1
    codes: ClassVar[tuple[Code, ...]] = (*signals.CODES, *BOOTSTRAP_CODES)

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
    bootstrap: BootstrapKeys | None = Field(default=None, description="what `init-db` makes where it is missing")
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
        """Where the server is and who asks; files of TLS are as written."""
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
        async with open_reader(self._place_in(run), run) as reader:
            await self._usable(reader, run)
            self._as_expected(reader.state)
            pending = await self._preparation(run).look(reader) if self.bootstrap else {}
            return {**reader.state.facts, **pending}

    async def prepare(self, run: Run) -> Facts:
        """Make the streams, groups, functions and keys of `bootstrap` that are missing."""
        return await self._preparation(run).carry_out(run) if self.bootstrap else {}

    def lock(self, run: Run) -> AbstractAsyncContextManager[Held]:
        """Lend a lease in this database; it ends by itself when its holder crashes."""
        return self._preparation(run).lend_lock(run)

    def latch(self, run: Run) -> Latch:
        """Return that lease as it is seen from outside."""
        return self._preparation(run).latch(run)

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify error answers and answers that are no Redis'."""
        return explain(error, self.place)

    def _place_in(self, run: Run) -> Place:
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        return self.place.in_folder(run.folder, verify=self.verify, **files)

    def _preparation(self, run: Run) -> RedisPreparation:
        from startupctl.migrations.redis.preparation import RedisPreparation

        return RedisPreparation(self._place_in(run), run.folder, self.bootstrap or BootstrapKeys())

    async def _usable(self, reader: RedisReader, run: Run) -> None:
        state = reader.state
        slots = await slots_served(reader.resp) if state.clustered else None
        if slots is not None:
            raise Unhealthy(self._seen(signals.CLUSTER_DOWN, state, slots=slots), state.facts)
        if state.full and self.expect.role == "master":
            raise Unhealthy(self._seen(signals.OUT_OF_MEMORY, state), state.facts)
        if state.full:
            run.warn(signals.OUT_OF_MEMORY, **facts_of(self.place, state))

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

    def _seen(self, code: Code, state: State, **facts: Any) -> Diagnosis:
        return seen(code, self.place, state, **facts)
