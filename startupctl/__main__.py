"""The entry point of the command line: stoppable from its first line, and gone at once at its end."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line and leave with its exit code.

    A process with id 1 ignores SIGTERM unless it has a handler, so one is set before anything is imported.
    Importing makes many objects and no garbage: collecting waits until a run begins (`cli.running`).
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    open_closed_streams()
    gc.disable()
    try:
        from startupctl.cli.app import run_cli

        code = run_cli(sys.argv[1:])
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    leave(code)


def open_closed_streams() -> None:
    """Open /dev/null in the place of a standard stream that was closed: a socket would get its number."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004  (stderr)
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def leave(code: int) -> None:
    """Flush and end the process now.

    Taking the interpreter apart would cost a fifth of a whole `check`, and could wait for a hung
    call on one of our daemon threads.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
