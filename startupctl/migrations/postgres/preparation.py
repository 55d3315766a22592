"""A PostgreSQL database made ready: created where it is missing, and migrated."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Mode
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.keys import DEFAULT_LOCK_TIMEOUT, DEFAULT_TABLE
from startupctl.migrations.postgres.ledger import PostgresLedger
from startupctl.migrations.postgres.sessions import beside_lock, driver_session
from startupctl.migrations.runner import check_migrations, migrate, rehearse
from startupctl.migrations.site import Latch, Site
from startupctl.wire.pg import open_session
from startupctl.wire.pg_messages import PgError
from startupctl.wire.pg_session import PgSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from startupctl.check import Facts, Run
    from startupctl.databases.postgres import PostgresSession
    from startupctl.databases.postgres_keys import CreateKeys
    from startupctl.databases.session import Reader
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.lock import HeldLock, Holder
    from startupctl.wire.pg_session import Session
    from startupctl.wire.pg_target import PgTarget

DATABASE_MISSING = "3D000"
# the usual maintenance database is not there, or not for this role
MAINTENANCE_CLOSED = frozenset({DATABASE_MISSING, "42501", "55000"})


class PostgresPreparation(NamedTuple):
    """What is wanted of one database; certificate files are absolute.

    `admin` are the places to create it from, in the order they are tried. `direct` is where migrations
    go, `place` unless a pooler is in between.
    """

    place: PgTarget
    admin: tuple[PgTarget, ...]
    direct: PgTarget
    create: CreateKeys | None = None
    migrations: MigrationKeys | None = None

    async def carry_out(self, run: Run) -> Facts:
        """Create and migrate, or in a dry run say what would be done; return the facts.

        Raises Unhealthy, PgError and what `open_session` raises.
        """
        if run.mode is Mode.DRY_RUN:
            return await self._rehearse(run)
        try:
            return {"created": False, **await self._upgrade(run)}
        except PgError as error:
            if error.sqlstate != DATABASE_MISSING or self.create is None:
                raise
            created = await self._create(run, self.create)
        run.note(created=created)
        return {"created": created, **await self._upgrade(run)}

    async def look(self, run: Run, session: Session) -> Facts:
        """Return where the migrations stand; raises Unhealthy, MIG001 when some are pending."""
        if not self.migrations:
            return {}
        return await check_migrations(run, self.migrations, PostgresLedger(self.migrations.table), session)

    def site(self, run: Run) -> Site[PostgresSession]:
        """Return where the migrations go; there must be some."""
        assert self.migrations is not None
        return Site(
            keys=self.migrations,
            ledger=PostgresLedger(self.migrations.table),
            reader=lambda: open_session(self.place, run),
            lock=partial(self.lend_lock, run),
            session=partial(beside_lock, self.direct, run, self._lock_key),
            latch=self.latch(run),
            holder=self._others,
        )

    def latch(self, run: Run) -> Latch:
        """Return the migration lock of this database as it is seen from outside; a crash of its holder frees it."""
        return Latch(partial(self._holder, run))

    @asynccontextmanager
    async def lend_lock(self, run: Run, also: Sequence[int] = ()) -> AsyncIterator[HeldLock]:
        """Hold the migration lock of this database, and other tools' locks beside it."""
        from startupctl.migrations.postgres.lock import postgres_lock

        patience = self.migrations.lock_timeout if self.migrations else DEFAULT_LOCK_TIMEOUT
        async with (
            driver_session(self.direct, run) as session,
            postgres_lock(session, (await self._lock_key(session), *also), run, patience) as held,
        ):
            yield held

    async def _holder(self, run: Run) -> Holder | None:
        async with open_session(self.place, run) as reader:
            return await self._holder_seen_by(reader)

    async def _holder_seen_by(self, reader: Reader) -> Holder | None:
        from startupctl.migrations.postgres.lock import holder_of

        return await holder_of(reader, await self._lock_key(reader))

    async def _others(self, reader: Reader) -> Holder | None:
        """Return who holds the lock; where a driver was needed to ask it may as well be waited for on the lock's connection."""
        return await self._holder_seen_by(reader) if isinstance(reader, PgSession) else None

    async def _lock_key(self, reader: Reader) -> int:
        from startupctl.migrations.postgres.lock import lock_key

        ledger = PostgresLedger(self.migrations.table if self.migrations else DEFAULT_TABLE)
        return lock_key(await ledger.schema_of(reader), ledger.name)

    async def _upgrade(self, run: Run) -> Facts:
        """Apply what is pending; without migrations only see that the database opens."""
        if self.migrations:
            return await migrate(run, self.site(run))
        async with open_session(self.place, run):
            return {}

    async def _create(self, run: Run, keys: CreateKeys) -> bool:
        from startupctl.databases.postgres_creation import create_database

        async with AsyncExitStack() as stack:
            _, place = await self._maintenance(stack, run)
        async with driver_session(place, run) as driver:
            return await create_database(driver, self.place.database, keys)

    async def _maintenance(self, stack: AsyncExitStack, run: Run) -> tuple[Session, PgTarget]:
        """Open the first place to create the database from that lets this role in."""
        *others, last = self.admin
        for place in others:
            try:
                return await stack.enter_async_context(open_session(place, run)), place
            except PgError as error:
                if error.sqlstate not in MAINTENANCE_CLOSED:
                    raise
        try:
            return await stack.enter_async_context(open_session(last, run)), last
        except PgError as error:
            if error.sqlstate != DATABASE_MISSING:
                raise
            said = f"database `{last.database}`, from which others are created, does not exist: correct `admin_url`"
            raise StatementFailed("42704", said, FailureClass.PERMANENT) from error

    async def _rehearse(self, run: Run) -> Facts:
        try:
            async with open_session(self.place, run) as session:
                return {"created": False, "would_create": False, **await self._would_apply(run, session)}
        except PgError as error:
            if error.sqlstate != DATABASE_MISSING or self.create is None:
                raise
        await self._require_right(run, self.create)
        return {"created": False, "would_create": True, **await self._would_apply(run, None)}

    async def _would_apply(self, run: Run, session: Session | None) -> Facts:
        if not self.migrations:
            return {}
        ledger = PostgresLedger(self.migrations.table)
        facts = await rehearse(run, self.site(run), session)
        if facts["would_apply"] or facts.get("would_adopt"):
            await self._require_way(run, ledger, session)
        return facts

    async def _require_way(self, run: Run, ledger: PostgresLedger, session: Session | None) -> None:
        """Return when migrations could be recorded where they go; without a session the database is still to be created."""
        if self.direct == self.place:
            if session:
                await ledger.require_right(session)
            return
        try:
            async with open_session(self.direct, run) as direct:
                await ledger.require_right(direct)
        except PgError as error:
            if session or error.sqlstate != DATABASE_MISSING:
                raise

    async def _require_right(self, run: Run, keys: CreateKeys) -> None:
        """Raise StatementFailed (42501) when the database could not be created."""
        from startupctl.databases.postgres_creation import may_create, require_creatable

        async with AsyncExitStack() as stack:
            session, place = await self._maintenance(stack, run)
            if not await may_create(session, keys.owner):
                owner = f" owned by `{keys.owner}`" if keys.owner else ""
                said = f"role `{place.user}` may not create a database{owner}"
                raise StatementFailed("42501", said, FailureClass.PERMANENT)
            await require_creatable(session, keys)
