"""Children: how they are started, what is heard of them, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest

from startupctl.child import KEPT
from startupctl.processes import end_in_words, end_of, guarded, running

SEEN = """
import os, signal, sys, pathlib
children = [line for line in pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()]
print(len(os.listdir("/proc/self/fd")) - 1, repr(sys.stdin.read()), os.getsid(0) == os.getpid(), len(children), sys.argv[1:])
ignored = [line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("SigIgn")]
print(ignored[0].split()[1])
"""


def in_shell(script, folder, heard=lambda _: None, patience=5.0):
    return guarded(["sh", "-c", script], folder, heard, patience)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def watchers(mark):
    """Return the watchers of programs with this mark in their words: copies of `guarded.py` that became nothing else."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"/guarded.py\0" in words and str(mark).encode() in words:
            found.append(int(path.parent.name))
    return found


async def appeared(path):
    for _ in range(1000):
        if path.exists():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{path} did not appear")


async def nothing_runs(pids):
    for _ in range(1000):
        if not any(map(is_running, pids)):
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{pids} still run")


def ignored_here():
    """Return the signals that this process ignores, as bits."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))


@pytest.mark.anyio
async def test_a_guarded_program_sees_nothing_of_its_guard(tmp_path):
    lines = []
    async with guarded([sys.executable, "-c", SEEN, "$HOME *", "ä"], tmp_path, lines.append, 5.0) as child:
        await end_of(child, None)
    assert child.exit_code == 0, child.last_lines()
    assert lines[0] == "3 '' True 0 ['$HOME *', 'ä']"
    assert int(lines[1], 16) == ignored_here()  # by the Python that prints this, and by who started the tests


@pytest.mark.anyio
@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", -9), ("kill -15 $$", -15)])
async def test_a_guarded_program_ends_as_it_ends(tmp_path, script, code):
    async with in_shell(script, tmp_path) as child:
        await end_of(child, None)
    assert child.exit_code == code


@pytest.mark.anyio
@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("./no", 127), ("./plain", 126)])
async def test_a_guarded_program_that_cannot_be_started_ends_as_in_a_shell(tmp_path, program, code):
    (tmp_path / "plain").write_text("x")
    async with guarded([program], tmp_path, print, 5.0) as child:
        await end_of(child, None)
    assert child.exit_code == code
    assert child.last_lines().startswith(f"{program}: ")


@pytest.mark.anyio
async def test_no_watcher_is_left_when_a_program_ended(tmp_path):
    async with in_shell(f": {tmp_path}; touch begun; sleep 600", tmp_path):
        await appeared(tmp_path / "begun")
        found = watchers(tmp_path)
        assert len(found) == 1
    await nothing_runs(found)


@pytest.mark.anyio
async def test_what_a_program_leaves_behind_is_ended_too(tmp_path):
    async with in_shell("sleep 600 >/dev/null 2>&1 & echo $! > left", tmp_path) as child:
        await end_of(child, None)
    assert child.exit_code == 0
    assert not is_running((tmp_path / "left").read_text().strip())


@pytest.mark.anyio
async def test_a_program_that_waits_for_all_its_children_does_not_wait_for_the_watcher(tmp_path):
    script = "import os\ntry:\n  while True: os.wait()\nexcept ChildProcessError: print('alone')"
    lines = []
    async with guarded([sys.executable, "-c", script], tmp_path, lines.append, 5.0) as child:
        await end_of(child, 30)
    assert lines == ["alone"]


@pytest.mark.anyio
async def test_who_does_not_wait_for_the_end_kills_at_once(tmp_path):
    async def work():
        async with in_shell(
            "trap '' TERM; echo $$ > pid; touch begun; while :; do sleep 0.1; done", tmp_path, patience=60
        ):
            await asyncio.sleep(600)

    task = asyncio.create_task(work())
    await appeared(tmp_path / "begun")
    started = time.monotonic()
    task.cancel()
    await asyncio.sleep(0.1)
    assert is_running((tmp_path / "pid").read_text().strip())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await nothing_runs([(tmp_path / "pid").read_text().strip()])
    assert time.monotonic() - started < 30


@pytest.mark.anyio
async def test_a_child_that_nobody_reaps_is_not_waited_for(tmp_path):
    orphan = "sh -c 'sh -c \"exit 0\" & exec sleep 600' & sleep 0.3; touch begun; wait"
    started = time.monotonic()
    async with in_shell(orphan, tmp_path, patience=60):
        await appeared(tmp_path / "begun")
    assert time.monotonic() - started < 30


@pytest.mark.anyio
async def test_lines_are_heard_whole_and_cut_where_nobody_reads_on(tmp_path):
    lines = []
    script = f"printf 'one'; sleep 0.1; printf ' line\\n\\n  two  \\n'; head -c {3 * KEPT} /dev/zero | tr '\\0' x; echo"
    async with in_shell(script, tmp_path, lines.append) as child:
        await end_of(child, None)
    assert lines == ["one line", "two", "..."]


@pytest.mark.anyio
async def test_a_program_that_only_looks_is_killed_when_nobody_waits_for_it(tmp_path):
    async with running(["sh", "-c", "echo $$ > pid; touch begun; sleep 600"], tmp_path):
        await appeared(tmp_path / "begun")
    assert not is_running((tmp_path / "pid").read_text().strip())


def test_an_end_is_told_in_words():
    assert end_in_words(3) == "ended with exit code 3"
    assert end_in_words(-signal.SIGTERM) == "was ended by SIGTERM"
    assert end_in_words(-64).startswith("was ended by ")
