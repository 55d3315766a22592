"""Programs of the user as children: started without a shell, heard, and ended with everything they started."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import textwrap
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from startupctl.diagnosis import Code, Diagnosis, FailureClass

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

STDIN, STDOUT, STDERR = 0, 1, 2
KEPT = 65536  # bytes kept of the end of each output
SHOWN_LINES = 3
SHOWN_WIDTH = 200  # characters of a line
LAST_WORDS = 0.2  # seconds to wait for the end of the output when a child of the program keeps it open
REAP = 2.0  # seconds to wait for the end of what was killed
LOOK = 0.02  # seconds between two looks whether a process group is gone
GUARD = (sys.executable, "-I", "-S", str(Path(__file__).with_name("guarded.py")))
NOTHING = 0  # the signal that only asks whether there is somebody
ALL_DONE = b"."  # tells the watcher that there is nothing left to kill
NOT_RUNNABLE = {
    errno.ENOENT: "is not found",
    errno.ENOTDIR: "is not found",
    errno.EACCES: "may not be executed by this user",
    errno.ENOEXEC: "is no program: it has no `#!` line",
}


class Child(asyncio.SubprocessProtocol):
    """A program that runs: the end of what it wrote, and when it ended."""

    def __init__(self, heard: Callable[[str], None] | None = None) -> None:
        """Begin with no output; `heard` is called with every line, cut to what can be shown."""
        self.exited, self.silent = asyncio.Event(), asyncio.Event()
        self.exit_code = 0
        self._heard = heard
        self._kept = {STDOUT: bytearray(), STDERR: bytearray()}
        self._line = {STDOUT: b"", STDERR: b""}
        self._open = set(self._kept)
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def group(self) -> int:
        """The process group of the program, which leads it."""
        assert self._transport
        return self._transport.get_pid()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: it knows the exit code."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep the end of the output, and tell the lines that became whole."""
        self._kept[fd] += data
        del self._kept[fd][:-KEPT]
        if self._heard:
            *lines, self._line[fd] = (self._line[fd] + data)[-KEPT:].split(b"\n")
            self._tell(lines)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note that an output ended."""
        del exc
        self._open.discard(fd)
        if not self._open:
            self.silent.set()

    def process_exited(self) -> None:
        """Note the end of the program."""
        assert self._transport
        self.exit_code = self._transport.get_returncode() or 0
        self.exited.set()

    def text(self, fd: int) -> str:
        """Return the end of an output, without a first line that is not whole: it might be half a secret."""
        kept = bytes(self._kept[fd])
        return (kept if len(kept) < KEPT else kept.partition(b"\n")[2]).decode(errors="replace")

    def last_lines(self, count: int = SHOWN_LINES) -> str:
        """Return the last lines of the error output, else of the other one, in one."""
        lines = self.text(STDERR).split("\n") if self.text(STDERR).strip() else self.text(STDOUT).split("\n")
        return " | ".join(map(_shortened, [line for line in lines if line.strip()][-count:]))

    def release(self) -> None:
        """Let go of the pipes; a watcher is told that all is done."""
        assert self._transport
        pipe = self._transport.get_pipe_transport(STDIN)
        if isinstance(pipe, asyncio.WriteTransport):
            pipe.write(ALL_DONE)
        self._transport.close()

    def _tell(self, lines: Sequence[bytes]) -> None:
        assert self._heard
        for line in lines:
            if text := line.decode(errors="replace").strip():
                self._heard(_shortened(text))


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
    """Wait until nothing is left of the process group, at most these seconds."""
    end = time.monotonic() + seconds
    while send(child, NOTHING) and time.monotonic() < end:  # noqa: ASYNC110  (the system tells only of our own children)
        await asyncio.sleep(LOOK)


def _shortened(line: str) -> str:
    return textwrap.shorten(line, SHOWN_WIDTH, placeholder=" ...")
