from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte
import pytest

from reports.samples import outcome
from startupctl.outcome import Event, EventKind
from startupctl.reports.live import Live

SCRIPT = Path(__file__).parent / "live_script.py"
SIZES = [(80, 24), (40, 10), (200, 50)]
PATIENCE = 20.0  # seconds; never waited for when all is well


class Terminal:
    """A pseudo-terminal with the script on it, and the screen that a person would see."""

    def __init__(self, columns, lines, *, more=0, symbols="symbols", color="color", **env):
        self.master, slave = pty.openpty()
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(more), symbols, color],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **env},
            start_new_session=True,
        )
        os.close(slave)

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def until(self, condition):
        """Show what comes until the screen is as wanted."""
        end = time.monotonic() + PATIENCE
        while not condition(self.text):
            assert time.monotonic() < end, f"never seen; the screen is\n{self.text}"
            self.read()
        return self.text

    def read(self):
        """Show what has come; return whether more may come."""
        if not select.select([self.master], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def end(self, number):
        """Send a signal, read to the end and return the exit code."""
        self.process.send_signal(number)
        while self.read():
            pass
        return self.process.wait(PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal():
    opened = []

    def make(*size, **options):
        opened.append(Terminal(*size, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def retrying(text):
    return "retrying  database" in text and "#3" in text


@pytest.mark.parametrize("size", [(80, 24), (40, 11), (200, 50)])
def test_in_the_middle_every_component_has_its_row(terminal, size):
    shown = terminal(*size)
    text = shown.until(lambda text: "retrying  database" in text)
    assert re.search(r"✔ success   dns +0\.01s", text)
    assert re.search(r"✘ failed    disk +0\.01s", text)
    assert re.search(r"▸ running   events", text)
    assert re.search(r"· waiting   api", text)
    assert "2 of 5 settled in " in text
    assert shown.screen.cursor.hidden


def test_rows_tell_attempt_timeout_error_progress_and_whom_they_wait_for(terminal):
    text = terminal(200, 50).until(retrying)
    assert re.search(r"↻ retrying  database +\d+s/60s +#\d+  nothing listens on db.internal:5432", text)
    assert "migrating 0002_café (2/7)" in text
    assert re.search(r"api +\d+s +for database", text)


def test_on_a_narrow_terminal_the_error_has_its_own_line(terminal):
    text = terminal(40, 14).until(lambda text: "retrying  database" in text)
    assert re.search(r"↻ retrying  database +\d+s\n  nothing listens on db.internal:5432", text)


def test_where_two_lines_a_row_do_not_fit_the_successes_give_way(terminal):
    text = terminal(40, 10).until(lambda text: "retrying  database" in text)
    assert re.search(r"✘ failed    disk", text)
    assert "dns" not in text
    assert "; not shown: 1 succ" in text


@pytest.mark.parametrize("size", SIZES)
def test_at_the_end_the_final_table_stands_in_place_of_the_live_one(terminal, size):
    shown = terminal(*size)
    shown.until(lambda text: "retrying  database" in text)
    assert shown.end(signal.SIGUSR1) == 0
    assert shown.text.startswith("STATUS")
    assert "READY: 2 of 2 components ready" in shown.text.replace("\n", " ")
    assert "settled in" not in shown.text
    assert not shown.screen.cursor.hidden


@pytest.mark.parametrize("size", SIZES)
def test_after_sigterm_the_cursor_is_back_and_the_report_complete(terminal, size):
    shown = terminal(*size)
    shown.until(lambda text: "retrying  database" in text)
    assert shown.end(signal.SIGTERM) == 143
    assert not shown.screen.cursor.hidden
    assert shown.raw.count(b"\x1b[?25h") >= shown.raw.count(b"\x1b[?25l") == 1
    assert b"ended by SIGTERM" in b" ".join(shown.raw.split())


def test_with_many_components_what_matters_is_shown_and_the_rest_counted(terminal):
    text = terminal(80, 12, more=300).until(retrying)
    for name in ("disk", "database", "events", "api"):
        assert re.search(rf"  {name} ", text)
    assert re.search(r"2\d\d success", text)
    assert len(text.splitlines()) <= 12


@pytest.mark.parametrize("after", [(40, 10), (120, 30), (60, 8)])
def test_after_a_resize_the_table_fits_and_stands_there_once(terminal, after):
    shown = terminal(80, 24)
    shown.until(retrying)
    shown.resize(*after)
    drawn = len(shown.raw)
    shown.until(lambda text: len(shown.raw) > drawn + 300 and text.count("retrying  database") == 1)
    assert shown.text.count(" settled in ") == 1
    assert shown.end(signal.SIGUSR1) == 0
    assert "settled in" not in shown.text


def test_an_encoding_without_symbols_gets_ascii(terminal):
    shown = terminal(80, 24, symbols="auto", PYTHONIOENCODING="ascii", LC_ALL="C")
    text = shown.until(retrying)
    assert "~ retrying  database" in text
    assert r"migrating 0002_caf\xe9 (2/7)" in text
    assert shown.end(signal.SIGUSR1) == 0
    assert shown.raw.isascii()
    assert "?" not in shown.text


def test_no_color_means_no_colour_codes(terminal):
    shown = terminal(80, 24, color="auto", NO_COLOR="1")
    shown.until(retrying)
    assert shown.end(signal.SIGUSR1) == 0
    assert not re.search(rb"\x1b\[[0-9;]*m", shown.raw)


def test_colours_are_there_when_they_are_welcome(terminal):
    shown = terminal(80, 24, color="auto")
    shown.until(retrying)
    assert b"\x1b[1;31m" in shown.raw


def test_control_characters_from_outside_do_not_reach_the_terminal(terminal):
    text = terminal(200, 50).until(retrying)
    assert r"disk\x1b[2J\n" in text


def test_waiting_costs_next_to_nothing(terminal):
    shown = terminal(80, 24)
    shown.until(lambda text: " settled in 1s" in text)
    early = len(shown.raw)
    shown.until(lambda text: " settled in 3s" in text)
    assert (len(shown.raw) - early) / 2 < 20_000  # bytes a second


def test_a_run_that_is_over_at_once_draws_nothing():
    stream = io.StringIO()
    live = Live(stream)
    live(Event(EventKind.STARTED, 0.0))
    live(Event(EventKind.SETTLED, 0.01, "dns", outcome=outcome("dns")))
    live.close()
    assert stream.getvalue() == ""


def test_closing_without_a_run_is_fine():
    live = Live(io.StringIO())
    live.close()
    live.close()


def test_a_terminal_that_went_away_does_not_end_the_run():
    master, slave = pty.openpty()
    os.close(master)
    with io.TextIOWrapper(io.FileIO(slave, "w"), encoding="utf-8", write_through=True) as stream:
        live = Live(stream)
        live(Event(EventKind.STARTED, 0.0))
        live(Event(EventKind.ATTEMPT, 0.0, "dns"))
        time.sleep(0.5)
        live(Event(EventKind.SETTLED, 0.5, "dns", outcome=outcome("dns")))
        live.close()
        live.close()
