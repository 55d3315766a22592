"""Takes applied migrations back by their ways down, the newest first, under the lock: all that are asked for, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl.check import Mode, Unhealthy, lock_facts
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.migrations import codes
from startupctl.migrations.chosen import up_to
from startupctl.migrations.failed import failure_diagnosis
from startupctl.migrations.ledger import State
from startupctl.migrations.lexer import normalised
from startupctl.migrations.past import read_past
from startupctl.migrations.runner import NO_LOCK, read_files
from startupctl.migrations.standing import compare, warn_of_others
from startupctl.migrations.time_limit import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Facts, Held, Run
    from startupctl.databases.session import Reader, Session
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration
    from startupctl.migrations.site import Site
    from startupctl.migrations.standing import Standing


class Looked(NamedTuple):
    """What was seen: the standing, and the rows in the order they were written."""

    standing: Standing
    entries: Sequence[Entry]


class Reversal:
    """One wish to take migrations back: the newest `steps`, or all behind version `to` (`0`: all there are).

    What it means is decided by the first look. When it is tried again, or others were faster, what is taken back
    already stays so and nothing more is taken back in its place.
    """

    def __init__(self, steps: int = 1, to: str | None = None) -> None:
        """Nothing is decided yet."""
        self._steps, self._to = steps, to
        self._versions: frozenset[str] | None = None

    async def __call__(self, run: Run, site: Site[Any]) -> Facts:
        """Take back what is meant; in a dry run say what would be.

        Raises Unhealthy: MIG020, MIG021, MIG002, MIG008, MIG010, LCK001, LCK002.
        """
        async with site.reader() as reader:
            seen = await _look(run, site, reader)
        warn_of_others(seen.standing, run)
        chosen = self._chosen(seen, site.ledger)
        if run.mode is Mode.DRY_RUN or not chosen:
            would = {"would_revert": [migration.name for migration in chosen]} if run.mode is Mode.DRY_RUN else {}
            return {**_facts(seen.standing, []), **would, **NO_LOCK}
        with run.unhurried():
            async with site.lock(()) as held, site.session() as session:
                await site.ledger.create(session)
                seen = await _look(run, site, session)
                return await _Work(run, site, session, held).conduct(seen.standing, self._chosen(seen, site.ledger))

    def _chosen(self, seen: Looked, ledger: Ledger[Any]) -> list[Migration]:
        """Return what is taken back, the newest first; raises Unhealthy when one of them cannot be."""
        applied = _reversible(seen.standing, ledger)
        if self._versions is None:
            directory, to = seen.standing.directory, self._to
            kept = applied[: -self._steps] if to is None else up_to(directory, applied, to)
            self._versions = frozenset(migration.version for migration in applied if migration not in kept)
        chosen = [migration for migration in reversed(applied) if migration.version in self._versions]
        if chosen:
            self._require_last(seen.standing, chosen)
            _require_whole(seen, chosen)
            for migration in chosen:
                _require_way(seen.standing, migration, ledger)
        return chosen

    def _require_last(self, standing: Standing, chosen: Sequence[Migration]) -> None:
        """Raise Unhealthy (MIG021) when others applied something behind it meanwhile; the next try decides anew."""
        order = standing.directory.format.order
        for migration, _ in standing.applied:
            if migration not in chosen and not migration.repeatable and order(migration) > order(chosen[-1]):
                self._versions = None
                why = f"`{migration.name}` was applied meanwhile"
                raise _refused(chosen[-1], why, "run it again when nobody else migrates", FailureClass.TRANSIENT)


class _Work:
    """The work of one run on one database, with the lock held."""

    def __init__(self, run: Run, site: Site[Any], session: Session, held: Held) -> None:
        self._run, self._site, self._session, self._held = run, site, session, held
        self._reverted: list[str] = []

    async def conduct(self, standing: Standing, chosen: Sequence[Migration]) -> Facts:
        """Take back one after the other."""
        for number, migration in enumerate(chosen):
            await self._held.ensure()
            self._run.progress(f"taking back {migration.name}", number, len(chosen))
            await self._revert(standing, migration)
            self._reverted.append(migration.name)
        left = await _look(self._run, self._site, self._session)
        return {**_facts(left.standing, self._reverted), **lock_facts(self._held)}

    async def _revert(self, standing: Standing, migration: Migration) -> None:
        reverting = self._site.ledger.revert(self._session, migration)
        try:
            await within(self._site.keys.timeout, reverting)
        except StatementFailed as error:
            raise self._unhealthy(standing, migration, error) from error

    def _unhealthy(self, standing: Standing, migration: Migration, error: StatementFailed) -> Unhealthy:
        assert migration.down
        parts = self._site.ledger.statements(migration.down)
        diagnosis = failure_diagnosis(migration.down, error, parts, self._reverted, migration.format)
        facts = {**_facts(standing, self._reverted), **lock_facts(self._held)}
        code = codes.FAILED._replace(
            cause="A statement of a way down failed ({number} of {statements}). Taken back before it in this run: {before}. {state}",
            hint="correct `{file}` and run `startupctl migrate down` again",
        )
        return Unhealthy(replace(diagnosis, code=code), facts)


async def _look(run: Run, site: Site[Any], reader: Reader) -> Looked:
    directory = await read_files(run, site.keys)
    past = await read_past(directory, site.ledger, reader)
    return Looked(compare(directory, past.entries, site.ledger.lexicon, past.adoption), past.entries)


def _facts(standing: Standing, reverted: Sequence[str]) -> Facts:
    facts = standing.facts()
    return {**facts, "migrations": {"reverted": list(reverted), **facts["migrations"]}}


def _reversible(standing: Standing, ledger: Ledger[Any]) -> list[Migration]:
    """Return what is applied, and what is on its way back, in the order of the files."""
    turned = [migration.version for migration, entry in standing.begun if ledger.turns_back(entry, migration)]
    versions = {*turned, *(migration.version for migration, _ in standing.applied if not migration.repeatable)}
    return [migration for migration in standing.directory.migrations if migration.version in versions]


def _require_whole(seen: Looked, chosen: Sequence[Migration]) -> None:
    """Raise Unhealthy (MIG021) when something is half-applied, or came after what is taken back and has no file."""
    standing, oldest = seen.standing, chosen[-1]
    for migration in (one for one, _ in standing.begun if one not in chosen):
        raise _refused(
            migration, "it was begun and never finished", "run `startupctl migrate repair` and do what it says"
        )
    versions = [entry.version for entry in seen.entries]
    first = min(versions.index(migration.version) for migration in chosen)
    for entry in seen.entries[first:]:
        if entry in standing.ahead:
            cure = f"deploy the files that have it, or run `startupctl migrate repair {entry.version} --forget`"
            raise _refused(oldest, f"`{entry.name}` was applied after it and has no file here", cure)


def _require_way(standing: Standing, migration: Migration, ledger: Ledger[Any]) -> None:
    """Raise Unhealthy (MIG021) when a migration cannot be taken back."""
    rows = (*standing.applied, *standing.begun)
    adoption, [entry] = standing.adoption, [entry for one, entry in rows if one is migration]
    if adoption and entry.state is State.ADOPTED:
        why = f"{adoption.source} says that it is applied, and would say so again"
        raise _refused(migration, why, "take it back with that tool, or drop its table first")
    accept = f"restore the file, or run `startupctl migrate repair {migration.version} --accept`"
    if any(one is migration for one, _ in (*standing.drifted, *standing.renamed)):
        raise _refused(migration, "its file is not the one that was applied", accept)
    if migration.obstacle:
        raise _refused(migration, migration.obstacle, migration.cure or "take it back with its own tool")
    parts = ledger.statements(migration.down) if migration.down else ()
    if not any(normalised(part.text, ledger.lexicon).strip(";") for part in parts):
        raise _refused(migration, "it has no way down", "put the change back in a new migration")


def _refused(migration: Migration, why: str, cure: str, failure: FailureClass = FailureClass.PERMANENT) -> Unhealthy:
    facts = {"file": migration.name, "why": why, "cure": cure}
    return Unhealthy(Diagnosis(codes.CANNOT_REVERT, facts, failure_class=failure))
