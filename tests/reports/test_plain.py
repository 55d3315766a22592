from __future__ import annotations

import io
import os
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.samples import FUNCTION_FAILED, HOSTILE, MUTE, SAMPLES, outcome, refused, report
from startupctl.diagnosis import Diagnosis
from startupctl.model import Component
from startupctl.outcome import Attempt, Event, EventKind, Status, Warned
from startupctl.reports import plain

NEEDY = [Component("database", "postgres"), Component("api", "http", depends_on={"database": True})]
ANY_TEXT = st.text(st.characters())


def harmless(text):
    return all(char == "\n" or char.isprintable() for char in text)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_block_is_the_golden_one(name, golden):
    text = plain.render(SAMPLES[name])
    golden(f"{name}.txt", text)
    assert harmless(text)


def test_every_failure_tells_error_attempts_time_hint_runbook_and_where_to_read_more():
    text = plain.render(SAMPLES["failed"])
    for part in (
        'password authentication failed for user "app" [PG002]',
        "7 attempts in 30.0s",
        "hint: check the password of `app`",
        "runbook: https://wiki.example.com/runbooks/postgres-login",
        "startupctl explain PG002",
        "skipped because of it: migrate, api",
    ):
        assert part in text


def test_root_causes_come_once_and_the_blocking_ones_first():
    below = plain.render(SAMPLES["failed"]).partition("\n\n")[2]
    assert below.index("failed: postgres") < below.index("degraded: clickhouse")
    assert below.count("PG002]") == 1


def test_names_skipped_for_something_without_an_error_are_told_too():
    skipped = outcome("api", Status.SKIPPED, skipped_because="database", attempts=0)
    text = plain.render(report(outcome("database", Status.CANCELLED, attempts=0), skipped))
    assert "skipped because of database: api" in text


def test_an_ended_run_names_the_signal():
    assert "ended by SIGTERM" in plain.render(SAMPLES["interrupted"])


@given(ANY_TEXT, ANY_TEXT)
def test_text_from_outside_never_breaks_out_of_its_line(said, other):
    diagnosis = Diagnosis(FUNCTION_FAILED, {"kind": other}, said=said, advice=other)
    bad = outcome(other, Status.FAILED, target=said, runbook=said, diagnosis=diagnosis)
    fine = outcome(said + "2", facts={other: said}, warnings=(Warned("RES006", said),), impaired_by=(said,))
    quiet = plain.render(report(outcome("x", Status.FAILED, diagnosis=diagnosis), fine))
    text = plain.render(report(bad, fine, bug=""))
    assert harmless(text)
    assert harmless(quiet)


def test_on_a_runner_of_github_no_line_is_a_command(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    diagnosis = Diagnosis(FUNCTION_FAILED, {"kind": "::error::"}, said="##[error]x")
    text = plain.render(report(outcome("::warning::", Status.FAILED, diagnosis=diagnosis), bug="::error::x\n"))
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::") or "##[" in line]


# -- the run as it happens -------------------------------------------------------------------------


class Told:
    """Lines on a stream in memory, and what stands there."""

    def __init__(self, components=NEEDY):
        self.stream = io.StringIO()
        self.lines = plain.Lines(self.stream, components)

    def hear(self, kind, component="", at=0.0, **more):
        self.lines(Event(kind, at, component, **more))

    def failed_look(self, number, diagnosis, wait=0.025):
        self.hear(EventKind.ATTEMPT, "database")
        self.hear(EventKind.LOOKED, "database", attempt=Attempt(number, 0, 0, diagnosis=diagnosis), wait=wait)

    @property
    def said(self):
        return [line.partition("s ")[2] for line in self.stream.getvalue().splitlines()]


def test_each_change_is_one_line_with_component_and_error():
    told = Told()
    told.hear(EventKind.STARTED)
    told.hear(EventKind.WAITING, "api")
    told.failed_look(1, refused("db:5432"))
    told.hear(EventKind.PROGRESS, "database", text="migrating 0001_init", done=1, total=3)
    told.hear(EventKind.SETTLED, "database", outcome=outcome("database", attempts=2, duration=0.5))
    told.hear(EventKind.SETTLED, "api", outcome=SAMPLES["failed"].outcomes["api"])
    told.hear(EventKind.FINISHED, report=SAMPLES["failed"])
    assert told.said == [
        "api: waiting for database",
        "database: retrying, nothing listens on db:5432 (errno 111) [NET001]",
        "database: migrating 0001_init (1/3)",
        "database: success after 2 attempts in 0.50s",
        "api: skipped, needs migrate",
    ]


def test_a_thousand_polls_that_fail_alike_are_one_line():
    told = Told()
    mute = Diagnosis(MUTE, {"endpoint": "db:5432", "phase": "greet"})
    for number in range(1, 1000):
        told.failed_look(number, refused("db:5432") if number % 2 else mute)
    assert len(told.said) == 2


def test_the_last_look_is_told_by_the_end_alone():
    told = Told()
    told.failed_look(1, refused("db:5432"), wait=None)
    assert told.said == []


def test_progress_is_told_once_a_second():
    told = Told()
    for step in range(100):
        told.hear(EventKind.PROGRESS, "database", at=step / 20, text="migrating", done=step, total=100)
    assert len(told.said) == 5


def test_the_heartbeat_says_who_how_long_and_why():
    told = Told()
    told.hear(EventKind.STARTED, at=11.0)  # as if the run had begun 11 s ago
    told.hear(EventKind.WAITING, "api", at=0.0)
    told.failed_look(1, refused("db:5432"))
    told.lines.heartbeat()
    told.lines.heartbeat()
    beats = [line for line in told.said if line.startswith("still waiting: ")]
    assert beats == [
        "still waiting: database 11.0s, 1 attempt, nothing listens on db:5432 (errno 111) [NET001]; 1 component behind them"
    ]


def test_the_heartbeat_names_a_few_and_counts_the_rest():
    told = Told(())
    told.hear(EventKind.STARTED, at=10.0)
    for number in range(12):
        told.hear(EventKind.ATTEMPT, f"c{number}")
    told.lines.heartbeat()
    assert told.said[-1].endswith("c4 10.0s, 1 attempt; 7 more")


@pytest.mark.parametrize("at", [0.0, 20.0])
def test_no_heartbeat_too_early_or_when_nothing_is_waited_for(at):
    told = Told()
    told.hear(EventKind.STARTED, at=at)
    if not at:
        told.hear(EventKind.ATTEMPT, "database")
    told.lines.heartbeat()
    assert told.said == []


def test_lines_hold_no_control_codes_and_fit_the_encoding():
    raw = io.BytesIO()
    lines = plain.Lines(io.TextIOWrapper(raw, encoding="ascii"))
    lines(Event(EventKind.PROGRESS, 0, "evil\n", text=HOSTILE))
    lines(Event(EventKind.SETTLED, 0, "evil\n", outcome=SAMPLES["foreign"].outcomes["evil"]))
    text = raw.getvalue().decode("ascii")
    assert len(text.splitlines()) == 2
    assert harmless(text)


def test_a_reader_that_went_away_does_not_end_the_run():
    read_end, write_end = os.pipe()
    os.close(read_end)
    with io.TextIOWrapper(io.FileIO(write_end, "w"), encoding="utf-8", write_through=True) as stream:
        lines = plain.Lines(stream)
        for name in "abc":
            lines(Event(EventKind.SETTLED, 0, name, outcome=outcome(name)))
        assert lines._broken


def test_after_close_nothing_is_written():
    told = Told()
    told.lines.close()
    told.failed_look(1, refused("db:5432"))
    assert told.said == []


def test_an_event_that_names_no_component_writes_nothing():
    told = Told()
    told.lines(Event(EventKind.FINISHED, 1.0, report=SimpleNamespace()))
    assert told.said == []
