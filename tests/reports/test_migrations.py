"""What `migrate` commands show: lines that fit, harmless text, one line for each migration."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from startupctl.fields import Priority
from startupctl.outcome import Outcome, Report, Status, Verdict, Warned
from startupctl.reports.migrations import CHANGES, FINDINGS, LOCK, STATUS

LONG = "20260131120000_a_name_that_says_at_length_what_it_does.sql"


def row(name=LONG, state="applied", **more):
    known = {"version": "1", "applied_at": "2026-01-31T12:00:00.000Z", "duration": 1.5, "note": ""}
    return {"name": name, "state": state, **known, **more}


def report(**facts):
    outcome = Outcome(
        name="store",
        kind="postgres",
        target="postgresql://127.0.0.1/store",
        priority=Priority.HIGH,
        effective_priority=Priority.HIGH,
        status=Status.SUCCESS,
        usable=True,
        facts=facts,
        warnings=(Warned("MIG004", "2 applied migrations have no file"),),
    )
    return Report(
        manifest="startup.yaml",
        name="shop",
        profile=None,
        command="migrate status",
        started_at=datetime(2026, 1, 31, tzinfo=UTC),
        duration=0.1,
        verdict=Verdict.READY,
        exit_code=0,
        critical_path=("store",),
        outcomes={"store": outcome},
    )


STANDING = report(
    format="plain",
    format_from="the files",
    directory="db",
    table="startupctl_migrations",
    adopted_from="goose (public.goose_db_version)",
    lock={"holder": "web-1:7", "since": "2026-01-31"},
    migrations=[
        row(),
        row("é_\x1b[31m.sql", "out_of_order", applied_at=None, duration=None, note="older than the applied `x`"),
    ],
    counts={"pending": 0, "applied": 1, "out_of_order": 1},
)
CHANGED = report(
    migrations={"applied": [LONG], "reverted": ["2.sql"], "adopted": 3},
    changes=[{"version": "1", "name": "1.sql", "before": "done", "after": "no row"}],
    lock="file",
)
FOUND = report(
    findings=[{"state": "drifted", "name": LONG, "what": "edited", "repairs": ["one", "two"]}], lock="web-1:7"
)
HELD = report(holder="web-1:7", since="2026", silent=65.0, ending="kill 7", removable=False, removed=False)
ALL = [(STATUS, STANDING), (CHANGES, CHANGED), (FINDINGS, FOUND), (LOCK, HELD)]


@pytest.mark.parametrize(("renderers", "shown"), ALL, ids=["status", "changes", "findings", "lock"])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(renderers, shown, width):
    for ascii_only in (False, True):
        text = renderers["table"](shown, width=width, color=False, ascii_only=ascii_only)
        assert all(cell_len(line) <= width for line in text.splitlines())
        assert "\x1b" not in text
        assert text.isascii() or not ascii_only


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_state_and_name_stay_when_it_is_narrow(width):
    lines = STATUS["table"](STANDING, width=width, color=False, ascii_only=False).splitlines()
    assert lines[0].startswith("STATE")
    assert (lines[1].split()[0], "20260131120000" in lines[1]) == ("applied", True)
    assert lines[2].startswith("out of order")


def test_colours_only_repeat_what_words_say():
    plain = STATUS["table"](STANDING, width=200, color=False, ascii_only=False)
    coloured = STATUS["table"](STANDING, width=200, color=True, ascii_only=False)
    assert "\x1b[32mapplied" in coloured
    for code in ("\x1b[32m", "\x1b[1;31m", "\x1b[1m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


def test_what_was_looked_at_and_what_counts_stands_below_the_table():
    below = STATUS["plain"](STANDING).split("\n\n")[1].splitlines()
    assert below == [
        "store at postgresql://127.0.0.1/store: 1 applied, 1 out of order",
        "format plain, decided by the files in db, recorded in table startupctl_migrations",
        "what goose (public.goose_db_version) applied counts; the next run records it",
        "the migration lock is held by web-1:7 since 2026-01-31",
        "warning: 2 applied migrations have no file [MIG004]",
    ]


def test_what_was_changed_is_one_line_each():
    assert CHANGES["plain"](CHANGED).splitlines()[:3] == [f"applied {LONG}", "reverted 2.sql", "1.sql: done -> no row"]


def test_how_a_lock_ends_is_told():
    assert LOCK["plain"](HELD).splitlines() == [
        "store: the migration lock is held by web-1:7 since 2026, its last sign of life was 1m05s ago",
        "  it is free when that process ends; to end it: kill 7",
    ]
