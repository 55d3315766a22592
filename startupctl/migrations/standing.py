"""Files against ledger: what is applied, what is pending, what does not fit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.migrations import codes
from startupctl.migrations.formats import format_name
from startupctl.migrations.keys import OutOfOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Facts, Run
    from startupctl.migrations.files import Directory
    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.lexer import Lexicon
    from startupctl.migrations.script import Migration


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a database stands towards a directory; files in the order they are applied."""

    directory: Directory
    pending: tuple[Migration, ...] = ()
    applied: tuple[tuple[Migration, Entry], ...] = ()
    begun: tuple[tuple[Migration, Entry], ...] = ()
    """Those of the pending ones that somebody began."""
    drifted: tuple[tuple[Migration, Entry], ...] = ()
    reworded: tuple[Migration, ...] = ()
    """Applied, and edited since in comments or layout only."""
    renamed: tuple[tuple[Migration, Entry], ...] = ()
    late: tuple[Migration, ...] = ()
    """Pending, and older than the newest applied one."""
    ahead: tuple[Entry, ...] = ()

    def facts(self, applied: Sequence[str] = (), pending: int | None = None) -> Facts:
        """Return the facts of a report; `applied` are the names applied in this run, `pending` what is left."""
        left = len(self.pending) if pending is None else pending
        counts = {"applied": list(applied), "already": len(self.applied), "pending": left, "adopted": 0}
        return {
            "migrations": counts,
            "schema_version": self._newest(applied),
            "format": format_name(self.directory.format),
        }

    def _newest(self, applied: Sequence[str]) -> str:
        names = {*applied, *(migration.name for migration, _ in self.applied)}
        versions = [migration.version for migration in self.directory.migrations if migration.name in names]
        versions += [entry.version for entry in self.ahead]
        return versions[-1] if versions else ""


def compare(directory: Directory, entries: Sequence[Entry], lexicon: Lexicon) -> Standing:
    """Lay the files beside the rows of the ledger."""
    rows = {entry.version: entry for entry in entries}
    files = [(migration, rows.get(migration.version)) for migration in directory.migrations]
    known = [(migration, entry) for migration, entry in files if entry]
    applied = [(migration, entry) for migration, entry in known if entry.state.is_applied]
    pending = [migration for migration, entry in files if not (entry and entry.state.is_applied)]
    versions = {migration.version for migration in directory.migrations}
    changed = [(migration, entry) for migration, entry in applied if entry.raw and entry.raw != migration.raw]
    drifted = [(m, entry) for m, entry in changed if m.content_hash(lexicon) != entry.content_hash]
    newest = max((directory.format.order(migration) for migration, _ in applied), default=None)
    return Standing(
        directory=directory,
        pending=tuple(pending),
        applied=tuple(applied),
        begun=tuple((migration, entry) for migration, entry in known if not entry.state.is_applied),
        drifted=tuple(drifted),
        reworded=tuple(m for m, entry in changed if (m, entry) not in drifted),
        renamed=tuple((migration, entry) for migration, entry in known if entry.name != migration.name),
        late=tuple(m for m in pending if newest is not None and directory.format.order(m) < newest),
        ahead=tuple(entry for entry in entries if entry.version not in versions and entry.state.is_applied),
    )


def require_fit(standing: Standing, policy: OutOfOrder) -> None:
    """Raise Unhealthy (MIG007, MIG005, MIG006) when the files are not those that were applied, with new ones behind."""
    for migration, entry in standing.renamed[:1]:
        facts = {"version": entry.version, "file": migration.name, "applied": entry.name}
        raise Unhealthy(Diagnosis(codes.NAME_CONFLICT, facts), standing.facts())
    for migration, entry in standing.drifted[:1]:
        facts = {"file": str(migration.path), "since": entry.finished_at or entry.started_at}
        raise Unhealthy(Diagnosis(codes.DRIFT, facts), standing.facts())
    if standing.late and not applies_late(standing.directory, policy):
        newer = standing.applied[-1][0].name
        facts = {"file": str(standing.late[0].path), "newer": newer}
        raise Unhealthy(Diagnosis(codes.OUT_OF_ORDER, facts), standing.facts())


def applies_late(directory: Directory, policy: OutOfOrder) -> bool:
    """Whether a pending file that is older than an applied one is applied."""
    return policy is OutOfOrder.APPLY or (policy is OutOfOrder.AUTO and directory.format.APPLIES_LATE)


def warn_of_others(standing: Standing, run: Run) -> None:
    """Warn of rows without files (MIG004) and of applied files whose comments or layout changed."""
    if standing.ahead:
        facts = {"count": len(standing.ahead), "dir": str(standing.directory.path), "last": standing.ahead[-1].name}
        run.warn(codes.AHEAD, **facts)
    if standing.reworded:
        run.warn(codes.REWORDED, count=len(standing.reworded), file=standing.reworded[0].name)


def require_none_pending(standing: Standing) -> None:
    """Raise Unhealthy (MIG001) when files are pending."""
    if standing.pending:
        facts = {
            "pending": len(standing.pending),
            "total": len(standing.directory.migrations),
            "first": standing.pending[0].name,
            "dir": str(standing.directory.path),
        }
        raise Unhealthy(Diagnosis(codes.PENDING, facts), standing.facts())
