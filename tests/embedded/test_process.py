"""Servers end with their parents, in every case."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time

import psutil
import pytest

from startupctl.embedded.process import ServerFailed, write_private
from startupctl.embedded.valkey import Valkey, wheel_program

STARTER = """
import sys, time
from pathlib import Path
from startupctl.embedded.valkey import Valkey, wheel_program
server = Valkey(Path(sys.argv[1]), program=wheel_program(), tied=sys.argv[2] == "tied").start()
print(server.proc.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def orphan(tmp_path):
    """Start a server from a process that is then killed; return the server's pid."""
    pids = []

    def make(tie):
        argv = [sys.executable, "-c", STARTER, tmp_path, tie]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as starter:
            pids.append(int(starter.stdout.readline()))
            starter.kill()
        return pids[-1]

    yield make
    for pid in pids:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def gone_within(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def test_a_tied_server_ends_when_its_parent_is_killed(orphan):
    assert gone_within(orphan("tied"), 10)


def test_a_server_that_is_not_tied_outlives_its_parent(orphan):
    assert not gone_within(orphan("loose"), 0.5)


def test_a_server_outlives_the_thread_that_started_it(tmp_path):
    server = Valkey(tmp_path, program=wheel_program())
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert not gone_within(server.proc.pid, 0.3)
    finally:
        server.stop()


def test_the_terminals_ctrl_c_does_not_reach_a_server(valkey_server):
    pid = valkey_server().proc.pid
    assert os.getsid(pid) == pid


def test_a_server_that_ends_at_once_tells_the_end_of_its_log(valkey_server):
    with pytest.raises(ServerFailed, match="no-such-setting"):
        valkey_server(no_such_setting="1")


def test_a_stopped_process_can_be_ended(valkey_server):
    server = valkey_server()
    server.proc.send_signal(signal.SIGSTOP)
    server.stop()
    assert not server.is_running


def test_a_server_can_be_started_again_on_its_port(valkey_server):
    server = valkey_server()
    server.stop(signal.SIGKILL)
    assert server.start().cli("PING") is True


def test_a_private_file_is_its_owners_alone_also_when_it_was_there_before(tmp_path):
    file = tmp_path / "password"
    file.touch(0o666)
    file.chmod(0o666)
    write_private(file, "s3cret", None)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == "s3cret"
