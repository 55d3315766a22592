"""The work of one run on one database: what another tool did is taken over, then file by file is applied."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Generic, TypeVar

from startupctl.check import Unhealthy, lock_facts
from startupctl.databases.session import StatementFailed
from startupctl.migrations.adopt import take_over
from startupctl.migrations.chosen import limited
from startupctl.migrations.failed import failure_diagnosis, half_applied
from startupctl.migrations.past import read_past
from startupctl.migrations.standing import compare, require_fit, require_way
from startupctl.migrations.time_limit import within

if TYPE_CHECKING:
    from startupctl.check import Facts, Held, Run
    from startupctl.databases.session import Session
    from startupctl.migrations.files import Directory
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration
    from startupctl.migrations.standing import Standing

S = TypeVar("S", bound="Session")


class Upgrade(Generic[S]):
    """The work with the lock held; `conduct` does it."""

    def __init__(self, run: Run, keys: MigrationKeys, ledger: Ledger[S], session: S, held: Held) -> None:
        """Nothing is asked yet."""
        self._run, self._keys, self._ledger = run, keys, ledger
        self._session, self._held = session, held
        self._applied: list[str] = []
        self._resumed: list[str] = []
        self._unsafe: list[str] = []
        self._settled = self._behind = 0

    async def conduct(self, directory: Directory, to: str | None = None) -> Facts:
        """Look again, now that nobody else changes anything, and apply up to the end or to what cannot be applied here."""
        await self._ledger.create(self._session)
        past = await read_past(directory, self._ledger, self._session)
        whole = compare(directory, past.entries, self._ledger.lexicon, past.adoption)
        standing = limited(whole, to)
        self._behind = len(whole.pending) - len(standing.pending)
        require_fit(standing, self._keys.out_of_order)
        if past.adoption and past.adoption.entries:
            await self._held.ensure()
            await take_over(self._ledger, self._session, directory, past.adoption.entries)
        self._require_whole(standing)
        left = {migration.version: entry for migration, entry in (*standing.begun, *standing.outdated)}
        applicable = list(takewhile(lambda one: not one.obstacle, standing.pending))
        for migration in applicable:
            waits = self._ledger.expect_more(self._session, more=migration is not applicable[-1])
            await self._proceed(standing, migration, left.get(migration.version))
            self._unsafe = [*self._unsafe, migration.name] if waits else []
        require_way(standing, self._facts(standing))
        return self._facts(standing)

    async def _proceed(self, standing: Standing, migration: Migration, entry: Entry | None) -> None:
        await self._held.ensure()
        self._run.progress(f"migrating {migration.name}", self._settled, len(standing.pending))
        if await self._apply(standing, migration, entry):
            self._applied.append(migration.name)
            if entry and not entry.state.is_applied:
                self._resumed.append(migration.name)
        self._settled += 1

    def _require_whole(self, standing: Standing) -> None:
        """Raise Unhealthy (MIG003) when a file was left half-applied: nobody else can be at it now."""
        for migration, entry in standing.begun:
            if not self._ledger.resumes(entry, migration):
                total = len(self._ledger.statements(migration.up))
                ways_out, doubt = self._ledger.ways_out(entry), self._ledger.doubt(entry, migration)
                diagnosis = half_applied(migration, entry, ways_out, total, doubt)
                raise Unhealthy(diagnosis, self._facts(standing))

    async def _apply(self, standing: Standing, migration: Migration, entry: Entry | None) -> bool:
        applying = self._ledger.apply(self._session, migration, entry)
        try:
            return await within(self._keys.timeout, applying)
        except StatementFailed as error:
            raise self._unhealthy(standing, migration, error) from error
        except Unhealthy as error:
            raise Unhealthy(error.diagnosis, self._facts(standing)) from error

    def _unhealthy(self, standing: Standing, migration: Migration, error: StatementFailed) -> Unhealthy:
        parts = self._ledger.statements(migration.up)
        diagnosis = failure_diagnosis(migration.up, error, parts, self._applied, migration.format)
        if error.lost:
            self._doubt_unsafe()
        return Unhealthy(diagnosis, self._facts(standing))

    def _doubt_unsafe(self) -> None:
        """Claim no more what a server that crashed may have lost: it is applied, or it is pending as if never begun."""
        self._applied = [name for name in self._applied if name not in self._unsafe]
        self._settled -= len(self._unsafe)

    def _facts(self, standing: Standing) -> Facts:
        """Return where it stands now; what somebody else applied meanwhile is not pending either."""
        left = len(standing.pending) - self._settled + self._behind
        gone_on = {"resumed": self._resumed} if self._resumed else {}
        return {**standing.facts(self._applied, pending=left), **gone_on, **lock_facts(self._held)}
