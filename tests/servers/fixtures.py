"""The fixtures that start real servers; each is stopped and removed, whatever a test does."""

from __future__ import annotations

import contextlib
import functools
import itertools
import shutil
from pathlib import Path

import pytest

from servers import command_line, debian, peers
from servers.certs import write_certificates
from servers.databases import ClickHouseServer, PostgresServer, ValkeyServer
from startupctl.embedded.folders import owned_folder, temporary_base
from startupctl.embedded.postgres import initialised, reachable_install, wheel_install
from startupctl.embedded.process import free_port as find_free_port
from startupctl.embedded.valkey import wheel_program

PASSWORD = "s3cret"
ROOM = 2 * 1024**3  # bytes: data directories of the private servers of one session
USERS = {"app": "pw", "default": ""}


@pytest.fixture(scope="session")
def server_folder():
    """A folder in memory where there is room, that other accounts can reach."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    with owned_folder(memory if roomy else temporary_base()) as folder:
        yield folder


@pytest.fixture(scope="session")
def new_folder(server_folder):
    """Make folders for servers."""
    numbers = itertools.count(1)

    def make(name):
        folder = server_folder / f"{name}-{next(numbers)}"
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def own(request):
    """Start a server unless told not to, and end it with the test."""
    with contextlib.ExitStack() as stack:

        def take(server, *, start=True):
            stack.callback(shutil.rmtree, server.folder, ignore_errors=True)
            stack.callback(server.stop)
            return server.start() if start else server

        yield take


@pytest.fixture(scope="session")
def postgres_template(server_folder, new_folder):
    """Return the installation of a build and a stopped data directory, made once."""

    @functools.cache
    def template(build):
        install = wheel_install() if build == "18" else debian.postgres_install()
        install = reachable_install(install, server_folder)
        return install, initialised(new_folder("template"), install=install, password=PASSWORD)

    return template


@pytest.fixture(scope="session")
def postgres(postgres_template, new_folder):
    """One PostgreSQL 18 for all tests."""
    install, template = postgres_template("18")
    folder = new_folder("postgres")
    with PostgresServer(folder, install=install, password=PASSWORD, template=template) as server:
        yield server


@pytest.fixture
def postgres_server(postgres_template, new_folder, own, certs):
    """Make private PostgreSQL servers; settings are keywords."""

    def make(build="18", *, tls=None, hba=None, start=True, port=None, **conf):
        install, template = postgres_template(build)
        settings = {key: str(value) for key, value in conf.items()}
        if tls:
            settings["ssl"] = "on"
        folder = new_folder("postgres")
        server = PostgresServer(
            folder, install=install, password=PASSWORD, port=port, template=template, settings=settings
        )
        if tls:
            server.write_private(server.data / "server.crt", (certs / f"{tls}.crt").read_bytes())
            server.write_private(server.data / "server.key", (certs / f"{tls}.key").read_bytes())
        if hba:
            server.write_private(server.data / "pg_hba.conf", hba)
        return own(server, start=start)

    return make


@pytest.fixture
def fresh_database(postgres):
    """An empty database of this test alone."""
    name = f"fresh_{next(_fresh)}"
    postgres.sql(f'CREATE DATABASE "{name}" STRATEGY file_copy')
    yield name
    postgres.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


_fresh = itertools.count(1)


@pytest.fixture(scope="session")
def valkey(new_folder):
    """One Valkey without a password for all tests; a test cleans up its own keys."""
    with ValkeyServer(new_folder("valkey"), program=wheel_program()) as server:
        yield server


@pytest.fixture
def valkey_server(new_folder, own):
    """Make private Valkey servers; configuration is keywords, with `_` for `-`."""

    def make(*, start=True, port=None, **conf):
        server = ValkeyServer(
            new_folder("valkey"), program=wheel_program(), port=port, settings=configuration_lines(conf)
        )
        return own(server, start=start)

    return make


@pytest.fixture
def redis_server(new_folder, own, certs):
    """Make private servers of Debian's Redis, which has TLS."""

    def make(*, tls=None, start=True, port=None, **conf):
        server = ValkeyServer(
            new_folder("redis"),
            program=debian.program("/usr/bin/redis-server"),
            port=port,
            settings=configuration_lines(conf),
        )
        if tls:
            server.tls = tls
            server.settings |= {
                "port": "0",
                "tls-port": str(server.port),
                "tls-cert-file": str(certs / f"{tls}.crt"),
                "tls-key-file": str(certs / f"{tls}.key"),
                "tls-ca-cert-file": str(certs / "ca.pem"),
                "tls-auth-clients": conf.get("tls_auth_clients", "no"),
            }
        return own(server, start=start)

    return make


def configuration_lines(conf):
    return {key.replace("_", "-"): str(value) for key, value in conf.items()}


@pytest.fixture(scope="session")
def clickhouse(new_folder):
    """One ClickHouse engine behind HTTP for all tests; users `app` (password `pw`) and `default` (none)."""
    with ClickHouseServer(new_folder("clickhouse"), users=USERS, options=["--faults"]) as server:
        yield server


@pytest.fixture
def clickhouse_server(new_folder, own, certs):
    """Make private ClickHouse engines behind HTTP; `path` keeps data for a second one."""

    def make(*, tls=None, users=USERS, path=None, start=True, port=None):
        options = ["--faults", *(["--tls", str(certs / f"{tls}.crt"), str(certs / f"{tls}.key")] if tls else [])]
        server = ClickHouseServer(new_folder("clickhouse"), users=users, path=path, port=port, options=options)
        server.tls = tls
        return own(server, start=start)

    return make


@pytest.fixture
def pgbouncer(new_folder, own):
    """Put a PgBouncer before a PostgreSQL; further settings are keywords."""

    def make(server, pool_mode="transaction", pool_size=2, *, start=True, **conf):
        settings = {"pool_mode": pool_mode, "default_pool_size": pool_size, **conf}
        return own(debian.PgBouncer(new_folder("pgbouncer"), server, settings), start=start)

    return make


@pytest.fixture
def haproxy(new_folder, own):
    """Start HAProxy with a configuration; `{port}` in it is the port of the returned server."""

    def make(config, *, start=True):
        return own(debian.HAProxy(new_folder("haproxy"), config), start=start)

    return make


@pytest.fixture(scope="session")
def certs(server_folder):
    """A folder with ca.pem and good, expired, future, wronghost, unknownca, selfsigned, client certificates."""
    folder = server_folder / "certificates"
    folder.mkdir()
    return write_certificates(folder)


@pytest.fixture
def free_port():
    """Return ports of 127.0.0.1 on which nobody listens."""
    return find_free_port


@pytest.fixture
def peer():
    """Start listeners whose connections are given to a handler; returns the port."""
    with contextlib.ExitStack() as stack:
        yield lambda handler, port=0: stack.enter_context(peers.listening(handler, port=port))


@pytest.fixture
def full_backlog():
    """Return ports on which a connect is never answered."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(peers.filled_backlog())


@pytest.fixture
def startupctl(tmp_path):
    """Run the real command line."""
    return command_line.CommandLine(tmp_path)
