"""A lock on a file beside the database, for databases that are files: the system frees it with the process."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from startupctl.migrations.ledger import this_process
from startupctl.migrations.lock import HeldLock, Holder, kept, wait_for
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from startupctl.check import Run

LABEL = "file"
SUFFIX = ".startupctl.lock"
ROOM = 200  # bytes read of what the holder wrote


@asynccontextmanager
async def file_lock(database: Path, run: Run, patience: float) -> AsyncIterator[HeldLock]:
    """Hold the lock of a database file; the lock file stays, for who removes it lets two in.

    Raises OSError when it cannot be made, Unhealthy (LCK001).
    """
    handle = await in_thread(os.open, f"{database}{SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        waited = await wait_for(partial(in_thread, _take, handle), run, patience)
        async with kept(HeldLock(LABEL, waited, partial(_beat, handle))) as held:
            yield held
    finally:
        os.close(handle)


async def file_holder(database: Path) -> Holder | None:
    """Return who holds the lock of a database file, None when it is free."""
    return await in_thread(_look, f"{database}{SUFFIX}")


def _look(path: str) -> Holder | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(handle)
    finally:
        os.close(handle)
    return None


async def _beat(handle: int) -> None:
    os.utime(handle)


def _take(handle: int) -> Holder | None:
    """Try to take the lock; return what its holder wrote."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(handle)
    text = f"{this_process()} {datetime.now(UTC).isoformat(sep=' ', timespec='seconds')}".encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
    return None


def _written(handle: int) -> Holder:
    """Return the holder as it wrote itself into the lock file."""
    name, _, since = os.pread(handle, ROOM, 0).decode(errors="replace").partition(" ")
    host, _, process = name.rpartition(":")
    silent = max(0.0, time.time() - os.fstat(handle).st_mtime)
    return Holder(name or "somebody", since, silent, f"kill {process}, on host {host}" if host else "")
