"""Files against ledger: what is applied, what is pending, what does not fit. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.errors import Mark, Problem
from startupctl.migrations import codes
from startupctl.migrations.files import bad_files
from startupctl.migrations.formats import format_name
from startupctl.migrations.keys import OutOfOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Facts, Run
    from startupctl.migrations.files import Directory
    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.lexer import Lexicon
    from startupctl.migrations.past import Adoption
    from startupctl.migrations.script import Migration

OTHER_WAY = "apply it with its own tool; what that tool records is taken over by the next run"


class Standing(NamedTuple):
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
    outdated: tuple[tuple[Migration, Entry], ...] = ()
    """Repeatable ones that were applied with another content, and are pending for that."""
    ahead: tuple[Entry, ...] = ()
    adoption: Adoption | None = None
    """What another tool applied and the ledger does not have yet; it counts as applied."""

    def facts(self, applied: Sequence[str] = (), pending: int | None = None) -> Facts:
        """Return the facts of a report; `applied` are the names applied in this run, `pending` what is left.

        `already` counts what was applied before, `adopted` what of that the ledger gets only now.
        """
        left = len(self.pending) if pending is None else pending
        adopted = len(self.adoption.entries) if self.adoption else 0
        counts = {"applied": list(applied), "already": len(self.applied), "pending": left, "adopted": adopted}
        return {
            "migrations": counts,
            "schema_version": self._newest(applied),
            "format": format_name(self.directory.format),
            **(self.adoption.facts if self.adoption else {}),
        }

    @property
    def obstacle(self) -> Migration | None:
        """The first pending one that cannot be applied here."""
        return next((migration for migration in self.pending if migration.obstacle), None)

    def _newest(self, applied: Sequence[str]) -> str:
        names = {*applied, *(migration.name for migration, _ in self.applied)}
        versioned = [migration for migration in self.directory.migrations if not migration.repeatable]
        versions = [migration.version for migration in versioned if migration.name in names]
        versions += [entry.version for entry in self.ahead]
        return versions[-1] if versions else ""


def compare(
    directory: Directory, entries: Sequence[Entry], lexicon: Lexicon, adoption: Adoption | None = None
) -> Standing:
    """Lay the files beside the rows of the ledger, and beside those that it is about to get."""
    rows = {entry.version: entry for entry in entries}
    known = [(migration, rows[migration.version]) for migration in directory.migrations if migration.version in rows]
    done = [(migration, entry) for migration, entry in known if entry.state.is_applied]
    changed = [(migration, entry) for migration, entry in done if entry.raw and entry.raw != migration.raw]
    edited = [
        (migration, entry) for migration, entry in changed if migration.content_hash(lexicon) != entry.content_hash
    ]
    outdated = [(migration, entry) for migration, entry in edited if migration.repeatable]
    applied = [pair for pair in done if pair not in outdated]
    finished = {migration.version for migration, _ in applied}
    pending = [migration for migration in directory.migrations if migration.version not in finished]
    versions = {migration.version for migration in directory.migrations}
    return Standing(
        directory=directory,
        pending=tuple(sorted(pending, key=lambda migration: migration.repeatable)),
        applied=tuple(applied),
        begun=tuple((migration, entry) for migration, entry in known if not entry.state.is_applied),
        drifted=tuple(pair for pair in edited if pair not in outdated),
        reworded=tuple(migration for migration, entry in changed if (migration, entry) not in edited),
        renamed=tuple((m, entry) for m, entry in known if entry.name != m.name and not entry.left_nothing),
        late=_late(directory, pending, applied),
        outdated=tuple(outdated),
        ahead=tuple(entry for entry in entries if entry.version not in versions and entry.state.is_applied),
        adoption=adoption,
    )


def _late(
    directory: Directory, pending: Sequence[Migration], applied: Sequence[tuple[Migration, Entry]]
) -> tuple[Migration, ...]:
    """Return those pending that are older than the newest applied one; repeatable ones have no age."""
    order = directory.format.order
    newest = max((order(migration) for migration, _ in applied if not migration.repeatable), default=None)
    if newest is None:
        return ()
    return tuple(migration for migration in pending if not migration.repeatable and order(migration) < newest)


def require_fit(standing: Standing, policy: OutOfOrder) -> None:
    """Raise Unhealthy (MIG010, MIG007, MIG005, MIG006) when the files are not those that were applied, with new ones behind."""
    require_same(standing)
    if standing.late and not applies_late(standing.directory, policy):
        newer = next(migration.name for migration, _ in reversed(standing.applied) if not migration.repeatable)
        facts = {"file": str(standing.late[0].path), "newer": newer}
        raise Unhealthy(Diagnosis(codes.OUT_OF_ORDER, facts), standing.facts())


def require_same(standing: Standing) -> None:
    """Raise Unhealthy (MIG010, MIG007, MIG005) when an applied file was taken back by its tool, is another one or was edited."""
    _require_kept(standing)
    for migration, entry in standing.renamed[:1]:
        facts = {"version": entry.version, "file": migration.name, "applied": entry.name}
        raise Unhealthy(Diagnosis(codes.NAME_CONFLICT, facts), standing.facts())
    for migration, entry in standing.drifted[:1]:
        facts = {"file": str(migration.path), "since": entry.finished_at or entry.started_at}
        raise Unhealthy(Diagnosis(codes.DRIFT, facts), standing.facts())


def _require_kept(standing: Standing) -> None:
    """Raise Unhealthy (MIG010) when the table that a file was adopted from has it no longer."""
    for migration in standing.adoption.gone[:1] if standing.adoption else ():
        assert standing.adoption
        repair = f"startupctl migrate repair {shlex.quote(migration.version)}"
        what = f"`{migration.name}` was adopted from {standing.adoption.source}, which has it no longer"
        cure = f"`{repair} --rerun` if it was rolled back, `{repair} --accept` if it is still applied"
        raise Unhealthy(Diagnosis(codes.CANNOT_ADOPT, {"what": what, "cure": cure}), standing.facts())


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


def require_way(standing: Standing, facts: Facts | None = None) -> None:
    """Raise Unhealthy (MIG008) when a pending file cannot be applied here; `facts` are those of `standing` unless given."""
    if blocked := standing.obstacle:
        problem = Problem(blocked.obstacle, hint=blocked.cure or OTHER_WAY, mark=Mark(str(blocked.path)))
        raise Unhealthy(bad_files([problem]).diagnosis, standing.facts() if facts is None else facts)


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
