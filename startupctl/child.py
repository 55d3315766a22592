"""A program that runs as our child: the end of what it wrote, its lines as they come, and its exit code."""

from __future__ import annotations

import asyncio
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STDIN, STDOUT, STDERR = 0, 1, 2
KEPT = 65536  # bytes kept of the end of each output
SHOWN_LINES = 3
SHOWN_WIDTH = 200  # characters of a line
ALL_DONE = b"."  # tells a watcher that there is nothing left to kill


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
            *lines, rest = (self._line[fd] + data).split(b"\n")
            self._line[fd] = rest[:KEPT]
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


def _shortened(line: str) -> str:
    return textwrap.shorten(line, SHOWN_WIDTH, placeholder=" ...")
