"""Servers of the distribution, for what the wheels lack: TLS, a pooler, a balancer."""

from __future__ import annotations

from pathlib import Path

import pytest

from startupctl.embedded.process import Server, unprivileged


def program(path):
    """Return the program, or skip the test."""
    if not Path(path).is_file():
        pytest.skip(f"{path} is not installed (`make servers` as root installs it)")
    return Path(path)


def postgres_install():
    """Return the installation of the distribution's newest PostgreSQL (15 in Debian 12), or skip the test."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return program(found[-1] if found else "/usr/lib/postgresql").parent.parent


class PgBouncer(Server):
    name = "pgbouncer"

    def __init__(self, folder, server, settings):
        super().__init__(folder, account=unprivileged())
        self.program = program("/usr/sbin/pgbouncer")
        self.server = server
        users = self.write_private(folder / "users.txt", f'"{server.user}" "{server.password}"\n')
        self.settings = {
            "listen_addr": self.host,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "admin_users": server.user,
            "server_login_retry": 1,
            "query_wait_timeout": 2,
            "ignore_startup_parameters": "extra_float_digits",
            **settings,
        }

    def argv(self):
        lines = [f"{key} = {value}" for key, value in self.settings.items()]
        target = f"* = host={self.server.host} port={self.server.port}"
        config = "\n".join(["[databases]", target, "[pgbouncer]", *lines, ""])
        return [str(self.program), str(self.write_private(self.folder / "pgbouncer.ini", config))]

    def url(self, database="postgres", user=None, password=None, scheme="postgresql", **params):
        """Return the URL of the server behind, through the pooler."""
        direct = self.server.url(database, user, password, scheme, **params)
        return direct.replace(f"@{self.server.host}:{self.server.port}/", f"@{self.host}:{self.port}/", 1)


class HAProxy(Server):
    name = "haproxy"

    def __init__(self, folder, config):
        super().__init__(folder)
        self.program = program("/usr/sbin/haproxy")
        self.config = config

    def argv(self):
        file = self.write_private(self.folder / "haproxy.cfg", self.config.replace("{port}", str(self.port)))
        return [str(self.program), "-db", "-f", str(file)]
