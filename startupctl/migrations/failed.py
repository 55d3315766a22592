"""A failed statement as a diagnosis: where in which file, what it was, what ran before it, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.diagnosis import Diagnosis
from startupctl.migrations.codes import FAILED, HALF_APPLIED
from startupctl.migrations.formats import find_format
from startupctl.redact import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Facts
    from startupctl.databases.session import StatementFailed
    from startupctl.migrations.ledger import Entry
    from startupctl.migrations.lexer import Statement
    from startupctl.migrations.script import Migration, Script

NOTHING_KEPT = "Nothing of this file was kept."
GOES_ON = "The {done} statements before this step are kept, and recorded; the next run goes on behind them."
SHOWN = 120  # characters of a statement
NOT_IN_TRANSACTION = "25001"


def failure_diagnosis(
    script: Script, error: StatementFailed, statements: Sequence[Statement], before: Sequence[str], form: str
) -> Diagnosis:
    """Return MIG002; its class is that of the error. `before` are the names applied in this run, `form` the format."""
    position = _position(error, statements)
    inside = [statement for statement in statements if position is not None and statement.start < position]
    facts: Facts = {
        "file": str(script.path),
        "place": place(script, position),
        "number": len(inside) or "which one is unknown",
        "statements": len(statements),
        "before": ", ".join(before) or "nothing",
        "state": _state(script, error),
    }
    said = f"{masked(error.said)} ({error.code})" if error.code else masked(error.said)
    said += f"; in statement {len(inside)} of {len(statements)}: {first_line(inside[-1].text)}" if inside else ""
    return Diagnosis(
        FAILED, facts, said=said, signal=error.code, failure_class=error.failure, advice=_advice(script, error, form)
    )


def half_applied(
    migration: Migration, entry: Entry, ways_out: tuple[str, str], total: int, doubt: str = ""
) -> Diagnosis:
    """Return MIG003 for a row that was left behind; `doubt` says why it cannot go on by itself."""
    known = f"{entry.statement_no} of its {total} statements are known to have succeeded"
    facts = {
        "file": str(migration.path),
        "host": entry.host or "somebody",
        "since": entry.started_at,
        "known": f"{known}; {doubt}" if doubt else known,
        "undo": ways_out[0],
        "accept": ways_out[1],
    }
    return Diagnosis(HALF_APPLIED, facts, said=masked(entry.error))


def place(script: Script, position: int | None) -> str:
    """Return `file:line:column` for a position in the sent text, which has the line numbers of the file."""
    if position is None:
        return str(script.path)
    head = script.text[: position - 1]
    return f"{script.path}:{head.count(chr(10)) + 1}:{len(head) - head.rfind(chr(10))}"


def first_line(sql: str) -> str:
    """Return the first line of a statement, masked and cut."""
    line = masked(sql).partition("\n")[0].strip()
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."


def _position(error: StatementFailed, statements: Sequence[Statement]) -> int | None:
    """Return where it failed, in characters from 1: what the server says, else the beginning of the statement."""
    if error.position is not None:
        return error.position
    if error.done is not None and error.done < len(statements):
        return statements[error.done].start + 1
    return None


def _state(script: Script, error: StatementFailed) -> str:
    if error.lost:
        return "The connection is gone; the next run looks what became of it."
    if error.kept:
        return error.kept
    if script.transaction:
        return "Nothing of this file was kept, unless it has a COMMIT of its own."
    return "What the file did before is kept."


def _advice(script: Script, error: StatementFailed, form: str) -> str:
    if error.code != NOT_IN_TRANSACTION:
        return ""
    marking = find_format(form).OUTSIDE
    if not marking or not script.transaction:
        return "put this statement into a file of its own: sent with others it runs in a transaction with them"
    return f"{marking.format(file=script.path)}: this statement cannot run in a transaction"
