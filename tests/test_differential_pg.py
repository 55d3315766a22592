"""The speaker and libpq come to the same verdict: `ok`, the SQLSTATE, or `failed`, over many URLs and servers.

What is left out on purpose: a raw `@` in a password (libpq ends the userinfo at the first one), a raw
space (the libpq of psycopg refuses it in a URL), and a clear-text password to another host, which the
speaker does not send.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import select
import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import psycopg
import pytest
from psycopg import pq

from servers import debian, peers
from servers.databases import PostgresServer
from servers.fixtures import PASSWORD
from startupctl.addresses import Url
from startupctl.embedded.process import free_port, give
from startupctl.failures import ConnectionBroken, LocalTlsFile, NotThisProtocol
from startupctl.wire.pg import TlsDemanded, TlsRefused, open_session
from startupctl.wire.pg_auth import LoginRefused
from startupctl.wire.pg_messages import PgError
from startupctl.wire.pg_parameters import url_parameters
from startupctl.wire.pg_session import DriverFailed
from startupctl.wire.pg_target import PgTarget
from support import make_run

pytestmark = pytest.mark.anyio

FAILED = (ConnectionBroken, NotThisProtocol, TlsDemanded, TlsRefused, LoginRefused, DriverFailed, LocalTlsFile)
PATIENCE = 2.0  # seconds for a peer that says nothing
ODD = "p@ss:w/rd?#%& 'é☃\\\""
HBA = """
local   all all                      trust
host    all trusted     127.0.0.1/32 trust
host    all md5er       127.0.0.1/32 md5
host    all clear       127.0.0.1/32 password
hostssl all tlsonly     127.0.0.1/32 scram-sha-256
hostnossl all plainonly 127.0.0.1/32 scram-sha-256
host    all rejected    127.0.0.1/32 reject
hostssl all certified   127.0.0.1/32 trust clientcert=verify-ca
host    all stranger    127.0.0.2/32 trust
host    all postgres,app,odd,nologin,limited,expired,nobody,readonly 127.0.0.1/32 scram-sha-256
host    all app         ::1/128      scram-sha-256
"""
SETUP = f"""
CREATE ROLE app LOGIN PASSWORD 'pw';
CREATE ROLE odd LOGIN PASSWORD $${ODD}$$;
CREATE ROLE trusted LOGIN;
CREATE ROLE clear LOGIN PASSWORD 'pw';
CREATE ROLE tlsonly LOGIN PASSWORD 'pw';
CREATE ROLE plainonly LOGIN PASSWORD 'pw';
CREATE ROLE rejected LOGIN PASSWORD 'pw';
CREATE ROLE certified LOGIN;
CREATE ROLE nologin NOLOGIN PASSWORD 'pw';
CREATE ROLE limited LOGIN PASSWORD 'pw' CONNECTION LIMIT 0;
CREATE ROLE expired LOGIN PASSWORD 'pw' VALID UNTIL '2001-01-01';
CREATE ROLE readonly LOGIN PASSWORD 'pw';
ALTER ROLE readonly SET default_transaction_read_only = on;
SET LOCAL password_encryption = 'md5';
CREATE ROLE md5er LOGIN PASSWORD 'pw';
"""
DATABASES = ("odd name/%", "closed", "private", "full")


@contextlib.contextmanager
def running(folder, postgres_template, certs, *, tls):
    """Run PostgreSQL 15 with the roles, databases and rules above."""
    install, template = postgres_template("15")
    sockets = folder / "s"
    settings = {"listen_addresses": "127.0.0.1,::1", "unix_socket_directories": str(sockets)}
    if tls:
        settings |= {"ssl": "on", "ssl_ca_file": "ca.pem"}
    server = PostgresServer(folder, install=install, password=PASSWORD, template=template, settings=settings)
    sockets.mkdir(mode=0o755)
    give(sockets, server.account)
    server.write_private(server.data / "pg_hba.conf", HBA)
    for name, file in {"server.crt": "good.crt", "server.key": "good.key", "ca.pem": "ca.pem"}.items():
        server.write_private(server.data / name, (certs / file).read_bytes())
    with server:
        server.sql(SETUP)  # one transaction
        for name in DATABASES:
            server.sql(f'CREATE DATABASE "{name}" STRATEGY file_copy')
        server.sql("ALTER DATABASE closed ALLOW_CONNECTIONS false")
        server.sql("REVOKE CONNECT ON DATABASE private FROM public")
        server.sql('ALTER DATABASE "full" CONNECTION LIMIT 0')
        yield server


@pytest.fixture(scope="module")
def world(postgres_template, new_folder, certs, tmp_path_factory):
    """Two servers, one with TLS, and the files that clients use."""
    debian.postgres_install()
    files = tmp_path_factory.mktemp("client")
    for name in ("ca.pem", "client.crt", "client.key", "good.crt"):
        shutil.copy(certs / name, files / name)
    (files / "client.key").chmod(0o600)
    shutil.copy(certs / "client.key", files / "shared.key")
    (files / "shared.key").chmod(0o644)
    folders = new_folder("postgres"), new_folder("postgres")
    with (
        running(folders[0], postgres_template, certs, tls=False) as plain,
        running(folders[1], postgres_template, certs, tls=True) as secure,
    ):
        yield SimpleNamespace(p=plain.port, t=secure.port, dir=files, sockets=secure.folder / "s")


def reference(url, patience=PATIENCE):
    """Return the verdict of libpq; its own text tells the SQLSTATE when it is asked to be verbose."""
    try:
        connection = pq.PGconn.connect_start(url.encode())
    except psycopg.Error:
        return "failed"
    library().PQsetErrorVerbosity(ctypes.c_void_p(connection.pgconn_ptr), 2)
    try:
        return polled(connection, time.monotonic() + patience)
    finally:
        connection.finish()


def polled(connection, end):
    status = pq.PollingStatus.WRITING if connection.status != pq.ConnStatus.BAD else pq.PollingStatus.FAILED
    while status in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
        sides = [[connection.socket], []] if status == pq.PollingStatus.READING else [[], [connection.socket]]
        if not any(select.select(*sides, [], max(0, end - time.monotonic()))):
            return "failed"
        status = connection.connect_poll()
    if status == pq.PollingStatus.OK:
        result = connection.exec_(b"SELECT 1")
        return "ok" if result.status == pq.ExecStatus.TUPLES_OK else "failed"
    found = re.search(r":  ([0-9A-Z]{5}): ", connection.error_message.decode())
    return found[1] if found else "failed"


def library():
    maps = Path("/proc/self/maps").read_text()
    return ctypes.CDLL(re.search(r"\S*/libpq-\S*", maps)[0])


async def ours(url, patience=PATIENCE):
    """Return the verdict of the speaker."""
    try:
        target = PgTarget.read(url_parameters(Url.parse(url)))
    except ValueError:
        return "failed"
    try:
        async with open_session(target, make_run(patience)) as session:
            return "ok" if await session.rows("SELECT 1") == [("1",)] else "failed"
    except PgError as error:
        return error.sqlstate
    except FAILED:
        return "failed"


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


ODD_QUOTED = quote(ODD, safe="")
# {p} is a server without TLS, {t} one with it, {sockets} the folder of its socket, {dir} the files of a client
URLS = {
    # logins
    "postgresql://app:pw@127.0.0.1:{p}/postgres": "ok",
    "postgres://app:pw@127.0.0.1:{p}/postgres": "ok",
    "postgresql://app:wrong@127.0.0.1:{p}/postgres": "28P01",
    "postgresql://app@127.0.0.1:{p}/postgres": "failed",
    "postgresql://app:@127.0.0.1:{p}/postgres": "failed",
    "postgresql://nobody:pw@127.0.0.1:{p}/postgres": "28P01",
    f"postgresql://odd:{ODD_QUOTED}@127.0.0.1:{{p}}/postgres": "ok",
    f"postgresql://127.0.0.1:{{p}}/postgres?user=odd&password={ODD_QUOTED}": "ok",
    "postgresql://odd:p%40ss@127.0.0.1:{p}/postgres": "28P01",
    "postgresql://expired:pw@127.0.0.1:{p}/postgres": "28P01",
    "postgresql://nologin:pw@127.0.0.1:{p}/postgres": "28000",
    "postgresql://nologin:pw@127.0.0.1:{t}/postgres": "28000",
    "postgresql://limited:pw@127.0.0.1:{p}/postgres": "53300",
    "postgresql://trusted@127.0.0.1:{p}/postgres": "ok",
    "postgresql://trusted:ignored@127.0.0.1:{p}/postgres": "ok",
    "postgresql://md5er:pw@127.0.0.1:{p}/postgres": "ok",
    "postgresql://md5er:wrong@127.0.0.1:{p}/postgres": "28P01",
    "postgresql://clear:pw@127.0.0.1:{p}/postgres": "ok",
    "postgresql://clear:wrong@127.0.0.1:{p}/postgres": "28P01",
    "postgresql://clear:pw@127.0.0.1:{t}/postgres?sslmode=require": "ok",
    "postgresql://stranger:pw@127.0.0.1:{p}/postgres": "28000",
    "postgresql://rejected:pw@127.0.0.1:{p}/postgres": "28000",
    "postgresql://rejected:pw@127.0.0.1:{t}/postgres": "28000",
    # databases
    "postgresql://app:pw@127.0.0.1:{p}/nope": "3D000",
    "postgresql://app:wrong@127.0.0.1:{p}/nope": "28P01",
    "postgresql://app:pw@127.0.0.1:{p}/closed": "55000",
    "postgresql://app:pw@127.0.0.1:{p}/private": "42501",
    "postgresql://app:pw@127.0.0.1:{p}/full": "53300",
    "postgresql://app:pw@127.0.0.1:{p}/odd%20name%2F%25": "ok",
    "postgresql://app:pw@127.0.0.1:{p}": "3D000",
    "postgresql://app:pw@127.0.0.1:{p}/?dbname=postgres": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/nope?dbname=postgres": "ok",
    # addresses
    "postgresql://app:pw@localhost:{p}/postgres": "ok",
    "postgresql://app:pw@[::1]:{p}/postgres": "ok",
    "postgresql://tlsonly:pw@[::1]:{p}/postgres": "28000",
    "postgresql://app:pw@/postgres?host=127.0.0.1&port={p}": "ok",
    "postgresql:///postgres?host=127.0.0.1&port={p}&user=app&password=pw": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?host=127.0.0.1": "ok",
    "postgresql://app@{sockets_quoted}:{t}/postgres": "ok",
    "postgresql://app@/postgres?host={sockets}&port={t}": "ok",
    "postgresql://app@/postgres?host={sockets}&port={t}&sslmode=verify-full": "ok",
    "postgresql://app@/postgres?host={sockets}&port=1": "failed",
    "postgresql://app@/nope?host={sockets}&port={t}": "3D000",
    "postgresql://app:pw@startupctl-test.invalid:{p}/postgres": "failed",
    "postgresql://app:pw@127.0.0.1:{closed}/postgres": "failed",
    "postgresql://app:pw@127.0.0.1:{closed},127.0.0.1:{p}/postgres": "ok",
    "postgresql://app:pw@127.0.0.1:{closed},127.0.0.1:{p}/nope": "3D000",
    "postgresql://app:pw@127.0.0.1:{closed},127.0.0.1:{closed}/nope": "failed",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?hostaddr=127.0.0.1": "ok",
    # TLS
    "postgresql://app:pw@127.0.0.1:{p}/postgres?sslmode=disable": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?sslmode=allow": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?sslmode=prefer": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?sslmode=require": "failed",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?ssl=true": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?ssl=true": "ok",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=require": "ok",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=verify-ca": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=verify-ca&sslrootcert={dir}/ca.pem": "ok",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=verify-full&sslrootcert={dir}/ca.pem": "ok",
    "postgresql://app:pw@localhost:{t}/postgres?sslmode=verify-full&sslrootcert={dir}/ca.pem": "ok",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=verify-ca&sslrootcert={dir}/client.crt": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=require&sslrootcert={dir}/client.crt": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=prefer&sslrootcert={dir}/client.crt": "ok",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=verify-ca&sslrootcert={dir}/missing.pem": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=require&sslrootcert={dir}/missing.pem": "ok",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=verify-full&sslrootcert=system": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=require&sslrootcert=system": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=sometimes": "failed",
    "postgresql://tlsonly:pw@127.0.0.1:{t}/postgres": "ok",
    "postgresql://tlsonly:pw@127.0.0.1:{t}/postgres?sslmode=allow": "ok",
    "postgresql://tlsonly:pw@127.0.0.1:{p}/postgres": "28000",
    "postgresql://plainonly:pw@127.0.0.1:{t}/postgres": "ok",
    "postgresql://plainonly:pw@127.0.0.1:{t}/postgres?sslmode=require": "28000",
    "postgresql://certified@127.0.0.1:{t}/postgres?sslmode=require": "28000",
    "postgresql://certified@127.0.0.1:{t}/postgres?sslcert={dir}/client.crt&sslkey={dir}/client.key": "ok",
    "postgresql://certified@127.0.0.1:{t}/postgres?sslmode=require&sslcert={dir}/client.crt&sslkey={dir}/shared.key": "failed",
    "postgresql://certified@127.0.0.1:{t}/postgres?sslmode=require&sslcert={dir}/good.crt&sslkey={dir}/client.key": "failed",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?sslmode=require&channel_binding=require": "ok",
    "postgresql://app:pw@127.0.0.1:{t}/postgres?channel_binding=disable": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?gssencmode=disable": "ok",
    # parameters
    "postgresql://app:pw@127.0.0.1:{p}/postgres?application_name=a%20b&options=-c%20work_mem%3D1MB": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?options=-c%20no_such_setting%3D1": "42704",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?options=-c%20work_mem%3Dmany": "22023",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?connect_timeout=5": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?no_such_parameter=1": "failed",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?client_encoding=LATIN1": "ok",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?client_encoding=nonsense": "22023",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?target_session_attrs=sometimes": "failed",
    "postgresql://app:pw@127.0.0.1:{p}/postgres?keepalives=1&keepalives_idle=30": "ok",
    # forms
    "postgresql://app:pw@127.0.0.1:0/postgres": "failed",
    "postgresql://app:pw@127.0.0.1:99999/postgres": "failed",
    "postgresql://app:pw@127.0.0.1:db/postgres": "failed",
    "postgresql://app:p%zz@127.0.0.1:{p}/postgres": "failed",
    "postgresql://app:p%@127.0.0.1:{p}/postgres": "failed",
    "postgresql://app:p%00w@127.0.0.1:{p}/postgres": "failed",
    "postgresql://app:pw@[::1:{p}/postgres": "failed",
    "mysql://app:pw@127.0.0.1:{p}/postgres": "failed",
}


@pytest.mark.parametrize("form", URLS)
async def test_the_speaker_and_libpq_agree(form, world):
    if "[::1]" in form and not has_ipv6():
        pytest.skip("no IPv6 loopback here")
    url = form.format(
        p=world.p, t=world.t, dir=world.dir, sockets=world.sockets, closed=free_port(),
        sockets_quoted=quote(str(world.sockets), safe=""),
    )  # fmt: skip
    assert (await ours(url), reference(url)) == (URLS[form], URLS[form])


@pytest.mark.parametrize(
    "handler",
    [peers.hang, peers.close_now, peers.reset_now, peers.reset_after_read, peers.garbage, peers.http_400, peers.trickle]
    + [
        peers.answer(data)
        for data in (b"-ERR unknown command\r\n", b"\x15\x03\x01\x00\x02\x02\x0a", b"N", b"S", b"E", b"ERROR\r\n")
    ],
)
@pytest.mark.parametrize("sslmode", ["disable", "prefer", "require"])
async def test_they_agree_that_a_peer_of_another_kind_is_no_database(handler, sslmode, peer):
    url = f"postgresql://app:pw@127.0.0.1:{peer(handler)}/postgres?sslmode={sslmode}"
    assert (await ours(url, 0.4), reference(url, 0.4)) == ("failed", "failed")


async def test_they_agree_on_dropped_packets(full_backlog):
    url = f"postgresql://app:pw@127.0.0.1:{full_backlog()}/postgres"
    assert (await ours(url, 0.4), reference(url, 0.4)) == ("failed", "failed")


async def test_they_agree_on_a_server_without_a_free_slot(postgres_server):
    server = postgres_server(max_connections=3, superuser_reserved_connections=0, max_wal_senders=0)
    held = [psycopg.connect(server.url()) for _ in range(3)]
    assert (await ours(server.url()), reference(server.url())) == ("53300", "53300")
    for connection in held:
        connection.close()


async def test_they_agree_on_variables_of_the_environment(world, monkeypatch):
    variables = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(world.p),
        "PGUSER": "app",
        "PGPASSWORD": "pw",
        "PGDATABASE": "postgres",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (await ours("postgresql://"), reference("postgresql://")) == ("ok", "ok")
    monkeypatch.setenv("PGSSLMODE", "require")
    assert (await ours("postgresql://"), reference("postgresql://")) == ("failed", "failed")


async def test_they_agree_on_a_password_file(world, monkeypatch, tmp_path):
    file = tmp_path / "passwords"
    file.write_text(f"127.0.0.1:{world.p}:*:app:pw\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    url = f"postgresql://app@127.0.0.1:{world.p}/postgres"
    assert (await ours(url), reference(url)) == ("ok", "ok")
    file.write_text(f"127.0.0.1:{world.p}:*:app:wrong\n")
    assert (await ours(url), reference(url)) == ("28P01", "28P01")


async def test_they_agree_on_a_service_file(world, monkeypatch, tmp_path):
    file = tmp_path / "services"
    file.write_text(f"[shop]\nhost=127.0.0.1\nport={world.p}\nuser=app\npassword=pw\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    assert (await ours("postgresql://?service=shop"), reference("postgresql://?service=shop")) == ("ok", "ok")
    assert (await ours("postgresql://?service=none"), reference("postgresql://?service=none")) == ("failed", "failed")
