"""The kind `postgres`: a PostgreSQL database that takes the role and answers a query."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from startupctl.addresses import Url
from startupctl.check import Check, Facts, Unhealthy
from startupctl.databases import postgres_codes, postgres_signals
from startupctl.databases.postgres_keys import CreateField, PoolKeys, PostgresExpect
from startupctl.databases.postgres_state import (
    Expectations,
    ServerState,
    demand_writable,
    is_shut,
    mismatch,
    read_state,
)
from startupctl.diagnosis import Code, Diagnosis
from startupctl.fields import Port, Secret
from startupctl.keys import without_empty
from startupctl.migrations.codes import MIGRATION_CODES
from startupctl.migrations.keys import MigrationKeys
from startupctl.wire.pg import open_session
from startupctl.wire.pg_messages import PgError
from startupctl.wire.pg_parameters import url_parameters
from startupctl.wire.pg_target import PgTarget, SslMode

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from startupctl.check import Held, Run
    from startupctl.migrations.postgres.preparation import PostgresPreparation
    from startupctl.migrations.site import Latch, Site


class Postgres(Check):
    """The server is reached, takes the role, has the database, and is as expected."""

    database: ClassVar[bool] = True
    lock_strength: ClassVar[int] = 2
    codes: ClassVar[tuple[Code, ...]] = (*postgres_codes.CODES, *MIGRATION_CODES)

    url: Url | None = Field(default=None, description="postgresql://user:password@host:5432/name?sslmode=require")
    host: str | None = Field(default=None, description="instead of `url`; a path is the folder of a unix socket")
    port: Port | None = Field(default=None, description="beside `host`; default 5432")
    database_name: str | None = Field(
        default=None, alias="database", description="beside `host`; default: the user's name"
    )
    user: str | None = Field(default=None, description="beside `host`; default: PGUSER, then the user of the process")
    password: Secret | None = Field(default=None, description="beside `host`; default: PGPASSWORD")
    sslmode: SslMode | None = Field(default=None, description="as libpq's; default `prefer`")
    sslrootcert: str | None = Field(default=None, description="who signs the server's certificate, or `system`")
    sslcert: str | None = Field(default=None, description="the client's certificate")
    sslkey: str | None = Field(default=None, description="the key of `sslcert`")
    create: CreateField = Field(default=None, description="true, or how the database is created; default false")
    admin_url: Url | None = Field(
        default=None, description="who creates; default: the same role on database postgres, then template1"
    )
    migrations: MigrationKeys | None = None
    pool: PoolKeys = PoolKeys()
    expect: PostgresExpect | None = None

    _without_empty = model_validator(mode="before")(without_empty)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        parts = {"host", "port", "database_name", "user", "password"} & self.model_fields_set
        if self.url and parts:
            raise ValueError(f"`url` and `{min(parts).removesuffix('_name')}` exclude each other")
        if not self.url and not parts:
            raise ValueError("`url` or `host` is missing")
        twice = [key for key in self._tls_keys if self.url and self.url.param(key)]
        if twice:
            raise ValueError(f"`{twice[0]}` is given twice, as a key and in `url`")
        _ = self.place, self.admin_place, self.direct_place
        return self

    @property
    def target(self) -> str:
        """The URL without its secrets."""
        return self.place.label

    @cached_property
    def place(self) -> PgTarget:
        """Where the database is and who asks; certificate files are as written."""
        given = url_parameters(self.url) if self.url else self._parts
        return PgTarget.read({**given, **self._tls_keys})

    @cached_property
    def admin_place(self) -> PgTarget:
        """Who creates the database, on database `postgres` unless `admin_url` names another."""
        if not self.admin_url:
            return self.place.to_database("postgres")
        given = url_parameters(self.admin_url)
        return PgTarget.read({"dbname": "postgres", **self._tls_keys, **given})

    @cached_property
    def direct_place(self) -> PgTarget:
        """Where migrations go: `migrations.url` past a pooler, else `place`."""
        if not (self.migrations and self.migrations.url):
            return self.place
        return PgTarget.read({**self._tls_keys, **url_parameters(self.migrations.url)})

    async def check(self, run: Run) -> Facts:
        """Connect, log in and ask in one round trip; then hold the answer against what is expected."""
        try:
            return await self._look(run)
        except PgError as error:
            if await is_shut(error, self.admin_place.in_folder(run.folder), self.names, run):
                raise Unhealthy(postgres_signals.shut_by_limit(error, self.names)) from error
            raise

    async def prepare(self, run: Run) -> Facts:
        """Create the database and apply the migrations, where the manifest says so."""
        return await self._preparation(run).carry_out(run)

    def lock(self, run: Run) -> AbstractAsyncContextManager[Held]:
        """Lend the migration lock of this database."""
        return self._preparation(run).lend_lock(run)

    def latch(self, run: Run) -> Latch:
        """Return that lock as it is seen from outside."""
        return self._preparation(run).latch(run)

    def site(self, run: Run) -> Site[Any]:
        """Return where the migrations go; only with `migrations`."""
        return self._preparation(run).site(run)

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify the server's errors by SQLSTATE, and what a peer says that is no PostgreSQL."""
        found = postgres_signals.diagnose_postgres(error, self.names)
        if found and found.code is postgres_codes.DATABASE_MISSING and self.create is None:
            return replace(found, mendable=False)
        return found

    @property
    def names(self) -> Facts:
        """The names and numbers that diagnoses of this component show."""
        place = self.place
        return {
            "database": place.database,
            "user": place.user,
            "host": place.endpoint.host or place.endpoint.path,
            "port": place.endpoint.port,
            "endpoint": str(place.endpoint),
            "source": self._password_source,
            "pool_max": self.pool.max,
            "replicas": self.pool.replicas,
            "needed": self.pool.max * self.pool.replicas,
        }

    @property
    def _parts(self) -> dict[str, str]:
        return {
            "host": self.host or "",
            "port": str(self.port or ""),
            "dbname": self.database_name or "",
            "user": self.user or "",
            "password": self.password.reveal() if self.password else "",
        }

    @property
    def _tls_keys(self) -> dict[str, str]:
        keys = {
            "sslmode": self.sslmode,
            "sslrootcert": self.sslrootcert,
            "sslcert": self.sslcert,
            "sslkey": self.sslkey,
        }
        return {name: str(value) for name, value in keys.items() if value}

    @property
    def _password_source(self) -> str:
        if "password" in self.place.given:
            return "`url`" if self.url else "`password`"
        return "PGPASSWORD" if self.place.password else "nowhere"

    async def _look(self, run: Run) -> Facts:
        async with open_session(self.place.in_folder(run.folder), run) as session:
            state = await read_state(session)
            run.note(**state.facts)
            self._hold_attributes(state)
            expected = Expectations(self.expect, state, self.names) if self.expect else None
            if expected:
                expected.hold_server()
            pending = await self._preparation(run).look(run, session) if self.migrations else {}
            if expected:
                await expected.hold_database(session, run.left())  # what is pending may be what it expects
            return {**state.facts, **pending}

    def _hold_attributes(self, state: ServerState) -> None:
        """Hold what `target_session_attrs` demands, by the rules of libpq."""
        attributes = self.place.session_attributes
        if attributes == "read-write" or (attributes == "primary" and state.in_recovery):
            demand_writable(state, self.names)
        unwanted = {"read-only": state.writable, "standby": not state.in_recovery}
        if unwanted.get(attributes):
            found = "writable" if state.writable else "no standby"
            raise Unhealthy(mismatch(self.names, "target_session_attrs", "the session", attributes, found), state.facts)

    def _preparation(self, run: Run) -> PostgresPreparation:
        from startupctl.migrations.postgres.preparation import PostgresPreparation

        admin = [self.admin_place]
        if not self.admin_url:
            admin.append(self.place.to_database("template1"))
        return PostgresPreparation(
            place=self.place.in_folder(run.folder),
            admin=tuple(place.in_folder(run.folder) for place in admin),
            direct=self.direct_place.in_folder(run.folder),
            create=self.create,
            migrations=self.migrations,
        )
