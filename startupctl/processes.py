"""Programs of the user as children: started without a shell, heard, and ended with everything they started."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from startupctl.child import Child
from startupctl.diagnosis import Code, Diagnosis, FailureClass
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

FAILED = Code(
    "RUN004",
    "command-failed",
    FailureClass.TRANSIENT,
    "`{program}` {what}",
    "The program could not be started, or its exit code or output is not the expected one.",
    "run it by hand in {folder}, as the user and with the environment of this process",
)

LAST_WORDS = 0.2  # seconds to wait for the end of the output when a child of the program keeps it open
REAP = 2.0  # seconds to wait for the end of what was killed
LOOK = 0.02  # seconds between two looks whether a process group is gone
GUARD = (sys.executable, "-I", "-S", str(Path(__file__).with_name("guarded.py")))
DEAD = (b"Z", b"X")  # states in /proc/PID/stat, see proc_pid_stat(5)
NOTHING = 0  # the signal that only asks whether there is somebody
NOT_RUNNABLE = {
    errno.ENOENT: "is not found",
    errno.ENOTDIR: "is not found",
    errno.EACCES: "may not be executed by this user",
    errno.ENOEXEC: "is no program: it has no `#!` line",
}


@asynccontextmanager
async def running(argv: Sequence[str], folder: Path) -> AsyncIterator[Child]:
    """Run a program that changes nothing, in a session of its own: it is killed when the body ends before it.

    Raises OSError when it cannot be started.
    """
    child = await _started(argv, folder, Child)
    try:
        yield child
    finally:
        if not child.exited.is_set():
            send(child, signal.SIGKILL)
            with suppress(TimeoutError):
                async with asyncio.timeout(REAP):
                    await child.exited.wait()
        child.release()


@asynccontextmanager
async def guarded(
    argv: Sequence[str], folder: Path, heard: Callable[[str], None], patience: float
) -> AsyncIterator[Child]:
    """Run a program that changes something: it and its process group are gone when this is left, however that happens.

    When the body ends before it, it is asked to end (SIGTERM) and killed `patience` seconds later. When this
    process is killed, a watcher kills it; as PID 1 there is no need, for the system does. Raises OSError.
    """
    words = argv if os.getpid() == 1 else (*GUARD, *argv)
    child = await _started(words, folder, lambda: Child(heard), stdin=asyncio.subprocess.PIPE)
    try:
        yield child
    finally:
        try:
            await _end(child, patience)
        except asyncio.CancelledError:
            send(child, signal.SIGKILL)
            raise
        finally:
            child.release()


async def end_of(child: Child, seconds: float | None) -> None:
    """Wait for the end of the program, and a moment for output that its own children hold open; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        await child.exited.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            await child.silent.wait()


def send(child: Child, number: int) -> bool:
    """Send a signal to the program and what it started in its process group; return whether anything is left of it."""
    try:
        os.killpg(child.group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # it became another user
        return True
    return True


def end_in_words(exit_code: int) -> str:
    """Return how a program ended, as asyncio tells it: a signal is negative."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    known = {number.value: number.name for number in signal.Signals}
    return f"was ended by {known.get(-exit_code, f'signal {-exit_code}')}"


def not_started(argv: Sequence[str], folder: Path, key: str, error: OSError) -> Diagnosis:
    """Return RUN004 for a program that could not be started; `key` of the manifest names it. Looks at files, so it blocks."""
    place = folder.absolute()
    facts = {"program": argv[0], "what": "could not be started", "folder": str(place)}
    what = NOT_RUNNABLE.get(error.errno or 0)
    if what is None:
        return Diagnosis(FAILED, facts, said=error.strerror or "")
    if error.errno == errno.ENOENT and (folder / argv[0]).exists():
        what = "is there, but the interpreter in its first line is not found"
    advice = f"correct `{key}`: a name is looked up in PATH, a path is relative to {place}"
    return Diagnosis(FAILED, {**facts, "what": what}, failure_class=FailureClass.PERMANENT, advice=advice)


async def _started(
    argv: Sequence[str], folder: Path, make: Callable[[], Child], stdin: int = asyncio.subprocess.DEVNULL
) -> Child:
    loop = asyncio.get_running_loop()
    _, child = await loop.subprocess_exec(make, *argv, cwd=folder, stdin=stdin, start_new_session=True)
    return child


async def _end(child: Child, patience: float) -> None:
    """End what is left of the process group; the program itself is waited for without limit."""
    if send(child, signal.SIGTERM):
        await _gone(child, patience)
        send(child, signal.SIGKILL)
    await child.exited.wait()
    await _gone(child, REAP)


async def _gone(child: Child, seconds: float) -> None:
    """Wait until the program is reaped and nothing of its process group runs, at most these seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await child.exited.wait()
            while send(child, NOTHING) and await in_thread(_runs, child.group):  # noqa: ASYNC110  (only our own children tell their end)
                await asyncio.sleep(LOOK)


def _runs(group: int) -> bool:
    """Whether a process of the group runs: one that ended is there until PID 1 reaps it, which some do late or never."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = path.read_bytes().rpartition(b")")[2].split()[:3]
            if int(its_group) == group and state not in DEAD:
                return True
    return False
