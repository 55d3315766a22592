"""The run as it happens, on a terminal: one row per component, drawn by a thread of its own, gone at the end."""

from __future__ import annotations

import heapq
import sys
import threading
import time
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.live import Live as Drawing
from rich.segment import ControlType
from rich.text import Text

from startupctl.outcome import EventKind, Status
from startupctl.reports.board import Board
from startupctl.reports.table import STYLES, fitted
from startupctl.reports.text import SYMBOLS, ascii_form, shown, span
from startupctl.reports.words import detail

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from startupctl.model import Component
    from startupctl.outcome import Event
    from startupctl.reports.board import Row

FIRST_FRAME = 0.2  # seconds: a run that is over sooner shows only its result
FRAME = 0.125  # seconds between two frames
SHARE = 0.02  # of a core, at most, for drawing: with thousands of rows there are fewer frames
NARROW = 60  # cells; below, the error has a line of its own
MATTERS = (
    Status.FAILED,
    Status.RETRYING,
    Status.RUNNING,
    Status.DEGRADED,
    Status.CANCELLED,
    Status.WAITING,
    Status.PENDING,
    Status.SKIPPED,
    Status.SUCCESS,
)
_RANKS = {status: rank for rank, status in enumerate(MATTERS)}
_COUNTED = tuple(reversed(MATTERS))


class Live:
    """Draws the rows at most eight times a second, and only when something changed.

    Call `close` in a `finally`: it clears the drawing and shows the cursor again. Calling it twice is fine.
    """

    def __init__(
        self, stream: TextIO, components: Iterable[Component] = (), *, color: bool = True, ascii_only: bool = False
    ) -> None:
        """Draw on `stream`, which must be a terminal; with the components, rows know their timeout and needs."""
        self._board, self._ascii = Board(components), ascii_only
        self._frame: list[Text] = []
        self._console = Console(
            file=stream, color_system="standard" if color else None, force_terminal=True, legacy_windows=False
        )
        self._drawing = Drawing(
            console=self._console,
            auto_refresh=False,
            transient=True,
            get_renderable=lambda: Text("\n").join(self._frame),
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
        )
        self._width = self._console.width
        self._started = time.monotonic()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        """Take note of what happened; the next frame shows it."""
        if event.kind is EventKind.STARTED:
            self._started = time.monotonic() - event.at
        self._board.hear(event)
        if self._thread is None and not self._over.is_set():
            self._thread = threading.Thread(target=self._draw, name="startupctl-live", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Clear the drawing and show the cursor; also after a signal, a broken terminal or an earlier `close`."""
        self._over.set()
        if self._thread is None:
            return
        self._thread.join()
        self._frame = []
        try:
            self._drawing.stop()
        except OSError:
            return  # the terminal is gone
        self._thread = None

    def _draw(self) -> None:
        try:
            if self._over.wait(FIRST_FRAME):
                return
            self._drawing.start()
            pause = 0.0
            while not self._over.wait(pause):
                began = time.thread_time()
                self._redraw()
                pause = max(FRAME, (time.thread_time() - began) / SHARE)
        except OSError:
            self._over.set()  # the terminal is gone; the run goes on

    def _redraw(self) -> None:
        width, height = self._console.size
        frame = self._lines(width, max(1, height - 1))
        if frame == self._frame and width == self._width:
            return
        if width < self._width:
            self._climb(width)
        self._frame, self._width = frame, width
        self._drawing.refresh()

    def _climb(self, width: int) -> None:
        """Go up over the lines that the terminal wrapped when it was made narrower, or they would stay behind."""
        wrapped = sum((line.cell_len - 1) // width for line in self._frame if line.cell_len)
        self._console.control(Control(*[(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * wrapped))

    def _lines(self, width: int, height: int) -> list[Text]:
        """Return the lines of a frame: the rows that matter most, in the order of the plan, and a summary."""
        now = time.monotonic() - self._started
        rows = list(self._board.rows.values())
        ranked = heapq.nsmallest(height, rows, key=lambda row: _RANKS[row.status])
        name_width = min(max((cell_len(shown(row.name)) for row in ranked), default=0), width // 3)
        blocks: dict[str, list[Text]] = {}
        room = height - 1
        for row in ranked:
            block = self._row(row, now, name_width, width)
            room -= len(block)
            if room < 0:
                break
            blocks[row.name] = block
        lines = [line for row in rows for line in blocks.get(row.name, ())]
        return [*lines, self._summary(rows, set(blocks), now, width)]

    def _row(self, row: Row, now: float, name_width: int, width: int) -> list[Text]:
        symbol = SYMBOLS[row.status][self._ascii]
        head = self._text((f"{symbol} {row.status.lower():<9} ", STYLES[row.status]))
        name = self._fitted(self._text((shown(row.name), "")), name_width)
        head.append_text(name).append(" " * (name_width - name.cell_len))
        head.append(f" {_elapsed(row, now, short=width < NARROW):>9}")
        words = self._words(row)
        if width < NARROW:
            told = words and row.status is not Status.SUCCESS
            below = [self._fitted(self._text((f"  {words}", "")), width)] if told else []
            return [self._fitted(head, width), *below]
        head.append(f" {f'#{row.attempts}' if row.attempts else '':>5}  ")
        return [self._fitted(head.append_text(self._text((words, ""))), width)]

    def _words(self, row: Row) -> str:
        if row.outcome:
            return detail(row.outcome)
        if row.status is Status.WAITING:
            return "for " + ", ".join(map(shown, self._board.missing(row)))
        return row.doing

    def _summary(self, rows: list[Row], visible: set[str], now: float, width: int) -> Text:
        settled = sum(row.status.settled for row in rows)
        text = f"{settled} of {len(rows)} settled in {now:.0f}s"
        hidden = [row.status for row in rows if row.name not in visible]
        counts = [f"{hidden.count(status)} {status.lower()}" for status in _COUNTED if status in hidden]
        text += f"; not shown: {', '.join(counts)}" if counts else ""
        return self._fitted(self._text((text, "bold")), width)

    def _text(self, *parts: tuple[str, str]) -> Text:
        return Text.assemble(*((ascii_form(text) if self._ascii else text, style) for text, style in parts))

    def _fitted(self, text: Text, width: int) -> Text:
        return fitted(text, width, ascii_only=self._ascii)


def _elapsed(row: Row, now: float, *, short: bool) -> str:
    """Return whole seconds while it runs, so that a frame changes once a second when nothing happens."""
    if row.outcome:
        return span(row.outcome.duration)
    if row.status is Status.PENDING:
        return ""
    limit = f"/{row.timeout:.0f}s" if row.timeout and row.active and not row.work and not short else ""
    return f"{max(0.0, now - row.since):.0f}s{limit}"
