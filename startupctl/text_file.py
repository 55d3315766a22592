"""Reads a small regular file: never a device, never a pipe that would block, never more than a limit."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_SECRET_BYTES = 2**20


class FileRefused(Exception):
    """A file cannot be read; the text names the first part of its path that refuses, never its content."""


def read_text(path: Path) -> str:
    """Return the text of a file of at most 1 MiB without its last line end, as a secret is mounted.

    Raises FileRefused.
    """
    try:
        text = read_bytes(path, MAX_SECRET_BYTES).decode()
    except UnicodeDecodeError:
        raise FileRefused(f"`{path}` is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; raises FileRefused."""
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise FileRefused(_first_refusal(path, error)) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileRefused(f"`{path}` is not a regular file")
    with os.fdopen(handle, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise FileRefused(f"`{path}` is larger than {limit // 2**20} MiB")
    return content


def _first_refusal(path: Path, error: OSError) -> str:
    """Name the first part of a path that refuses, and why."""
    for part in (*reversed(path.parents), path):
        try:
            part.stat()
        except PermissionError:
            return f"`{part.parent}` may not be entered by user {os.geteuid()}"
        except FileNotFoundError:
            return f"`{part}` does not exist"
        except NotADirectoryError:
            return f"`{part.parent}` is not a directory"
        except OSError as refused:
            return f"`{part}`: {_words(refused)}"
    if isinstance(error, PermissionError):
        status = path.stat()
        owner = f"mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid}"
        return f"`{path}` may not be read by user {os.geteuid()} ({owner})"
    return f"`{path}`: {_words(error)}"


def _words(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
