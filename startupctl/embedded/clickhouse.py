"""The ClickHouse engine behind HTTP on a loopback port, in a process of its own."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from startupctl.embedded.process import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class ClickHouse(Server):
    """A throwaway ClickHouse engine; `users` maps names to passwords."""

    name = "clickhouse"

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str],
        path: Path | None = None,
        port: int | None = None,
        options: Sequence[str] = (),
        tied: bool = True,
    ) -> None:
        """Choose port and place; data lives in `path`, by default below `folder`.

        `options` are further words for `python -m startupctl.embedded.clickhouse_http`. Raises
        ModuleNotFoundError without the engine.
        """
        super().__init__(folder, port=port, tied=tied)
        if find_spec("chdb") is None:
            raise ModuleNotFoundError("no module named `chdb`", name="chdb")
        self.users, self.path, self.options = dict(users), path or folder / "clickhouse", list(options)

    def argv(self) -> list[str]:
        """Return the command line; the words go through a file, for they hold passwords."""
        users = ",".join(f"{quote(name, safe='')}:{quote(password, safe='')}" for name, password in self.users.items())
        words = ["--path", str(self.path), "--users", users, "--port", str(self.port), *self.options]
        file = self.write_private(self.folder / "clickhouse.arguments", "\n".join(words))
        return [sys.executable, "-P", "-m", "startupctl.embedded.clickhouse_http", f"@{file}"]

    def environment(self) -> Mapping[str, str]:
        """Return ours: the interpreter may need it."""
        return os.environ

    def url(
        self,
        database: str = "",
        user: str | None = None,
        password: str | None = None,
        scheme: str = "clickhouse",
        **settings: str,
    ) -> str:
        """Return a URL, by default of the first user with its password."""
        name = next(iter(self.users)) if user is None else user
        secret = self.users.get(name, "") if password is None else password
        query = f"?{urlencode(settings)}" if settings else ""
        userinfo = f"{quote(name, safe='')}:{quote(secret, safe='')}"
        return f"{scheme}://{userinfo}@{self.host}:{self.port}/{quote(database, safe='')}{query}"
