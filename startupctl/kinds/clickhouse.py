"""The kind `clickhouse`: a ClickHouse server that answers a SELECT in its database, or the embedded engine."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from startupctl.addresses import Endpoint, Url
from startupctl.check import Check, Facts, Unhealthy
from startupctl.databases import clickhouse_codes as codes
from startupctl.databases.clickhouse_place import EmbeddedEngine, default_port, is_true, place_in
from startupctl.databases.clickhouse_signals import diagnose, for_lack_of, not_clickhouse
from startupctl.diagnosis import Code, Diagnosis, Phase
from startupctl.fields import Port, Secret
from startupctl.keys import Keys, table_or_none, without_empty
from startupctl.migrations.codes import MIGRATION_CODES
from startupctl.migrations.keys import MigrationKeys
from startupctl.queries import QueryExpect, first_value
from startupctl.versions import VersionField
from startupctl.wire.clickhouse import ClickHouseReader, ClickHouseServer
from startupctl.wire.http_codes import BALANCER_CODES, PROXY_CODES, UNHEALTHY_ANSWER
from startupctl.wire.tls import client_context
from startupctl.wire.tls_keys import CaFile, CertFile, KeyFile, Verify, file_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from startupctl.check import Run
    from startupctl.databases.session import Reader
    from startupctl.migrations.clickhouse.preparation import ClickHousePreparation
    from startupctl.migrations.site import Site

DEFAULT_DATABASE = DEFAULT_USER = "default"
_VERSION = re.compile(r"\d+\.\d+")
_PARTS = frozenset({"host", "port", "database_name", "user", "password", "secure"})


class ClickHouseCreate(Keys):
    """How the database is created."""

    engine: str = Field(
        default="", description="of the database, as `Atomic` or `Replicated('/db', '{shard}', '{replica}')`"
    )


class ClickHouseExpect(Keys):
    """What the server must be."""

    version: VersionField | None = Field(default=None, description="a constraint on the server's version: `>=24.3`")
    query: QueryExpect | None = Field(default=None, description="a statement and the value it must return")


CreateField = Annotated[
    ClickHouseCreate | None, BeforeValidator(table_or_none, json_schema_input_type=ClickHouseCreate | bool | None)
]


class ClickHouse(Check):
    """A server takes the credentials, has the database and executes statements in it."""

    database: ClassVar[bool] = True
    codes: ClassVar[tuple[Code, ...]] = (
        *codes.CODES,
        *MIGRATION_CODES,
        *BALANCER_CODES,
        *PROXY_CODES,
        UNHEALTHY_ANSWER,
    )

    url: Url | None = Field(
        default=None,
        description="clickhouse://user:password@host:8123/database, clickhouses:// with TLS, chdb:///folder embedded;"
        " parameters are settings",
    )
    host: str | None = Field(default=None, description="instead of `url`")
    port: Port | None = Field(default=None, description="beside `host`; default 8123, with TLS 8443")
    database_name: str = Field(default="", alias="database", description="beside `host`")
    user: str = Field(default="", description="beside `host`")
    password: Secret | None = Field(default=None, description="beside `host`")
    secure: bool = Field(default=False, description="beside `host`: TLS")
    ca_file: CaFile = None
    verify: Verify = True
    cert_file: CertFile = None
    key_file: KeyFile = None
    create: CreateField = Field(default=None, description="create the database: `true`, or how")
    migrations: MigrationKeys | None = Field(default=None, description="migrations of this database")
    cluster: str = Field(default="", description="create and migrate ON CLUSTER of this name")
    expect: ClickHouseExpect = ClickHouseExpect()

    _without_empty = model_validator(mode="before")(without_empty)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        beside = _PARTS & self.model_fields_set
        if self.url and beside:
            raise ValueError(f"`url` and `{min(beside).removesuffix('_name')}` exclude each other")
        if not self.url and not self.host:
            raise ValueError("`url` or `host` is missing")
        _ = self.place
        return self

    @property
    def place(self) -> ClickHouseServer | EmbeddedEngine:
        """Where the server is and who asks; without the files of TLS, which `server` adds."""
        if self.url:
            return place_in(self.url)
        return ClickHouseServer(
            endpoint=Endpoint(self.host or "", self.port or default_port(secure=self.secure)),
            secure=self.secure,
            user=self.user,
            password=self.password or Secret(""),
            database=self.database_name,
        )

    @property
    def target(self) -> str:
        """The address or the folder, and the database."""
        place = self.place
        return f"{place.where}/{place.database}" if place.database else place.where

    async def check(self, run: Run) -> Facts:
        """Ask for the version in the database; then hold the server against `expect`."""
        async with self.reader(run) as reader:
            facts = await self._greet(reader)
            self._expect_version(facts)
            pending = await self._preparation(run).look(run, reader) if self.migrations else {}
            await self._expect_answer(reader, facts)  # what is pending may be what it expects
        return {**facts, **pending}

    async def prepare(self, run: Run) -> Facts:
        """Create the database and apply the migrations, where the manifest says so."""
        return await self._preparation(run).carry_out(run)

    def site(self, run: Run) -> Site[Any]:
        """Return where the migrations go; only with `migrations`."""
        return self._preparation(run).site(run)

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify exceptions of the server, and answers that are no ClickHouse's."""
        diagnosis = diagnose(error, self._facts())
        return for_lack_of(diagnosis, create=self.create is not None) if diagnosis else None

    @asynccontextmanager
    async def reader(self, run: Run) -> AsyncIterator[Reader]:
        """Open what statements that read are sent to; the embedded engine needs its driver."""
        place = self._place_in(run.folder)
        if isinstance(place, ClickHouseServer):
            yield ClickHouseReader(run, place)
            return
        from startupctl.databases.clickhouse_embedded import open_embedded

        async with open_embedded(place) as reader:
            yield reader

    def server(self, place: ClickHouseServer, folder: Path) -> ClickHouseServer:
        """Return the server with what its certificate is checked against; `folder` is that of the manifest."""
        named = place.options.get
        context = partial(
            client_context,
            verify=self.verify and is_true(named("verify", "true")),
            ca_file=file_in(folder, self.ca_file or named("ca_cert")),
            cert_file=file_in(folder, self.cert_file or named("client_cert")),
            key_file=file_in(folder, self.key_file or named("client_cert_key")),
        )
        return replace(place, tls=context)

    def _place_in(self, folder: Path) -> ClickHouseServer | EmbeddedEngine:
        """Return the place with files and folders that can be opened; `folder` is that of the manifest."""
        place = self.place
        if isinstance(place, ClickHouseServer):
            return self.server(place, folder)
        return replace(place, folder=str(folder / place.folder) if place.folder else "")

    def _preparation(self, run: Run) -> ClickHousePreparation:
        from startupctl.migrations.clickhouse.preparation import ClickHousePreparation

        engine = self.create.engine if self.create else None
        return ClickHousePreparation(self._place_in(run.folder), self.reader, engine, self.cluster, self.migrations)

    async def _greet(self, reader: Reader) -> Facts:
        rows = await reader.rows("SELECT version()")
        version = (rows[0][0] if rows else None) or ""
        if not _VERSION.match(version):
            raise Unhealthy(not_clickhouse(self._facts(), version))
        return {"version": version, "database": self.place.database or DEFAULT_DATABASE}

    def _expect_version(self, facts: Facts) -> None:
        version = self.expect.version
        if version and not version.admits(facts["version"]):
            raise self._unexpected("version", str(version), facts["version"], facts)

    async def _expect_answer(self, reader: Reader, facts: Facts) -> None:
        query = self.expect.query
        rows = await reader.rows(query.sql) if query else []
        if query and not query.met_by(rows):
            raise self._unexpected("query", query.expected, first_value(rows), facts)

    def _unexpected(self, name: str, expected: str, found: str, facts: Facts) -> Unhealthy:
        about = {**self._facts(), "name": name, "expected": expected}
        return Unhealthy(Diagnosis(codes.EXPECTATION_FAILED, about, said=f"found {found}", phase=Phase.QUERY), facts)

    def _facts(self) -> dict[str, Any]:
        place = self.place
        user = place.user if isinstance(place, ClickHouseServer) else ""
        return {
            "endpoint": place.where,
            "user": user or DEFAULT_USER,
            "database": place.database or DEFAULT_DATABASE,
            "number": 0,
        }
