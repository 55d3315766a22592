"""One server process of this machine: its start, its readiness, its end, which comes with its parent's at the latest."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"
LAUNCHER = Path(__file__).with_name("launcher.py")
POLL = 0.005  # seconds between two looks at a server that starts
PLAIN_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class ServerFailed(Exception):
    """A server ended or did not become ready; the end of its log is in the text."""

    def __init__(self, name: str, what: str, log: str) -> None:
        """Keep the name, the fact and the last 2000 characters of the log."""
        super().__init__(f"{name} {what}\n{log[-2000:]}".rstrip())


@dataclass(frozen=True, slots=True)
class Account:
    """A user to run as."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Return `nobody` when this process is root, else None: keep the account.

    PostgreSQL and PgBouncer refuse uid 0.
    """
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def give(path: Path, account: Account | None) -> None:
    """Make `account`, where there is one, the owner of `path`."""
    if account:
        os.chown(path, account.uid, account.gid)


def write_private(path: Path, content: str | bytes, account: Account | None) -> Path:
    """Write a file that only its owner, `account`, can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    give(path, account)
    return path


class Server(ABC):
    """A server in a folder of its own; use it as a context manager, or call `start` and `close`.

    `tied` servers are sent `orphan_signal` when this process ends, however it ends.
    """

    name: ClassVar[str]
    stop_signals: ClassVar[tuple[Signals, ...]] = (SIGTERM,)
    orphan_signal: ClassVar[Signals] = SIGKILL
    host = HOST

    def __init__(
        self, folder: Path, *, port: int | None = None, account: Account | None = None, tied: bool = True
    ) -> None:
        """Choose the port; nothing is started. `folder` must exist and is left in place by `close`."""
        self.folder, self.account, self.tied = folder, account, tied
        self.port = port or free_port()
        self.proc: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def argv(self) -> list[str]:
        """Return the command line, with a full path to the program."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment of the server."""
        return PLAIN_ENVIRONMENT

    def is_ready(self) -> bool:
        """Whether the server takes connections now."""
        with suppress(OSError), socket.create_connection((self.host, self.port), 0.2):
            return True
        return False

    def start(self, *, wait: bool = True) -> Self:
        """Start the server; with `wait`, return when it is ready. Raises ServerFailed."""
        with self.log_file.open("ab") as log:
            self.proc = launch(
                self.argv(), log.fileno(), self.environment(), self.account, self.orphan_signal if self.tied else None
            )
        return self.wait_ready() if wait else self

    def wait_ready(self, seconds: float = 30) -> Self:
        """Return when the server is ready; raises ServerFailed when it ends or takes longer than `seconds`."""
        end = time.monotonic() + seconds
        while not self.is_ready():
            if not self.is_running:
                self._fail(f"ended with {self.proc.returncode if self.proc else 'nothing started'}")
            if time.monotonic() > end:
                self._fail(f"was not ready within {seconds:g} s")
            time.sleep(POLL)
        return self

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.proc is not None and self.proc.poll() is None

    def stop(self, signal: int | None = None, grace: float = 10) -> None:
        """End the process, by `signal` if given; one that does not heed it within `grace` seconds is killed."""
        for step in (*((signal,) if signal else self.stop_signals), SIGKILL):
            if self.proc is None or self.proc.poll() is not None:
                return
            self.proc.send_signal(step)
            self.proc.send_signal(SIGCONT)  # a stopped process heeds nothing else
            with suppress(subprocess.TimeoutExpired):
                self.proc.wait(grace)

    def log(self) -> str:
        """Return what the server wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def log_file(self) -> Path:
        """Where the server writes its output."""
        return self.folder / f"{self.name}.log"

    def write_private(self, path: Path, content: str | bytes) -> Path:
        """Write a file that only the account of the server can read."""
        return write_private(path, content, self.account)

    def _fail(self, what: str) -> None:
        self.stop(SIGKILL)
        raise ServerFailed(self.name, what, self.log())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def launch(
    argv: list[str], output: int, environment: Mapping[str, str], account: Account | None, orphan_signal: Signals | None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C at the terminal does not reach it."""
    ids = (account.uid, account.gid) if account else (-1, -1)
    head = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(orphan_signal or 0)), *map(str, ids)]
    started = _birthplace().submit(
        subprocess.Popen,
        [*head, *argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=dict(environment),
        cwd="/",
        start_new_session=True,
    )
    return started.result()


@cache
def _birthplace() -> ThreadPoolExecutor:
    """Return the one thread that starts servers: the kernel ends a tied child with the thread that forked it."""
    return ThreadPoolExecutor(1, "servers")
