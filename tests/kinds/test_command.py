"""The kind `command` with real programs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from startupctl.check import Unhealthy
from startupctl.child import KEPT
from startupctl.diagnosis import FailureClass
from startupctl.kinds.command import Command
from support import make_run


def shell(script, **keys):
    return Command(argv=["sh", "-c", script], **keys)


async def diagnosis_of(check, run):
    with pytest.raises(Unhealthy) as caught:
        await check.check(run)
    found = caught.value.diagnosis
    assert "<" not in found.summary + found.cause + found.hint
    return found


def stat_of(pid):
    """Return state and parent of a process, nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def is_running(pid):
    return stat_of(pid)[:1] not in ([], ["Z"])


@pytest.fixture
def new_children():
    """Return the processes this one has got since the beginning of the test, dead ones too."""
    before = children()
    return lambda: children() - before


def children():
    pids = [path.name for path in Path("/proc").glob("[0-9]*")]
    return {pid for pid in pids if str(os.getpid()) in stat_of(pid)}


async def ended(pid):
    for _ in range(500):
        if not is_running(pid):
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{pid} still runs")


async def content(path):
    """Return the number a program writes into a file."""
    for _ in range(1000):
        if path.exists() and path.read_text().endswith("\n"):
            return int(path.read_text())
        await asyncio.sleep(0.01)
    pytest.fail(f"{path} did not appear")


@pytest.mark.anyio
async def test_a_program_that_ends_well_passes(run):
    assert await Command(argv=["true"]).check(run) == {"exit_code": 0}


@pytest.mark.anyio
async def test_another_exit_code_may_be_the_good_one(run):
    assert await shell("exit 3", exit_code=3).check(run) == {"exit_code": 3}


@pytest.mark.anyio
async def test_it_runs_in_the_folder_of_the_manifest_without_input_and_without_a_shell(run, tmp_path):
    script = "import os, sys; print(os.getcwd(), repr(sys.stdin.read()), sys.argv[1])"
    check = Command(argv=[sys.executable, "-c", script, "$HOME *"], stdout=rf"^{tmp_path} '' \$HOME \*$")
    await check.check(run)


@pytest.mark.anyio
async def test_a_program_in_the_folder_of_the_manifest_is_found(run, tmp_path):
    (tmp_path / "ready.sh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "ready.sh").chmod(0o755)
    await Command(argv=["./ready.sh"]).check(run)


@pytest.mark.anyio
async def test_a_failure_tells_the_exit_code_and_the_last_lines_of_the_error_output(run):
    found = await diagnosis_of(shell("echo out; for i in 1 2 3 4; do echo problem $i >&2; done; exit 3"), run)
    assert (found.code.code, found.failure) == ("RUN004", FailureClass.TRANSIENT)
    assert found.said == "problem 2 | problem 3 | problem 4"
    assert "`sh` ended with exit code 3, expected exit code 0" in found.summary


@pytest.mark.anyio
async def test_without_error_output_the_other_one_is_told(run):
    assert (await diagnosis_of(shell("echo not yet; exit 1"), run)).said == "not yet"


@pytest.mark.anyio
async def test_the_end_by_a_signal_is_named(run):
    assert "was ended by SIGKILL" in (await diagnosis_of(shell("kill -9 $$"), run)).summary


@pytest.mark.anyio
async def test_output_that_does_not_match_fails(run):
    await shell("echo lag: 3", stdout=r"lag: \d\b").check(run)
    found = await diagnosis_of(shell("echo lag: 300", stdout=r"lag: \d\b"), run)
    assert r"printed nothing that matches `lag: \d\b`" in found.summary
    assert found.said == "lag: 300"


@pytest.mark.anyio
async def test_only_the_end_of_much_output_is_kept_and_no_half_line_of_it(run):
    script = f"import sys; print('x' * {3 * KEPT}); print('the end'); sys.exit(1)"
    check = Command(argv=[sys.executable, "-c", script])
    assert (await diagnosis_of(check, run)).said == "the end"
    endless = Command(argv=[sys.executable, "-c", f"import sys; sys.exit('x' * {3 * KEPT})"])
    assert (await diagnosis_of(endless, run)).said == ""


@pytest.mark.anyio
async def test_output_that_is_no_utf8_is_shown_all_the_same(run):
    assert "caf\ufffd" in (await diagnosis_of(shell(r"printf 'caf\351'; exit 1"), run)).said


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("no-such-program", "is not found"),
        ("./no-such-program", "is not found"),
        ("./plain.txt", "may not be executed"),
        ("./headless", "no `#!` line"),
        ("./orphan", "interpreter"),
        ("./plain.txt/x", "is not found"),
    ],
)
@pytest.mark.anyio
async def test_what_cannot_be_started_is_named_and_permanent(program, words, run, tmp_path):
    for name, text, mode in (
        ("plain.txt", "x", 0o644),
        ("headless", "exit 0", 0o755),
        ("orphan", "#!/no/such/interpreter", 0o755),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    found = await diagnosis_of(Command(argv=[program]), run)
    assert (found.code.code, found.failure) == ("RUN004", FailureClass.PERMANENT)
    assert f"`{program}`" in found.summary
    assert words in found.summary


@pytest.mark.anyio
async def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path, new_children):
    check = shell("echo begun; sleep 600 & echo $! > child; echo $$ > parent; wait")
    found = await diagnosis_of(check, make_run(0.5, folder=tmp_path))
    assert found.code.code == "RUN001"
    assert found.said == "begun"
    for name in ("child", "parent"):
        await ended(await content(tmp_path / name))
    assert new_children() == set()


@pytest.mark.anyio
async def test_a_program_is_killed_and_reaped_when_the_run_is_cancelled(run, tmp_path, new_children):
    task = asyncio.create_task(shell("echo $$ > parent; sleep 600").check(run))
    pid = await content(tmp_path / "parent")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(pid)
    assert new_children() == set()


@pytest.mark.anyio
async def test_a_background_process_that_keeps_the_output_open_delays_nothing(tmp_path):
    started = time.monotonic()
    check = shell("sleep 20 & echo $! > child; echo ready", stdout="ready")
    await check.check(make_run(15, folder=tmp_path))
    assert time.monotonic() - started < 10
    os.kill(int((tmp_path / "child").read_text()), 9)


@pytest.mark.anyio
async def test_many_programs_at_once_leave_nothing_behind(run, new_children):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(shell(f"exit {number}", exit_code=number).check(run)) for number in range(20)]
    assert [task.result()["exit_code"] for task in tasks] == list(range(20))
    assert new_children() == set()


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"argv": []},
        {"argv": "true"},
        {"argv": ["a\0b"]},
        {"argv": ["true"], "exit_code": 256},
        {"argv": ["true"], "stdout": "("},
    ],
)
def test_keys_that_cannot_be_used_are_refused(keys):
    with pytest.raises(ValidationError):
        Command(**keys)


def test_the_target_does_not_show_arguments():
    assert Command(argv=["check", "--password=hunter2"]).target == "check ..."
    assert Command(argv=["check"]).target == "check"
