"""The report as lines of text, and the run as it happens for what is no terminal: no control codes, ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from startupctl.outcome import EventKind, Status
from startupctl.reports.board import Board
from startupctl.reports.text import encodable, shown, span, tamed, times
from startupctl.reports.words import HEADINGS, closing, error_words, row, settled_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from startupctl.model import Component
    from startupctl.outcome import Event, Report
    from startupctl.reports.board import Row

HEARTBEAT = 10.0  # seconds
PROGRESS_EVERY = 1.0  # seconds between two lines about the progress of one component
NAMED = 5  # components in one heartbeat; the rest is counted


def render(report: Report) -> str:
    """Return the final block; text from outside has its control characters escaped."""
    rows = [HEADINGS, *(row(outcome) for outcome in report.outcomes.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, cells, [*widths[:-1], 0])).rstrip() for cells in rows]
    lines += ["", *("  " * line.depth + line.text for line in closing(report))]
    return tamed("\n".join(lines)) + "\n"


class Lines:
    """Writes one line per state change, and every 10 s who is still waited for.

    Call `heartbeat` about once a second. A stream that cannot be written to any more is left alone:
    the run goes on.
    """

    def __init__(self, stream: TextIO, components: Iterable[Component] = ()) -> None:
        """Write to `stream`; with the components, waiting ones can name whom they wait for."""
        self._stream, self._board = stream, Board(components)
        self._started = self._beaten = time.monotonic()
        self._progressed: dict[str, float] = {}
        self._broken = False

    def __call__(self, event: Event) -> None:
        """Write what changed, if it is worth a line."""
        if event.kind is EventKind.STARTED:
            self._started = self._beaten = time.monotonic() - event.at
        changed = self._board.hear(event)
        words = self._words(event, changed) if changed else ""
        if changed and words:
            self._write(event.at, f"{shown(changed.name)}: {words}")

    def heartbeat(self) -> None:
        """Write who is waited for, how long already and why, if 10 s have passed."""
        now = time.monotonic()
        active = list(self._board.active())
        if now - self._beaten >= HEARTBEAT and active:
            self._beaten = now
            at = now - self._started
            self._write(at, "still waiting: " + "; ".join(self._waited_for(active, at)))

    def close(self) -> None:
        """Write nothing more."""
        self._broken = True

    def _words(self, event: Event, changed: Row) -> str:
        if event.kind is EventKind.WAITING:
            missing = ", ".join(map(shown, self._board.missing(changed)))
            return f"waiting for {missing}" if missing else ""
        if event.kind is EventKind.LOOKED:
            again = changed.error if changed.fresh and event.wait is not None else None
            return f"retrying, {error_words(again)}" if again else ""
        if event.kind is EventKind.PROGRESS:
            return self._progress(event, changed)
        return settled_words(event.outcome) if event.outcome else ""

    def _progress(self, event: Event, changed: Row) -> str:
        last = self._progressed.get(changed.name)
        if last is not None and event.at - last < PROGRESS_EVERY:
            return ""
        self._progressed[changed.name] = event.at
        return changed.work

    def _waited_for(self, active: list[Row], at: float) -> Iterator[str]:
        for one in active[:NAMED]:
            reason = f", {one.doing}" if one.doing else ""
            yield f"{shown(one.name)} {span(at - one.since)}, {times(one.attempts, 'attempt')}{reason}"
        if len(active) > NAMED:
            yield f"{len(active) - NAMED} more"
        if blocked := self._board.count(Status.WAITING):
            yield f"{times(blocked, 'component')} behind them"

    def _write(self, at: float, text: str) -> None:
        if self._broken:
            return
        try:
            self._stream.write(encodable(tamed(f"{at:8.2f}s {text}"), self._stream) + "\n")
            self._stream.flush()
        except OSError:
            self._broken = True
