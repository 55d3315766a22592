"""The kind `command`: a program, run without a shell, whose exit code and output decide."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import textwrap
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from startupctl.check import Check, Facts, Unhealthy
from startupctl.diagnoses import COMPONENT_TIMEOUT
from startupctl.diagnosis import Code, Diagnosis, FailureClass
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from startupctl.check import Run

FAILED = Code(
    "RUN004",
    "command-failed",
    FailureClass.TRANSIENT,
    "`{program}` {what}",
    "The program could not be started, or its exit code or output is not the expected one.",
    "run it by hand in {folder}, as the user and with the environment of this process",
)

STDOUT, STDERR = 1, 2
KEPT = 65536  # bytes kept of the end of each output
SHOWN_LINES = 3
SHOWN_WIDTH = 200  # characters of a line
LAST_WORDS = 0.2  # seconds to wait for the end of the output when a child of the program keeps it open
REAP = 2.0  # seconds to wait for the end of a program that was killed
NOT_RUNNABLE = {
    errno.ENOENT: "is not found",
    errno.ENOTDIR: "is not found",
    errno.EACCES: "may not be executed by this user",
    errno.ENOEXEC: "is no program: it has no `#!` line",
}


class Command(Check):
    """A program ends with the exit code that is expected, and says what is expected."""

    foreign: ClassVar[bool] = True
    codes: ClassVar[tuple[Code, ...]] = (FAILED,)

    argv: list[Annotated[str, Field(pattern=r"^[^\x00]*$")]] = Field(
        min_length=1, description="the program and its arguments; there is no shell"
    )
    exit_code: int = Field(default=0, ge=0, le=255, description="the exit code that means ready")
    stdout: re.Pattern[str] | None = Field(default=None, description="found somewhere in the last 64 KiB of its output")

    @property
    def target(self) -> str:
        """The program without its arguments: they may hold secrets."""
        return self.argv[0] + (" ..." if self.argv[1:] else "")

    async def check(self, run: Run) -> Facts:
        """Run the program in the folder of the manifest; it is killed when time is up or the run is cancelled."""
        seconds = run.left()
        try:
            async with _running(self.argv, run.folder) as child:
                await _end_of(child, seconds)
        except TimeoutError:
            raise Unhealthy(Diagnosis(COMPONENT_TIMEOUT, {"seconds": seconds}, said=child.last_lines)) from None
        except OSError as error:
            raise Unhealthy(await in_thread(self._not_started, error, run)) from error
        return self._judged(child, run)

    def _judged(self, child: Child, run: Run) -> Facts:
        facts: Facts = {"exit_code": child.exit_code}
        what = ""
        if child.exit_code != self.exit_code:
            what = f"{_end_in_words(child.exit_code)}, expected exit code {self.exit_code}"
        elif self.stdout and not self.stdout.search(child.text(STDOUT)):
            what = f"printed nothing that matches `{self.stdout.pattern}`"
        if what:
            raise Unhealthy(self._diagnosis(what, run, said=child.last_lines), facts)
        return facts

    def _not_started(self, error: OSError, run: Run) -> Diagnosis:
        what = NOT_RUNNABLE.get(error.errno or 0)
        if what is None:
            return self._diagnosis("could not be started", run, said=error.strerror or "")
        if error.errno == errno.ENOENT and (run.folder / self.argv[0]).exists():
            what = "is there, but the interpreter in its first line is not found"
        advice = f"correct `argv`: a name is looked up in PATH, a path is relative to {run.folder.absolute()}"
        return self._diagnosis(what, run, failure_class=FailureClass.PERMANENT, advice=advice)

    def _diagnosis(self, what: str, run: Run, **more: Any) -> Diagnosis:
        facts = {"program": self.argv[0], "what": what, "folder": str(run.folder.absolute())}
        return Diagnosis(FAILED, facts, **more)


class Child(asyncio.SubprocessProtocol):
    """A program that runs: the end of what it wrote, and when it ended."""

    def __init__(self) -> None:
        """Begin with no output."""
        self.exited, self.silent = asyncio.Event(), asyncio.Event()
        self.exit_code = 0
        self._kept = {STDOUT: bytearray(), STDERR: bytearray()}
        self._open = set(self._kept)
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: it knows the exit code."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep the end of the output."""
        self._kept[fd] += data
        del self._kept[fd][:-KEPT]

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

    @property
    def last_lines(self) -> str:
        """The last lines of the error output, else of the other one, in one."""
        lines = self.text(STDERR).split("\n") if self.text(STDERR).strip() else self.text(STDOUT).split("\n")
        whole = [line for line in lines if line.strip()][-SHOWN_LINES:]
        return " | ".join(textwrap.shorten(line, SHOWN_WIDTH, placeholder=" ...") for line in whole)


@asynccontextmanager
async def _running(argv: list[str], folder: Path) -> AsyncIterator[Child]:
    """Run a program in a session of its own; raises OSError when it cannot be started."""
    loop = asyncio.get_running_loop()
    transport, child = await loop.subprocess_exec(
        Child, *argv, cwd=folder, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield child
    finally:
        if not child.exited.is_set():
            await _kill(transport.get_pid(), child)
        transport.close()


async def _end_of(child: Child, seconds: float) -> None:
    """Wait for the end of the program, and a moment for output that its own children hold open."""
    async with asyncio.timeout(seconds):
        await child.exited.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            await child.silent.wait()


async def _kill(pid: int, child: Child) -> None:
    """Kill the program and what it started in its session, and wait until it is reaped."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(REAP):
            await child.exited.wait()


def _end_in_words(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    known = {number.value: number.name for number in signal.Signals}
    return f"was ended by {known.get(-exit_code, f'signal {-exit_code}')}"
