"""A ClickHouse database made ready: created where it is missing, and migrated."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Mode, Unhealthy
from startupctl.databases.clickhouse_codes import UNKNOWN_DATABASE
from startupctl.databases.clickhouse_place import EmbeddedEngine
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.clickhouse.ledger import ClickHouseLedger
from startupctl.migrations.clickhouse.rights import require_create, require_ledger
from startupctl.migrations.clickhouse.rows import quoted_table
from startupctl.migrations.codes import LOCK_UNSAFE
from startupctl.migrations.keys import DEFAULT_LOCK_TIMEOUT
from startupctl.migrations.runner import check_migrations, migrate, rehearse
from startupctl.migrations.site import Latch, Site
from startupctl.migrations.watch import Watch
from startupctl.quoting import clickhouse_name
from startupctl.threads import in_thread
from startupctl.wire.clickhouse import ClickHouseError, ClickHouseReader, ClickHouseServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from startupctl.check import Facts, Held, Run
    from startupctl.databases.clickhouse import ClickHouseSession
    from startupctl.databases.session import Reader
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.lock import Holder

DATABASE_EXISTS = "82"
NO_LENDER = (
    "`migrations.lock` names `{name}`, which is disabled, not taken part in this run, or of a kind that lends no lock"
)


class ClickHousePreparation(NamedTuple):
    """What is wanted of one database; `place` has absolute paths.

    `engine` of the database is None when it is not to be created, empty for the server's default one.
    """

    place: ClickHouseServer | EmbeddedEngine
    reader: Callable[[Run], AbstractAsyncContextManager[Reader]]
    engine: str | None = None
    cluster: str = ""
    migrations: MigrationKeys | None = None

    async def carry_out(self, run: Run) -> Facts:
        """Create and migrate, or in a dry run say what would be done; return the facts.

        Raises Unhealthy, StatementFailed and what the reader raises.
        """
        if run.mode is Mode.DRY_RUN:
            return await self._rehearse(run)
        if isinstance(self.place, EmbeddedEngine) and self.place.folder:
            return await self._alone(run, Path(self.place.folder))
        return await self._prepare(run)

    async def look(self, run: Run, reader: Reader) -> Facts:
        """Return where the migrations stand; raises Unhealthy, MIG001 when some are pending."""
        if not self.migrations:
            return {}
        return await check_migrations(
            run, self.migrations, ClickHouseLedger(self.migrations.table, self.cluster), reader
        )

    async def _alone(self, run: Run, folder: Path) -> Facts:
        """Prepare an engine in a folder: one process at a time can even open it."""
        from startupctl.migrations.lock_file import file_lock

        patience = self.migrations.lock_timeout if self.migrations else DEFAULT_LOCK_TIMEOUT
        await in_thread(folder.parent.mkdir, parents=True, exist_ok=True)
        with run.unhurried():
            async with file_lock(folder, run, patience) as held:
                return await self._prepare(run, held)

    async def _prepare(self, run: Run, held: Held | None = None) -> Facts:
        try:
            return {"created": False, **await self._upgrade(run, held)}
        except ClickHouseError as error:
            if error.code != UNKNOWN_DATABASE or self.engine is None:
                raise
        created = await self._create(run, self.engine)
        run.note(created=created)
        return {"created": created, **await self._upgrade(run, held)}

    async def _upgrade(self, run: Run, held: Held | None) -> Facts:
        """Apply what is pending; without migrations only see that the database opens."""
        if self.migrations:
            site = self.site(run)
            return await migrate(run, site._replace(lock=lambda _: nullcontext(held)) if held else site)
        async with self.reader(run) as reader:
            await reader.rows("SELECT 1")
        return {}

    def site(self, run: Run) -> Site[ClickHouseSession]:
        """Return where the migrations go; there must be some."""
        keys = self.migrations
        assert keys is not None
        watch = Watch(run.progress)
        return Site(
            keys=keys,
            ledger=ClickHouseLedger(keys.table, self.cluster, watch),
            reader=partial(self.reader, run),
            lock=lambda _: watch.over(self._lock(run, keys)),
            session=partial(self._session, run),
            latch=self._latch(run, keys),
            borrows=None if isinstance(self.place, EmbeddedEngine) else keys.lock,
        )

    def _lock(self, run: Run, keys: MigrationKeys) -> AbstractAsyncContextManager[Held]:
        if isinstance(self.place, EmbeddedEngine):
            from startupctl.migrations.lock_file import file_lock

            return file_lock(Path(self.place.folder), run, keys.lock_timeout) if self.place.folder else _unshared()
        return self._server_lock(run, keys)

    @asynccontextmanager
    async def _server_lock(self, run: Run, keys: MigrationKeys) -> AsyncIterator[Held]:
        """Hold the lock of another component where one can lend it, else one of this server.

        Raises Unhealthy (LCK003) when the named component lends none.
        """
        async with AsyncExitStack() as stack:
            try:
                held = await stack.enter_async_context(run.lock(keys.lock))
            except LookupError as error:
                if keys.lock:
                    facts = {"what": NO_LENDER.format(name=keys.lock), "cure": "correct `migrations.lock`"}
                    raise Unhealthy(Diagnosis(LOCK_UNSAFE, facts)) from error
                from startupctl.migrations.clickhouse.lock import clickhouse_lock

                session = await stack.enter_async_context(self._session(run))
                held = await stack.enter_async_context(clickhouse_lock(session, keys, run))
            yield held

    def _latch(self, run: Run, keys: MigrationKeys) -> Latch | None:
        """Return the lock as it is seen from outside, where no other component lends one."""
        if isinstance(self.place, EmbeddedEngine):
            from startupctl.migrations.lock_file import file_holder

            return Latch(partial(file_holder, Path(self.place.folder))) if self.place.folder else None
        return Latch(partial(self._holder, run, keys), partial(self._unlock, run, keys))

    async def _holder(self, run: Run, keys: MigrationKeys) -> Holder | None:
        from startupctl.migrations.clickhouse.lock import holder_on

        async with self.reader(run) as reader:
            return await holder_on(reader, keys.table)

    async def _unlock(self, run: Run, keys: MigrationKeys, holder: Holder) -> bool:
        from startupctl.migrations.clickhouse.lock import unlock

        async with self._session(run) as session:
            return await unlock(session, keys.table, holder)

    async def _create(self, run: Run, engine: str) -> bool:
        """Create the database; without a cluster the answer tells whether somebody was faster."""
        from startupctl.databases.session import StatementFailed

        name = clickhouse_name(self.place.database or "default")
        unless = f"IF NOT EXISTS {name} ON CLUSTER {clickhouse_name(self.cluster)}" if self.cluster else name
        if isinstance(self.place, EmbeddedEngine) and self.place.folder:
            await in_thread(Path(self.place.folder).mkdir, parents=True, exist_ok=True)
        async with self._session(run, database="") as session:
            try:
                await session.execute(f"CREATE DATABASE {unless}" + (f" ENGINE = {engine}" if engine else ""))
            except StatementFailed as error:
                if error.code != DATABASE_EXISTS:
                    raise
                return False
        return True

    async def _rehearse(self, run: Run) -> Facts:
        try:
            async with self.reader(run) as reader:
                await reader.rows("SELECT 1")
                return {"created": False, "would_create": False, **await self._would_apply(run, reader)}
        except ClickHouseError as error:
            if error.code != UNKNOWN_DATABASE or self.engine is None:
                raise
        if isinstance(self.place, ClickHouseServer):
            await require_create(ClickHouseReader(run, replace(self.place, database="")), self.place.database)
        return {"created": False, "would_create": True, **await self._would_apply(run, None)}

    async def _would_apply(self, run: Run, reader: Reader | None) -> Facts:
        keys = self.migrations
        if not keys:
            return {}
        facts = await rehearse(run, self.site(run), reader)
        if reader and facts["would_apply"] and isinstance(self.place, ClickHouseServer) and not keys.tool:
            schema, _, name = keys.table.rpartition(".")
            await require_ledger(reader, quoted_table(schema or self.place.database, name))
        return facts

    @asynccontextmanager
    async def _session(self, run: Run, database: str | None = None) -> AsyncIterator[ClickHouseSession]:
        from startupctl.databases.clickhouse import embedded_session, server_session

        async with AsyncExitStack() as stack:
            if isinstance(self.place, EmbeddedEngine):
                place = self.place if database is None else replace(self.place, database=database)
                yield await stack.enter_async_context(embedded_session(place))
            else:
                opening = server_session(self.place, connect_timeout=run.connect_timeout, database=database)
                yield await stack.enter_async_context(opening)


@asynccontextmanager
async def _unshared() -> AsyncIterator[Held]:
    """Stand for the lock of an engine in the memory of this process, which nobody else sees."""
    from startupctl.migrations.lock import HeldLock

    async def beat() -> None:
        pass

    yield HeldLock("in-process", 0.0, beat)
