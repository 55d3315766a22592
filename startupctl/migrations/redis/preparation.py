"""A Redis or Valkey database made ready: what `bootstrap` wants is made where it is missing."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Mode, Unhealthy, lock_facts
from startupctl.databases.redis_bootstrap import made_at, read_wanted, refusal, survey
from startupctl.databases.redis_bootstrap_codes import PENDING
from startupctl.databases.redis_diagnosis import seen
from startupctl.databases.redis_objects import Entry
from startupctl.databases.redis_reader import open_reader
from startupctl.databases.redis_signals import READ_ONLY_REPLICA
from startupctl.diagnosis import Diagnosis
from startupctl.threads import in_thread
from startupctl.wire.resp import RedisError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from startupctl.addresses import Endpoint
    from startupctl.check import Facts, Held, Run
    from startupctl.databases.redis_bootstrap import Survey
    from startupctl.databases.redis_keys import BootstrapKeys
    from startupctl.databases.redis_objects import Wanted
    from startupctl.databases.redis_place import Place
    from startupctl.databases.redis_reader import RedisReader
    from startupctl.databases.redis_session import RedisSession
    from startupctl.migrations.lock import Holder
    from startupctl.migrations.site import Latch

NOT_NEEDED = "not needed"
LOOK = 30.0  # seconds for a look while the clocks of the run stand still


class RedisPreparation(NamedTuple):
    """What is wanted of one database; files of functions are relative to `folder`."""

    place: Place
    folder: Path
    keys: BootstrapKeys

    async def look(self, reader: RedisReader) -> Facts:
        """Return where the bootstrap stands; raises Unhealthy, RDS019 when something is missing."""
        found = await survey(reader, await self._wanted())
        if not found.lacking:
            return found.facts()
        first, reason = found.lacking[0]
        before = await made_at(reader, first)
        name = f"{reason} (startupctl made it at {before})" if before else reason
        facts = {"pending": len(found.lacking), "total": found.total, "name": name}
        raise Unhealthy(Diagnosis(PENDING, facts), reader.state.facts | found.facts())

    async def carry_out(self, run: Run) -> Facts:
        """Make what is missing, or in a dry run say what would be made; return the facts.

        Raises Unhealthy, RedisError and what `open_reader` and `redis_lock` raise.
        """
        wanted = await self._wanted()
        async with open_reader(self.place, run) as reader:
            found, place = await survey(reader, wanted), reader.place
            if found.lacking:
                _require_writable(reader)
        if run.mode is Mode.DRY_RUN:
            would_apply = [lack.wanted.id for lack in found.lacking]
            return {"created": False, **found.facts(), "would_create": bool(would_apply), "would_apply": would_apply}
        if not found.lacking:
            return {"created": False, **found.facts(), "lock": NOT_NEEDED, "lock_wait": 0.0}
        with run.unhurried():
            async with self._locked(place, run) as (session, held):
                return await _Making(run, session, held).conduct(wanted)

    @asynccontextmanager
    async def lend_lock(self, run: Run) -> AsyncIterator[Held]:
        """Hold the lock of this database for a component that borrows it; raises as `carry_out` does."""
        async with open_reader(self.place, _briefly(run)) as reader:
            place = reader.place
            _require_writable(reader)
        async with self._locked(place, run) as (_, held):
            yield held

    def latch(self, run: Run) -> Latch:
        """Return that lock as it is seen from outside."""
        from startupctl.migrations.site import Latch

        return Latch(partial(self._holder, run), partial(self._unlock, run))

    async def _holder(self, run: Run) -> Holder | None:
        from startupctl.migrations.redis.lock import holder_of

        async with self._asked(run) as session:
            return await holder_of(session)

    async def _unlock(self, run: Run, holder: Holder) -> bool:
        from startupctl.migrations.redis.lock import release

        async with self._asked(run) as session:
            return await release(session, holder.token)

    @asynccontextmanager
    async def _asked(self, run: Run) -> AsyncIterator[RedisSession]:
        from startupctl.databases.redis_session import connected

        async with open_reader(self.place, run) as reader:
            place = reader.place
        async with connected(place, run.connect_timeout) as session:
            yield session

    @asynccontextmanager
    async def _locked(self, place: Place, run: Run) -> AsyncIterator[tuple[RedisSession, Held]]:
        from startupctl.databases.redis_session import connected
        from startupctl.migrations.keys import DEFAULT_LOCK_TIMEOUT
        from startupctl.migrations.redis.lock import redis_lock

        async with (
            connected(place, run.connect_timeout) as session,
            redis_lock(session, run, DEFAULT_LOCK_TIMEOUT) as held,
        ):
            yield session, held

    async def _wanted(self) -> tuple[Wanted, ...]:
        return await in_thread(read_wanted, self.keys, self.folder)


class _Making:
    """The work of one run on one database, with the lock held."""

    def __init__(self, run: Run, session: RedisSession, held: Held) -> None:
        self._run, self._session, self._held = run, session, held
        self._made: list[str] = []
        self._left = 0

    async def conduct(self, wanted: tuple[Wanted, ...]) -> Facts:
        """Look again, now that nobody else makes anything, and make one after the other."""
        run = _briefly(self._run)
        async with open_reader(self._session.place, run) as reader:
            found = await survey(reader, wanted)
            of_server = [lack for lack in found.lacking if not lack.wanted.key]
            nodes = [master.place.endpoint for master in await reader.masters()] if of_server else []
        self._left = len(found.lacking)
        for number, (one, _) in enumerate(found.lacking):
            self._run.progress(f"making {one.id}", number, len(found.lacking))
            try:
                await self._held.ensure()
                await self._make(one, [None] if one.key else nodes)
            except Unhealthy as unhealthy:
                raise Unhealthy(unhealthy.diagnosis, self._facts(found)) from unhealthy
        return self._facts(found)

    async def _make(self, one: Wanted, nodes: Sequence[Endpoint | None]) -> None:
        """Make one object and record it, unless somebody who does not know the lock was faster."""
        answers = [await self._send(one, node) for node in nodes]
        self._left -= 1
        if all(answers):
            self._made.append(one.id)
            self._run.note(created=True)
            await self._send(Entry(one))

    async def _send(self, one: Wanted | Entry, node: Endpoint | None = None) -> bool:
        """Send the command that makes it; return whether it did. Raises Unhealthy."""
        try:
            return await self._session.call(*one.making, at=node) is not None
        except RedisError as error:
            if error.word == "BUSYGROUP":
                return False
            raise Unhealthy(refusal(error, one, self._session.place)) from error

    def _facts(self, found: Survey) -> Facts:
        return {"created": bool(self._made), **found.facts(self._made, self._left), **lock_facts(self._held)}


def _require_writable(reader: RedisReader) -> None:
    """Raise Unhealthy (RDS004) for a replica; in a cluster it sends writers to its master."""
    if reader.state.role == "replica" and not reader.state.clustered:
        raise Unhealthy(seen(READ_ONLY_REPLICA, reader.place, reader.state), reader.state.facts)


def _briefly(run: Run) -> Run:
    """Return a run for one look, where the clocks of the run itself stand still."""
    return replace(run, deadline=time.monotonic() + LOOK)
