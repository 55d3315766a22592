"""The kind `sqlite`: a SQLite database file that can be read, and is created and migrated where that is wanted."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from startupctl.check import Check, Facts, Mode, Unhealthy
from startupctl.databases import sqlite_codes as codes
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import Code, Diagnosis
from startupctl.keys import Keys
from startupctl.migrations.codes import MIGRATION_CODES
from startupctl.migrations.keys import MigrationKeys
from startupctl.queries import QueryExpect, first_value
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from startupctl.check import Run
    from startupctl.databases.session import Reader
    from startupctl.migrations.site import Site
    from startupctl.migrations.sqlite.preparation import SqlitePreparation


class SqliteExpect(Keys):
    """What the database must contain."""

    query: QueryExpect | None = Field(default=None, description="a statement and the value it must return")


class Sqlite(Check):
    """The file is a database, its migrations are applied, and a query returns what is expected."""

    database: ClassVar[bool] = True
    codes: ClassVar[tuple[Code, ...]] = (*codes.CODES, *MIGRATION_CODES)

    path: str = Field(min_length=1, description="the database file, relative to the manifest")
    create: bool = Field(default=False, description="create the file and its folders")
    migrations: MigrationKeys | None = Field(default=None, description="migrations of this database")
    expect: SqliteExpect = SqliteExpect()

    @property
    def target(self) -> str:
        """The path as it is written."""
        return self.path

    async def check(self, run: Run) -> Facts:
        """Open the file read-only; it is never created here."""
        async with self._reader(run) as session:
            facts: Facts = {"size": (await in_thread(self._file(run).stat)).st_size}
            pending = await self._look(run, session)
            await self._as_expected(session)  # what is pending may be what it expects
            return {**facts, **pending}

    async def prepare(self, run: Run) -> Facts:
        """Create the file and its folders, and apply what is pending."""
        wanted = self._preparation(run)
        if not self.create:
            await self._require_file(wanted.path)
        return await (wanted.rehearse(run) if run.mode is Mode.DRY_RUN else wanted.carry_out(run))

    def site(self, run: Run) -> Site[Any]:
        """Return where the migrations go; only with `migrations`."""
        return self._preparation(run).site(run)._replace(reader=partial(self._reader, run))

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify SQLite's result codes, and what the system says of the file."""
        path = self.path
        if isinstance(error, StatementFailed):
            facts = {"path": path, "signal": error.code or "no result code"}
            return Diagnosis(codes.code_of(error.code), facts, said=error.said, signal=error.code)
        if isinstance(error, OSError) and error.filename:
            facts = {"path": path, "signal": f"errno {error.errno}"}
            return Diagnosis(codes.CANNOT_OPEN, facts, said=f"{error.filename}: {error.strerror}")
        return None

    @asynccontextmanager
    async def _reader(self, run: Run) -> AsyncIterator[Reader]:
        from startupctl.databases.sqlite import opened

        path = self._file(run)
        await self._require_file(path)
        async with opened(path, mode="ro") as session:
            yield session

    def _preparation(self, run: Run) -> SqlitePreparation:
        from startupctl.migrations.sqlite.preparation import SqlitePreparation

        return SqlitePreparation(self._file(run), create=self.create, migrations=self.migrations)

    def _file(self, run: Run) -> Path:
        return run.folder / Path(self.path).expanduser()

    async def _require_file(self, path: Path) -> None:
        if not await in_thread(path.exists):
            advice = "" if self.create else "correct `path`, or add `create: true` and run `startupctl init-db`"
            diagnosis = Diagnosis(codes.DATABASE_MISSING, {"path": self.path}, mendable=self.create, advice=advice)
            raise Unhealthy(diagnosis)
        if await in_thread(path.is_fifo):  # it would be waited for
            raise Unhealthy(Diagnosis(codes.CANNOT_OPEN, {"path": self.path, "signal": "a pipe"}))

    async def _as_expected(self, reader: Reader) -> None:
        query = self.expect.query
        if not query:
            return
        rows = await reader.rows(query.sql)
        if not query.met_by(rows):
            facts = {"path": self.path, "expected": query.expected, "found": first_value(rows)}
            raise Unhealthy(Diagnosis(codes.EXPECTATION_FAILED, facts))

    async def _look(self, run: Run, reader: Reader) -> Facts:
        if not self.migrations:
            return {}
        from startupctl.migrations.runner import check_migrations
        from startupctl.migrations.sqlite.ledger import SqliteLedger

        return await check_migrations(run, self.migrations, SqliteLedger(self.migrations.table), reader)
