"""Where every migration of one database stands, as facts: nothing is raised for what does not fit, it is listed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from startupctl.migrations.formats import AUTO, format_name
from startupctl.migrations.ledger import State
from startupctl.migrations.past import read_past
from startupctl.migrations.runner import read_files
from startupctl.migrations.standing import applies_late, compare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.check import Facts, Run
    from startupctl.migrations.keys import OutOfOrder
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration
    from startupctl.migrations.site import Site
    from startupctl.migrations.standing import Standing


class Stand(StrEnum):
    """Where one migration stands."""

    PENDING = "pending"
    APPLIED = "applied"
    ADOPTED = "adopted"
    RUNNING = "running"  # begun, and not known to be finished
    FAILED = "failed"
    DRIFTED = "drifted"  # its file is not the one that was applied
    RENAMED = "renamed"
    MISSING = "missing"  # applied, and there is no file
    OUT_OF_ORDER = "out_of_order"  # pending, older than an applied one, and therefore refused


FINE = frozenset({Stand.APPLIED, Stand.ADOPTED})


async def read_status(run: Run, site: Site[Any]) -> Facts:
    """Look and change nothing; return `format format_from directory table lock migrations counts`.

    `adopted_from` is there when rows of another tool's table count as applied. Raises Unhealthy: MIG008, MIG009, MIG010.
    """
    directory = await read_files(run, site.keys)
    async with site.reader() as reader:
        past = await read_past(directory, site.ledger, reader)
    holder = await site.latch.holder() if site.latch else None
    standing = compare(directory, past.entries, site.ledger.lexicon, past.adoption)
    listed = [*_of_files(standing, site, past.entries), *_without_file(standing, past.entries)]
    counts = Counter(one["state"] for one in listed)
    return {
        "format": format_name(directory.format),
        "format_from": "the files" if site.keys.format == AUTO else "`migrations.format`",
        "directory": str(directory.path),
        "table": site.keys.table,
        "adopted_from": past.adoption.source if past.adoption and past.adoption.entries else None,
        "lock": {"holder": holder.name, "since": holder.since or None} if holder else None,
        "migrations": listed,
        "counts": {str(state): counts[state] for state in Stand},
    }


def stand_of(migration: Migration, entry: Entry | None, standing: Standing, policy: OutOfOrder) -> Stand:
    """Return where a file stands; `entry` is its row."""
    if entry is None:
        late = migration in standing.late and not applies_late(standing.directory, policy)
        return Stand.OUT_OF_ORDER if late else Stand.PENDING
    if not entry.state.is_applied:
        return Stand(entry.state)
    if (migration, entry) in standing.renamed:
        return Stand.RENAMED
    if (migration, entry) in standing.drifted:
        return Stand.DRIFTED
    if migration in standing.pending:  # a repeatable one that changed
        return Stand.PENDING
    return Stand.ADOPTED if entry.state is State.ADOPTED else Stand.APPLIED


def _of_files(standing: Standing, site: Site[Any], entries: Sequence[Entry]) -> Iterator[Facts]:
    rows = {entry.version: entry for entry in entries}
    for migration in standing.directory.migrations:
        entry = rows.get(migration.version)
        state = stand_of(migration, entry, standing, site.keys.out_of_order)
        yield {
            "version": migration.version,
            "name": migration.name,
            "state": str(state),
            **_recorded(entry),
            **_work(migration, site.ledger),
            "note": _note(state, migration, entry, standing),
        }


def _without_file(standing: Standing, entries: Sequence[Entry]) -> Iterator[Facts]:
    files = {migration.version for migration in standing.directory.migrations}
    for entry in entries:
        if entry.version not in files:
            state = Stand.MISSING if entry.state.is_applied else Stand(entry.state)
            head = {"version": entry.version, "name": entry.name, "state": str(state)}
            yield {**head, **_recorded(entry), "statements": None, "how": None, "note": "there is no such file"}


def _recorded(entry: Entry | None) -> Facts:
    """Return what a row knows; None where it knows nothing."""
    if entry is None:
        return dict.fromkeys(("applied_at", "duration", "host", "statement_no", "error"))
    started, finished = _moment(entry.started_at), _moment(entry.finished_at)
    ran = entry.state is not State.ADOPTED and started and finished
    return {
        "applied_at": _written(finished) or entry.finished_at or None if entry.state.is_applied else None,
        "duration": max(0.0, (finished - started).total_seconds()) if ran and started and finished else None,
        "host": entry.host or None,
        "statement_no": None if entry.state.is_applied else entry.statement_no,
        "error": entry.error or None,
    }


def _work(migration: Migration, ledger: Ledger[Any]) -> Facts:
    """Return how many statements a file has, and how they are sent."""
    steps = ledger.steps(migration.up)
    return {
        "statements": sum(len(step.statements) for step in steps),
        "how": ", ".join(dict.fromkeys(step.how for step in steps)),
    }


def _note(state: Stand, migration: Migration, entry: Entry | None, standing: Standing) -> str:
    """Return what a person should know of it, in one sentence or none."""
    if state is Stand.OUT_OF_ORDER:
        return f"older than the applied `{standing.applied[-1][0].name}`"
    if migration.obstacle and state is Stand.PENDING:
        return migration.obstacle
    if entry is None:
        return ""
    if state in (Stand.RUNNING, Stand.FAILED):
        said = f": {entry.error}" if entry.error else ""
        return f"begun by {entry.host or 'somebody'}, {entry.statement_no} statements are known to have succeeded{said}"
    if migration in standing.reworded:
        return "edited since, in comments or layout only"
    return {Stand.DRIFTED: "edited since", Stand.RENAMED: f"applied as `{entry.name}`"}.get(state, entry.error)


def _moment(text: str) -> datetime | None:
    """Read a time as servers write it, UTC where it names no zone; None when it has another form."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _written(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else ""
