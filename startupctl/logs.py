"""Log lines of the command line: handlers on the logger `startupctl`, never on the root logger."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from startupctl.errors import PlanError, Problem
from startupctl.outcome import EventKind, Status
from startupctl.reports.board import Board
from startupctl.reports.text import instant, shown, shown_indented, tamed
from startupctl.reports.words import error_words, settled_words, verdict_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from startupctl.outcome import Attempt, Event
    from startupctl.reports.board import Row

logger = logging.getLogger("startupctl")

# the names of syslog, Node, Java, Go and Rust programs that share an environment with this one
_LEVELS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "VERBOSE": logging.DEBUG,
    "INFO": logging.INFO,
    "INFORMATION": logging.INFO,
    "NOTICE": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERR": logging.ERROR,
    "ERROR": logging.ERROR,
    "CRIT": logging.CRITICAL,
    "CRITICAL": logging.CRITICAL,
    "FATAL": logging.CRITICAL,
    "ALERT": logging.CRITICAL,
    "EMERG": logging.CRITICAL,
    "PANIC": logging.CRITICAL,
    "OFF": logging.CRITICAL + 1,
    "NONE": logging.CRITICAL + 1,
    "SILENT": logging.CRITICAL + 1,
}


def parse_level(name: str) -> int | None:
    """Return the level of a name, in any case and of any ecosystem; None for one that nobody uses."""
    return _LEVELS.get(name.strip().upper())


def open_log(level: str | None, file: str | None, *, verbose: bool = False) -> LogLines:
    """Begin the log that the flags and `LOG_LEVEL` ask for, in `file` or else on stderr; return its listener.

    An unknown name of a level is told and taken for INFO. Raises PlanError when the file cannot be opened.
    """
    name = "DEBUG" if verbose else level or os.environ.get("LOG_LEVEL") or "INFO"
    number = parse_level(name)
    try:
        listener = configure(logging.INFO if number is None else number, stderr=not file, file=file)
    except OSError as error:
        raise PlanError([Problem(f"`{file}` cannot be written: {error.strerror}", "--log-file")]) from error
    if number is None:
        logger.warning("the log level `%s` is unknown, INFO is used", name)
    return listener


def configure(
    level: int, redact: Callable[[str], str] = str, *, stderr: bool = True, file: Path | str | None = None
) -> LogLines:
    """Send log lines of at least `level` to stderr, to the end of `file`, or both; return the listener to give the run.

    The texts of events are redacted already; `redact` is for lines of others on this logger. Raises OSError when
    the file cannot be opened.
    """
    handlers: list[logging.Handler] = []
    if file:
        handlers.append(logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"))
    if stderr:
        handlers.append(_Stderr())
    for handler in handlers:
        handler.setFormatter(_Format(redact))
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False  # handlers of the root logger, which a user's function may set up, redact nothing
    return LogLines(handlers)


class LogLines:
    """Logs a run: every attempt at DEBUG, what changed at INFO, what is not usable at WARNING."""

    def __init__(self, handlers: list[logging.Handler] | None = None) -> None:
        """Own the handlers until `close`."""
        self._handlers, self._board = handlers or [], Board()

    def __call__(self, event: Event) -> None:
        """Log the event, if it is worth a line."""
        row = self._board.hear(event)
        if event.report:
            logger.info("%s", verdict_words(event.report))
        elif row and event.attempt:
            _log_attempt(row, event.attempt, event.wait)
        elif row and event.kind is EventKind.PROGRESS:
            logger.info("%s: %s", row.name, row.work)
        elif row and event.outcome:
            bad = event.outcome.status in (Status.FAILED, Status.DEGRADED)
            logger.log(logging.WARNING if bad else logging.INFO, "%s: %s", row.name, settled_words(event.outcome))

    def close(self) -> None:
        """Take the handlers away and close their files."""
        for handler in self._handlers:
            logger.removeHandler(handler)
            handler.close()
        if self._handlers:
            logger.propagate = True
        self._handlers = []


def _log_attempt(row: Row, attempt: Attempt, wait: float | None) -> None:
    then = "" if wait is None else f", next look in {wait:.3f}s"
    found = attempt.diagnosis
    what = ", ".join(filter(None, (found.code.code, found.signal, found.phase))) if found else "passed"
    logger.debug("%s: attempt %d took %.3fs: %s%s", row.name, attempt.number, attempt.duration, what, then)
    if row.fresh and row.error and wait is not None:
        logger.info("%s: retrying, %s", row.name, error_words(row.error))


class _Format(logging.Formatter):
    """Writes `2026-03-01T12:00:00.123Z INFO message`, on one line save for the traceback of a bug."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        when = instant(datetime.fromtimestamp(record.created, UTC))
        head = f"{when} {record.levelname} {shown(self._redact(record.getMessage()))}"
        trace = self._redact(self.formatException(record.exc_info)) if record.exc_info else ""
        return tamed("\n".join([head, *(f"  {shown_indented(line)}" for line in trace.splitlines())]))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at that moment: the live table puts itself in between while it is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)
