"""Looks where a database stands, and applies what is pending under the lock; knows databases only by their ledger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.failed import failure_diagnosis, half_applied
from startupctl.migrations.files import read_directory
from startupctl.migrations.standing import compare, require_fit, require_none_pending, warn_of_others
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from startupctl.check import Facts, Held, Run
    from startupctl.databases.session import Reader, Session
    from startupctl.migrations.files import Directory
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration
    from startupctl.migrations.site import Site
    from startupctl.migrations.standing import Standing

S = TypeVar("S", bound="Session")

NO_LOCK = {"lock": "not needed", "lock_wait": 0.0}


async def check_migrations(run: Run, keys: MigrationKeys, ledger: Ledger[Any], reader: Reader) -> Facts:
    """Look and change nothing; raises Unhealthy MIG008, MIG010, MIG007, MIG005, MIG006, and MIG001 when files are pending."""
    if keys.tool:
        from startupctl.migrations.delegated import check_by_tool

        return await check_by_tool(run, keys)
    standing = await survey(run, keys, ledger, reader)
    require_none_pending(standing)
    return standing.facts()


async def survey(run: Run, keys: MigrationKeys, ledger: Ledger[Any], reader: Reader) -> Standing:
    """Lay the files beside the ledger, warn of what is odd; raises Unhealthy when they do not fit."""
    directory = await in_thread(read_directory, keys.folder(run), keys.format)
    standing = compare(directory, await ledger.read(reader), ledger.lexicon)
    require_fit(standing, keys.out_of_order)
    warn_of_others(standing, run)
    return standing


async def rehearse(run: Run, site: Site[Any], reader: Reader | None) -> Facts:
    """Say what would be applied; without a reader the database is not there yet, and all of it is pending."""
    if site.keys.tool:
        from startupctl.migrations.delegated import rehearse_by_tool

        return await rehearse_by_tool(run, site.keys, there=reader is not None)
    if reader is None:
        directory = await in_thread(read_directory, site.keys.folder(run), site.keys.format)
        standing = compare(directory, [], site.ledger.lexicon)
    else:
        standing = await survey(run, site.keys, site.ledger, reader)
    return {**standing.facts(), "would_apply": [migration.name for migration in standing.pending]}


async def migrate(run: Run, site: Site[Any]) -> Facts:
    """Apply what is pending; lock and session are entered only when a look without them finds something.

    Raises Unhealthy: what `survey` raises, MIG002, MIG003, LCK001, LCK002.
    """
    if site.keys.tool:
        from startupctl.migrations.delegated import migrate_by_tool

        return await migrate_by_tool(run, site)
    async with site.reader() as reader:
        standing = await survey(run, site.keys, site.ledger, reader)
    if not standing.pending:
        return {**standing.facts(), **NO_LOCK}
    with run.unhurried():
        async with site.lock(()) as held, site.session() as session:
            return await _Upgrade(run, site.keys, site.ledger, session, held).conduct(standing.directory)


class _Upgrade(Generic[S]):
    """The work of one run on one database, with the lock held."""

    def __init__(self, run: Run, keys: MigrationKeys, ledger: Ledger[S], session: S, held: Held) -> None:
        self._run, self._keys, self._ledger = run, keys, ledger
        self._session, self._held = session, held
        self._applied: list[str] = []

    async def conduct(self, directory: Directory) -> Facts:
        """Look again, now that nobody else changes anything, and apply file by file."""
        await self._ledger.create(self._session)
        standing = compare(directory, await self._ledger.read(self._session), self._ledger.lexicon)
        require_fit(standing, self._keys.out_of_order)
        self._require_whole(standing)
        begun = {migration.version: entry for migration, entry in standing.begun}
        for number, migration in enumerate(standing.pending):
            await self._held.ensure()
            self._run.progress(f"migrating {migration.name}", number, len(standing.pending))
            if await self._apply(standing, migration, begun.get(migration.version)):
                self._applied.append(migration.name)
        return {**standing.facts(self._applied, pending=0), **self._lock_facts}

    def _require_whole(self, standing: Standing) -> None:
        """Raise Unhealthy (MIG003) when a file was left half-applied: nobody else can be at it now."""
        for migration, entry in standing.begun:
            if not self._ledger.resumes(entry, migration):
                total = len(self._ledger.statements(migration.up))
                diagnosis = half_applied(migration, entry, self._ledger.ways_out(entry), total)
                raise Unhealthy(diagnosis, {**standing.facts(), **self._lock_facts})

    async def _apply(self, standing: Standing, migration: Migration, entry: Entry | None) -> bool:
        limit = self._keys.timeout or None
        try:
            async with asyncio.timeout(limit) as scope:
                return await self._ledger.apply(self._session, migration, entry)
        except StatementFailed as error:
            raise self._unhealthy(standing, migration, error) from error
        except TimeoutError as error:
            if not scope.expired():
                raise
            said = f"not finished within migrations.timeout ({limit:g} s)"
            late = StatementFailed("", said, FailureClass.PERMANENT)
            raise self._unhealthy(standing, migration, late) from error

    def _unhealthy(self, standing: Standing, migration: Migration, error: StatementFailed) -> Unhealthy:
        parts = self._ledger.statements(migration.up)
        diagnosis = failure_diagnosis(migration.up, error, parts, self._applied, migration.format)
        left = len(standing.pending) - len(self._applied)
        return Unhealthy(diagnosis, {**standing.facts(self._applied, pending=left), **self._lock_facts})

    @property
    def _lock_facts(self) -> Facts:
        return {"lock": self._held.label, "lock_wait": round(self._held.waited, 3)}
