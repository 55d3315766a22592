"""Rows of the ledger that do not fit their files: which there are, what can be done about each, and doing it."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.chosen import find_migration, names
from startupctl.migrations.codes import CANNOT_REPAIR
from startupctl.migrations.ledger import State
from startupctl.migrations.runner import read_files
from startupctl.migrations.standing import compare
from startupctl.migrations.status import FINE, Stand, stand_of
from startupctl.redact import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.check import Facts, Run
    from startupctl.databases.session import Reader
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration
    from startupctl.migrations.site import Site

HASH_SHOWN = 12  # characters


class Cure(StrEnum):
    """What can be done about a row, as the flag is called."""

    ACCEPT = "accept"  # what the file says is taken as applied
    RERUN = "rerun"  # it is pending again
    FORGET = "forget"  # the row of a file that is no longer there is removed


_CURES = {
    Stand.RUNNING: (Cure.RERUN, Cure.ACCEPT),
    Stand.FAILED: (Cure.RERUN, Cure.ACCEPT),
    Stand.DRIFTED: (Cure.ACCEPT, Cure.RERUN),
    Stand.RENAMED: (Cure.ACCEPT,),
    Stand.MISSING: (Cure.FORGET,),
    Stand.ADOPTED: (Cure.ACCEPT, Cure.RERUN),
}
_MEANINGS = {
    Stand.RUNNING: "it was begun and is not known to be finished",
    Stand.FAILED: "it was begun and stopped",
    Stand.DRIFTED: "its file was edited after it was applied",
    Stand.RENAMED: "it was applied under another name",
    Stand.MISSING: "it was applied, and there is no such file",
    Stand.ADOPTED: "it was adopted from another tool",
}


class Case(NamedTuple):
    """A row that does not fit; `migration` is its file, if there is one."""

    entry: Entry
    migration: Migration | None
    stand: Stand

    @property
    def cures(self) -> tuple[Cure, ...]:
        """What can be done."""
        return _CURES[self.stand] if self.migration else (Cure.FORGET,)


async def find_repairs(run: Run, site: Site[Any]) -> Facts:
    """Look and change nothing; return `findings`, and `lock`: who holds it, and may be at work on what is running.

    Raises Unhealthy: MIG008, MIG010.
    """
    async with site.reader() as reader:
        cases = await _cases(run, site, reader)
    holder = await site.latch.holder() if site.latch else None
    findings = [_finding(case, site.ledger) for case in cases if case.stand not in FINE]
    return {"findings": findings, "lock": str(holder) if holder else None}


class Repair:
    """One wish to repair the row of a version; the facts of what was done are `changes`."""

    def __init__(self, wanted: str, cure: Cure) -> None:
        """`wanted` is a version or a name."""
        self._wanted, self._cure = wanted, cure

    async def __call__(self, run: Run, site: Site[Any]) -> Facts:
        """Repair it under the lock; raises Unhealthy: MIG020, MIG022, MIG008, MIG010, LCK001, LCK002."""
        async with site.reader() as reader:
            await self._case(run, site, reader)  # a mistake is told without waiting for anybody
        with run.unhurried():
            async with site.lock(()) as held, site.session() as session:
                await site.ledger.create(session)
                case = await self._case(run, site, session)
                after = _repaired(case, self._cure, site.ledger)
                await held.ensure()
                await (site.ledger.record(session, [after]) if after else site.ledger.forget(session, case.entry))
        change = {"version": case.entry.version, "name": case.entry.name}
        return {"changes": [{**change, "before": _words(case.entry), "after": _words(after)}], "lock": held.label}

    async def _case(self, run: Run, site: Site[Any], reader: Reader) -> Case:
        cases = await _cases(run, site, reader)
        for case in cases:
            if names(case.entry, self._wanted) or (case.migration and names(case.migration, self._wanted)):
                return self._fitting(case)
        directory = await read_files(run, site.keys)
        migration = find_migration(directory, self._wanted)
        raise _refused(migration.version, "nothing is wrong with it")

    def _fitting(self, case: Case) -> Case:
        if self._cure not in case.cures:
            flags = " or ".join(f"`--{cure}`" for cure in case.cures)
            raise _refused(case.entry.version, f"{_MEANINGS[case.stand]}, which takes {flags}, not `--{self._cure}`")
        return case


async def _cases(run: Run, site: Site[Any], reader: Reader) -> list[Case]:
    """Return the rows that do not fit their files or are only adopted, in the order of the files, those without a file last."""
    directory = await read_files(run, site.keys)
    entries = await site.ledger.read(reader)
    standing = compare(directory, entries, site.ledger.lexicon)
    rows = {entry.version: entry for entry in entries}
    found = [
        Case(entry, migration, stand_of(migration, entry, standing, site.keys.out_of_order))
        for migration in directory.migrations
        if (entry := rows.pop(migration.version, None))
    ]
    found += [Case(entry, None, _without_file(entry)) for entry in rows.values()]
    return [case for case in found if case.stand in _CURES]


def _without_file(entry: Entry) -> Stand:
    return Stand.MISSING if entry.state.is_applied else Stand(entry.state)


def _repaired(case: Case, cure: Cure, ledger: Ledger[Any]) -> Entry | None:
    """Return the row as it is to be; None for no row."""
    entry, migration = case.entry, case.migration
    if migration is None or cure is Cure.FORGET:
        return None
    if cure is Cure.RERUN:
        return None if entry.state.is_applied else ledger.pending_again(entry, migration)
    accepted = entry if entry.state.is_applied else ledger.accepted(entry, migration)
    return accepted._replace(
        name=migration.name,
        format=migration.format,
        raw=migration.raw,
        content_hash=migration.content_hash(ledger.lexicon),
        state=State.DONE if case.stand is Stand.ADOPTED else accepted.state,
    )


def _finding(case: Case, ledger: Ledger[Any]) -> Facts:
    entry = case.entry
    return {
        "version": entry.version,
        "name": entry.name,
        "state": str(case.stand),
        "what": ", ".join(_what(case)),
        "repairs": list(_repairs(case, ledger)),
    }


def _what(case: Case) -> Iterator[str]:
    entry = case.entry
    yield _MEANINGS[case.stand]
    if case.migration and case.stand is Stand.RENAMED:
        yield f"and is `{case.migration.name}` now"
    if not entry.state.is_applied:
        yield f"begun by {entry.host or 'somebody'} at {entry.started_at}"
        yield f"{entry.statement_no} statements are known to have succeeded"
    if not case.migration and case.stand is not Stand.MISSING:
        yield "and there is no such file"
    if entry.error:
        yield masked(entry.error)


def _repairs(case: Case, ledger: Ledger[Any]) -> Iterator[str]:
    """Yield what can be done, the best first."""
    if case.migration and not case.entry.state.is_applied and ledger.resumes(case.entry, case.migration):
        yield "startupctl init-db"
    for cure in case.cures:
        yield f"startupctl migrate repair {shlex.quote(case.entry.version)} --{cure}"


def _words(entry: Entry | None) -> str:
    """Return a row in words."""
    if entry is None:
        return "no row"
    parts = [str(entry.state), f"`{entry.name}`", f"content {entry.content_hash[:HASH_SHOWN] or 'unknown'}"]
    if not entry.state.is_applied:
        parts.append(f"behind statement {entry.statement_no}")
    return ", ".join(parts)


def _refused(version: str, why: str) -> Unhealthy:
    return Unhealthy(Diagnosis(CANNOT_REPAIR, {"version": version, "why": why}))
