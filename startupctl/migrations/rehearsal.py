"""What a run would do, as facts: the statements of every pending file, and how each is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from startupctl.migrations.failed import first_line

if TYPE_CHECKING:
    from startupctl.check import Facts
    from startupctl.migrations.ledger import Ledger
    from startupctl.migrations.script import Migration
    from startupctl.migrations.standing import Standing

SHOWN = 50  # statements of one file
SHOWN_IN_ALL = 2000


def rehearsal(standing: Standing, ledger: Ledger[Any]) -> Facts:
    """Return `would_apply` (names), `would_run` (name to statements) and `would_adopt` (names, if any); cuts the files."""
    facts: Facts = {"would_apply": [migration.name for migration in standing.pending], "would_run": {}}
    left = SHOWN_IN_ALL
    for migration in standing.pending:
        shown = _statements(migration, ledger, min(left, SHOWN))
        facts["would_run"][migration.name] = shown
        left -= len(shown)
    if standing.adoption and standing.adoption.entries:
        facts["would_adopt"] = [entry.name for entry in standing.adoption.entries]
    return facts


def _statements(migration: Migration, ledger: Ledger[Any], most: int) -> list[Facts]:
    """Return line, first line and manner of every statement; behind `most` of them only how many more there are."""
    steps = ledger.steps(migration.up)
    parts = [(statement, step.how) for step in steps for statement in step.statements]
    found: list[Facts] = []
    line, seen = 1, 0
    for statement, how in parts[:most]:
        line += migration.up.text.count("\n", seen, statement.start)
        seen = statement.start
        found.append({"line": line, "statement": first_line(statement.text), "how": str(how)})
    return [*found, {"more": len(parts) - most}] if len(parts) > most else found
