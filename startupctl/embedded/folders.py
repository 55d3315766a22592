"""Temporary folders that go when their owner goes, at the latest when the next owner comes."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "startupctl-"
LOCK = "owner.lock"
SEARCHABLE = 0o711  # the account a server runs under must get through, and see no names


@contextmanager
def owned_folder(base: Path | None = None) -> Iterator[Path]:
    """Make a folder in `base` (else the temporary folder) and remove it at the end.

    Folders whose owner was killed are removed first: an owner holds a lock on a file in its folder
    for as long as it lives. Raises OSError when `base` cannot be written.
    """
    base = base or temporary_base()
    sweep(base)
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    path.chmod(SEARCHABLE)
    with (path / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))  # an empty lock file means: never sweep
        lock.flush()
        try:
            yield path
        finally:
            if is_owned(path):
                shutil.rmtree(path, ignore_errors=True)


def disown(path: Path) -> None:
    """Let a folder outlive its owner."""
    (path / LOCK).write_text("")


def is_owned(path: Path) -> bool:
    """Whether the folder goes with its owner."""
    with suppress(OSError):
        return (path / LOCK).stat().st_size > 0
    return False


def sweep(base: Path) -> None:
    """Remove the folders in `base` that are ours and whose owner is dead."""
    for path in base.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_ours(path) and is_owned(path) and _owner_is_dead(path):
                shutil.rmtree(path, ignore_errors=True)


def temporary_base() -> Path:
    """Return the first temporary folder that other accounts can reach into."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108  (mkdtemp makes the name)
    return next((base for base in candidates if is_reachable(base)), candidates[0])


def is_reachable(path: Path) -> bool:
    """Whether every folder on the way to `path`, and itself, lets other accounts through."""
    path = path.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))


def _is_ours(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _owner_is_dead(path: Path) -> bool:
    with (path / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
