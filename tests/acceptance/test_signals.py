"""SIGTERM and SIGINT during a wait: a complete report, the right exit code, the terminal given back."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte
import pytest

from servers.command_line import PROGRAM

WAITING = """\
version: 1
components:
  database: {kind: postgres, priority: CRITICAL, url: "postgres://app:terminal-password@127.0.0.1:%d/app"}
  probe: {kind: python, call: "probe:look", depends_on: [database]}
  quick: {kind: env, required: [HOME]}
"""


@pytest.fixture
def waiting(tmp_path, free_port):
    (tmp_path / "startup.yaml").write_text(WAITING % free_port())
    (tmp_path / "probe.py").write_text("def look(): pass\n")
    return tmp_path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_wait_with_a_complete_report(waiting, startupctl, number, code):
    running = startupctl.start("check", "-o", "json")
    wait_for_line(running.process.stderr, "database")
    running.process.send_signal(number)
    sent = time.monotonic()
    done = running.finish(timeout=10)
    report = done.json()
    assert done.code == report["exit_code"] == code
    assert {name: one["status"] for name, one in report["components"].items()} == {
        "database": "CANCELLED",
        "probe": "CANCELLED",
        "quick": "SUCCESS",
    }
    assert report["components"]["database"]["diagnosis"]["code"] == "NET001"
    assert time.monotonic() - sent < 3  # loaded machines are slow; the promise is one second


def wait_for_line(stream, word):
    """Read until a line says the word; the wait is then under way."""
    for line in stream:
        if word in line and "NET001" in line:
            return
    pytest.fail(f"no line with `{word}`")


def test_a_signal_gives_the_terminal_back(waiting, startupctl):
    screen, code, written = on_terminal(
        ["check", "-f", "startup.yaml"], waiting, startupctl.environment(), stop_at="database"
    )
    assert code == 143
    assert not screen.cursor.hidden
    assert written.rfind(b"\x1b[?25h") > written.rfind(b"\x1b[?25l")
    text = "\n".join(screen.display)
    assert "CANCELLED" in text.upper()
    assert "terminal-password" not in written.decode(errors="replace")


def on_terminal(words, folder, env, *, stop_at=None, size=(24, 100)):
    """Run the command on a pseudo-terminal; SIGTERM once the screen shows `stop_at`."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen(
        [PROGRAM, *words],
        cwd=folder,
        env={**env, "TERM": "xterm-256color"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    screen = pyte.Screen(size[1], size[0])
    stream, written, end = pyte.ByteStream(screen), b"", time.monotonic() + 30
    while time.monotonic() < end:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(leader, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not data:
            break
        written += data
        stream.feed(data)
        if stop_at and any(stop_at in line for line in screen.display):
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            stop_at = None
    os.close(leader)
    process.wait(10)
    return screen, process.returncode, written


def test_the_live_table_gives_way_to_the_final_one(tmp_path, startupctl):
    (tmp_path / "startup.yaml").write_text("version: 1\ncomponents: {quick: {kind: env, required: [HOME]}}\n")
    screen, code, _ = on_terminal(["check"], tmp_path, startupctl.environment())
    text = "\n".join(screen.display)
    assert code == 0
    assert text.count("quick") == 1
    assert "READY" in text
    assert not screen.cursor.hidden


def test_a_second_signal_ends_at_once(waiting, startupctl):
    running = startupctl.start("check", "-o", "json")
    wait_for_line(running.process.stderr, "database")
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGTERM)
    assert running.finish(timeout=10).code == 143


def test_json_goes_to_a_file_while_people_read_the_table(tmp_path, startupctl):
    (tmp_path / "startup.yaml").write_text("version: 1\ncomponents: {quick: {kind: env, required: [HOME]}}\n")
    done = startupctl("check", "-o", "plain", "-o", "json=report.json")
    assert done.code == 0
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "READY"
    assert "READY" in done.out
