from __future__ import annotations

import io
import logging
import re
import sys

import pytest

from reports.samples import HOSTILE, SAMPLES, outcome, refused
from startupctl import logs
from startupctl.errors import PlanError
from startupctl.outcome import Attempt, Event, EventKind, Status


@pytest.fixture
def log(tmp_path):
    """Begin a log in a file; return the listener and a function that ends it and gives its lines."""
    opened = []

    def begin(level=logging.DEBUG, redact=str):
        opened.append(logs.configure(level, redact, stderr=False, file=tmp_path / "run.log"))
        return opened[-1]

    def lines():
        for listener in opened:
            listener.close()
        return (tmp_path / "run.log").read_text(encoding="utf-8").splitlines()

    begin.lines = lines
    yield begin
    lines()


def tell(listener):
    """Tell of a run with two looks that fail alike, progress and both kinds of end."""
    hear = lambda kind, component="", **rest: listener(Event(kind, 0.0, component, **rest))  # noqa: E731
    hear(EventKind.STARTED)
    for number in (1, 2):
        hear(EventKind.ATTEMPT, "database")
        attempt = Attempt(number, 0.0, 0.0123, diagnosis=refused("db:5432"))
        hear(EventKind.LOOKED, "database", attempt=attempt, wait=0.025)
    hear(EventKind.PROGRESS, "database", text="migrating", done=1, total=2)
    hear(EventKind.SETTLED, "database", outcome=outcome("database", attempts=3))
    hear(EventKind.SETTLED, "cache", outcome=outcome("cache", Status.FAILED, diagnosis=refused("cache:6379")))
    hear(EventKind.FINISHED, report=SAMPLES["failed"])


def test_at_debug_every_attempt_has_its_signal_and_timing(log):
    tell(log())
    attempts = [line for line in log.lines() if " DEBUG " in line]
    assert len(attempts) == 2
    assert attempts[0].endswith("database: attempt 1 took 0.012s: NET001, errno 111, connect, next look in 0.025s")


def test_at_info_there_is_what_changed(log):
    tell(log(logging.INFO))
    said = [line.partition("Z ")[2] for line in log.lines()]
    assert said == [
        "INFO database: retrying, nothing listens on db:5432 (errno 111) [NET001]",
        "INFO database: migrating (1/2)",
        "INFO database: success after 3 attempts in 0.01s",
        "WARNING cache: failed after 1 attempt in 0.01s, nothing listens on cache:6379 (errno 111) [NET001]",
        "INFO FAILED: 2 of 6 components ready, 1 degraded, 1 failed, 2 skipped in 30.1s, exit 78",
    ]


def test_at_warning_there_is_what_is_not_usable(log):
    tell(log(logging.WARNING))
    assert [" WARNING cache: failed" in line for line in log.lines()] == [True]


def test_lines_begin_with_the_moment_in_utc(log):
    log()
    logs.logger.info("x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO x", log.lines()[0])


def test_messages_and_tracebacks_are_redacted_and_escaped(log):
    log(redact=lambda text: text.replace("hunter22", "***"))
    try:
        raise ValueError("hunter22 " + HOSTILE)  # noqa: TRY301  (the traceback is what is tested)
    except ValueError:
        logs.logger.exception("password hunter22 %s", HOSTILE)
    lines = log.lines()
    assert all(line.isprintable() for line in lines)
    assert lines[1] == "  Traceback (most recent call last):"
    assert "hunter22" not in "".join(lines)
    assert len([line for line in lines if "Z ERROR " in line]) == 1


def test_the_root_logger_stays_as_it_was(log):
    before = (list(logging.root.handlers), logging.root.level)
    tell(log())
    assert (list(logging.root.handlers), logging.root.level) == before


def test_close_takes_the_handlers_away(log):
    listener = log()
    assert len(logs.logger.handlers) == 1
    listener.close()
    listener.close()
    assert logs.logger.handlers == []
    assert logs.logger.propagate


def test_lines_go_to_what_stderr_is_at_that_moment(monkeypatch):
    listener = logs.configure(logging.INFO, str)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    logs.logger.info("here")
    listener.close()
    assert sys.stderr.getvalue().endswith("Z INFO here\n")


def test_a_log_file_is_continued(log, tmp_path):
    (tmp_path / "run.log").write_text("before\n")
    log()
    logs.logger.info("after")
    assert len(log.lines()) == 2


def test_a_log_file_that_cannot_be_opened_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        logs.configure(logging.INFO, str, file=tmp_path / "none" / "run.log")
    assert logs.logger.handlers == []


@pytest.mark.parametrize(
    ("flag", "variable", "verbose", "level"),
    [
        (None, None, False, logging.INFO),
        (None, "warn", False, logging.WARNING),
        ("error", "debug", False, logging.ERROR),
        ("error", None, True, logging.DEBUG),
    ],
)
def test_flags_win_over_the_environment(flag, variable, verbose, level, monkeypatch):
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    if variable:
        monkeypatch.setenv("LOG_LEVEL", variable)
    listener = logs.open_log(flag, None, verbose=verbose)
    assert logs.logger.level == level
    listener.close()


def test_an_unknown_level_is_told_and_taken_for_info(tmp_path):
    logs.open_log("loud", str(tmp_path / "run.log")).close()
    assert logs.logger.level == logging.INFO
    assert "WARNING the log level `loud` is unknown" in (tmp_path / "run.log").read_text()


def test_a_log_file_that_cannot_be_opened_is_a_problem_of_its_flag(tmp_path):
    with pytest.raises(PlanError, match=r"--log-file: `.*run.log` cannot be written: No such file"):
        logs.open_log(None, str(tmp_path / "none" / "run.log"))


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("info", logging.INFO),
        (" Warn ", logging.WARNING),
        ("notice", logging.INFO),
        ("trace", logging.DEBUG),
        ("FATAL", logging.CRITICAL),
        ("off", logging.CRITICAL + 1),
        ("loud", None),
        ("", None),
    ],
)
def test_names_of_other_ecosystems_are_known(name, level):
    assert logs.parse_level(name) == level
