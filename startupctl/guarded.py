"""Becomes a program that must not outlive the process that started it; run by its path, followed by the program's words.

Standard input is a pipe whose other end that process holds. When the pipe ends without a word, the process
was killed, and a watcher kills the program's process group; the watcher is no child of the program, which
need not expect one. No module but the smallest ones is imported: the program waits for it.
"""

import errno
import os
import signal
import sys

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # the exit codes of shells, https://pubs.opengroup.org/onlinepubs/9699919799/
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def become(argv: list[str]) -> None:
    """Leave a watcher behind and become the program; returns never."""
    group = os.getpid()
    between = os.fork()
    if not between:
        if not os.fork():
            _watch(group)
        os._exit(0)
    os.waitpid(between, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is what is wanted)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode(errors="surrogateescape"))
        os._exit(NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE)


def _watch(group: int) -> None:
    """Wait for a word, or for the end of who would say it; keeps no output open, and is out of reach of the group."""
    try:
        os.setsid()
        os.close(1)
        os.close(2)
        if not os.read(0, 1):
            os.killpg(group, signal.SIGKILL)
    finally:
        os._exit(0)


if __name__ == "__main__":
    become(sys.argv[1:])
