"""The kind `postgres` against real servers: 18 from the wheel, 15 with TLS, PgBouncer, and peers that are none."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import psycopg
import pytest
from pydantic import ValidationError

from asking import UNFILLED, code_of, diagnosis_of, eventually
from servers import peers
from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass, Phase
from startupctl.failures import ConnectionBroken
from startupctl.kinds.postgres import Postgres
from startupctl.wire.pg_messages import PgError
from support import make_run

pytestmark = pytest.mark.anyio


def role(server, name, options=""):
    """Make a role `name` with the password `pw`; return its URL."""
    server.sql(f"DROP ROLE IF EXISTS {name}")
    server.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'pw' {options}")
    return server.url(user=name, password="pw")


# what it reports


async def test_a_database_that_answers_passes_with_what_the_server_says_of_itself(postgres, run, services):
    facts = await Postgres(url=postgres.url()).check(run)
    assert facts == {
        "server_version": "18.6",
        "database": "postgres",
        "user": "postgres",
        "tls": False,
        "writable": True,
    }
    assert services.notes == facts


async def test_the_version_of_tls_is_a_fact(postgres_server, run):
    server = postgres_server("15", tls="good")
    assert (await Postgres(url=server.url()).check(run))["tls"] == "TLSv1.3"


async def test_parts_say_the_same_as_a_url(postgres, run):
    parts = {"host": postgres.host, "port": postgres.port, "database": "postgres", "user": postgres.user}
    check = Postgres(**parts, password=postgres.password)
    assert (await check.check(run))["database"] == "postgres"
    assert check.target == Postgres(url=postgres.url()).target


async def test_the_target_shows_no_secret(postgres):
    check = Postgres(url=postgres.url(options="-c x=s3cret"))
    assert check.target == f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres"
    assert postgres.password not in repr(check) + str(check.place) + repr(check.place)
    assert postgres.password in set(check.secrets())


def test_a_check_loads_no_driver(postgres):
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from startupctl.kinds.postgres import Postgres
from support import make_run
asyncio.run(Postgres(url={postgres.url()!r}).check(make_run()))
try:
    asyncio.run(Postgres(url={postgres.url(password="wrong")!r}).check(make_run()))
except Exception as error:
    print(error.sqlstate, *(name for name in ("psycopg", "ctypes", "rich", "typer") if name in sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["28P01"]


# logins


async def test_a_missing_database_is_fixable_and_says_what_creates_it(postgres, run):
    found = await diagnosis_of(Postgres(url=postgres.url("nope")), run)
    assert (found.code.code, found.failure, found.signal) == ("PG001", FailureClass.FIXABLE, "3D000")
    assert "`startupctl init-db`" in found.hint
    assert "`create: true`" in found.hint
    assert f"`nope` does not exist on 127.0.0.1:{postgres.port}" in found.summary


@pytest.mark.parametrize("given", [{"password": "mistaken"}, {"user": "nobody_here"}])
async def test_a_wrong_password_and_an_unknown_role_look_alike(given, postgres, run):
    found = await diagnosis_of(Postgres(url=postgres.url(**given)), run)
    assert (found.code.code, found.failure, found.phase) == ("PG002", FailureClass.PERMANENT, Phase.AUTH)
    assert "which came from `url`" in found.hint
    assert "unknown role" in found.cause


async def test_an_expired_role_is_a_failed_authentication(postgres, run):
    assert await code_of(Postgres(url=role(postgres, "expired", "VALID UNTIL '2001-01-01'")), run) == "PG002"


async def test_a_password_that_was_not_given_is_told(postgres, run):
    found = await diagnosis_of(Postgres(host=postgres.host, port=postgres.port, user="app"), run)
    assert (found.code.code, found.signal) == ("PG002", "no password")
    assert "PGPASSWORD" in found.hint


async def test_the_password_of_the_environment_is_named_as_such(postgres, run, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "wrong")
    check = Postgres(host=postgres.host, port=postgres.port, user="postgres", database="postgres")
    assert "came from PGPASSWORD" in (await diagnosis_of(check, run)).hint


async def test_a_role_without_login_is_not_authorized(postgres, run):
    url = role(postgres, "asleep")
    postgres.sql("ALTER ROLE asleep NOLOGIN")
    found = await diagnosis_of(Postgres(url=url), run)
    assert (found.code.code, found.failure) == ("PG003", FailureClass.PERMANENT)


async def test_an_address_without_a_line_in_pg_hba_is_not_authorized(postgres_server, run):
    server = postgres_server(hba="host other all 127.0.0.1/32 scram-sha-256\n")
    assert await code_of(Postgres(url=server.url()), run) == "PG003"


async def test_a_database_that_is_closed(postgres, fresh_database, run):
    postgres.sql(f'ALTER DATABASE "{fresh_database}" ALLOW_CONNECTIONS false')
    assert await code_of(Postgres(url=postgres.url(fresh_database)), run) == "PG005"


async def test_a_role_that_may_not_connect_is_told_the_grant(postgres, fresh_database, run):
    url = role(postgres, "outsider").replace("/postgres", f"/{fresh_database}")
    postgres.sql(f'REVOKE CONNECT ON DATABASE "{fresh_database}" FROM public')
    found = await diagnosis_of(Postgres(url=url), run)
    assert found.code.code == "PG006"
    assert found.hint == f"GRANT CONNECT ON DATABASE {fresh_database} TO outsider"


async def test_a_server_without_a_free_slot_is_contention_and_counts_what_the_service_needs(postgres_server, run):
    server = postgres_server(max_connections=3, superuser_reserved_connections=0)
    held = [psycopg.connect(server.url()) for _ in range(3)]
    check = Postgres(url=server.url(), pool={"max": 7, "replicas": 3})
    found = await diagnosis_of(check, run)
    assert (found.code.code, found.failure) == ("PG004", FailureClass.CONTENTION)
    assert "21 connections (pool.max 7 x 3 replicas)" in found.hint
    assert "`max_connections`" in found.hint
    for connection in held:
        connection.close()
    assert await check.check(make_run())


async def test_the_limit_of_a_role_names_the_role(postgres, run):
    url = role(postgres, "narrow", "CONNECTION LIMIT 1")
    with psycopg.connect(url):
        found = await diagnosis_of(Postgres(url=url), run)
    assert (found.code.code, found.failure) == ("PG004", FailureClass.CONTENTION)
    assert "role `narrow`" in found.summary


async def test_a_database_whose_limit_is_0_is_shut_for_good(postgres, fresh_database, run):
    postgres.sql(f'ALTER DATABASE "{fresh_database}" CONNECTION LIMIT 0')
    url = role(postgres, "visitor").replace("/postgres", f"/{fresh_database}")
    found = await diagnosis_of(Postgres(url=url), run)
    assert (found.code.code, found.failure) == ("PG004", FailureClass.PERMANENT)
    assert found.hint.startswith("the limit is 0; ALTER DATABASE")


async def test_a_role_whose_limit_is_0_is_shut_for_good_where_an_administrator_can_tell(postgres, run):
    url = role(postgres, "locked", "CONNECTION LIMIT 0")
    assert (await diagnosis_of(Postgres(url=url), run)).failure is FailureClass.CONTENTION
    found = await diagnosis_of(Postgres(url=url, admin_url=postgres.url()), make_run())
    assert found.failure is FailureClass.PERMANENT


# TLS


async def test_a_server_without_tls_is_told_when_tls_is_demanded(postgres, run):
    found = await diagnosis_of(Postgres(url=postgres.url(), sslmode="require"), run)
    assert (found.code.code, found.phase) == ("TLS006", Phase.TLS)


async def test_a_role_that_is_let_in_by_tls_only_is_told_so(postgres_server, run):
    server = postgres_server("15", tls="good", hba="hostssl all all 127.0.0.1/32 scram-sha-256\n")
    assert await code_of(Postgres(url=server.url(), sslmode="disable"), run) == "TLS007"
    assert await Postgres(url=server.url()).check(run)


async def test_where_tls_would_not_help_it_is_not_blamed(postgres_server, run):
    server = postgres_server("15", tls="good", hba="host all other 127.0.0.1/32 scram-sha-256\n")
    assert await code_of(Postgres(url=server.url(), sslmode="disable"), run) == "PG003"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "TLS002"),
        ("future", "TLS003"),
        ("wronghost", "TLS004"),
        ("unknownca", "TLS001"),
        ("selfsigned", "TLS005"),
    ],
)
async def test_a_certificate_that_is_not_right_is_told_apart(kind, code, postgres_server, certs, run):
    server = postgres_server("15", tls=kind)
    verified = Postgres(url=server.url(), sslmode="verify-full", sslrootcert=str(certs / "ca.pem"))
    assert await code_of(verified, run) == code
    assert await Postgres(url=server.url(), sslmode="require").check(run)


async def test_certificate_files_are_found_beside_the_manifest(postgres_server, certs, run, tmp_path):
    server = postgres_server("15", tls="good")
    (tmp_path / "ca.pem").write_bytes((certs / "ca.pem").read_bytes())
    check = Postgres(url=server.url(), sslmode="verify-full", sslrootcert="ca.pem")
    assert (await check.check(run))["tls"]
    assert await code_of(Postgres(url=server.url(), sslmode="verify-full", sslrootcert="no.pem"), run) == "TLS010"


# states of a server


def standby(postgres_server, *, hot):
    """Make a server that recovers for ever."""
    server = postgres_server(wal_level="replica", hot_standby="on" if hot else "off", max_wal_senders=2)
    server.stop()
    server.write_private(server.data / "standby.signal", "")
    return server.start(wait=False)


async def test_a_hot_standby_is_ready_and_says_that_it_takes_no_writes(postgres_server, run):
    server = standby(postgres_server, hot=True).wait_ready()
    assert (await Postgres(url=server.url()).check(run))["writable"] is False
    found = await diagnosis_of(Postgres(url=server.url(), expect={"writable": True}), run)
    assert (found.code.code, found.failure) == ("PG015", FailureClass.WAITING)
    assert "it is a standby" in found.summary
    assert await code_of(Postgres(url=server.url(target_session_attrs="read-write")), run) == "PG015"
    assert await code_of(Postgres(url=server.url(target_session_attrs="primary")), run) == "PG015"
    assert await Postgres(url=server.url(target_session_attrs="standby")).check(run)
    assert await Postgres(url=server.url(), expect={"writable": False}).check(run)


async def test_a_standby_that_serves_no_queries_never_will(postgres_server, run):
    server = standby(postgres_server, hot=False)
    eventually(lambda: server.status() == "standby")
    found = await diagnosis_of(Postgres(url=server.url()), run)
    assert (found.code.code, found.failure, found.signal) == ("PG009", FailureClass.PERMANENT, "57P03")
    assert "`hot_standby = on`" in found.hint


async def test_a_server_that_recovers_is_warming_whatever_the_password(postgres_server, run):
    server = postgres_server(restore_command="sleep 30; false")
    server.stop(SIGKILL)
    server.write_private(server.data / "recovery.signal", "")
    server.start(wait=False)
    eventually(lambda: "was interrupted" in server.log())
    for password in (None, "wrong"):
        found = await diagnosis_of(Postgres(url=server.url(password=password)), run)
        assert (found.code.code, found.failure) == ("PG009", FailureClass.WARMING)


async def test_a_role_that_is_read_only_by_its_settings_stays_so(postgres, run):
    url = role(postgres, "reader")
    postgres.sql("ALTER ROLE reader SET default_transaction_read_only = on")
    found = await diagnosis_of(Postgres(url=url, expect={"writable": True}), run)
    assert (found.code.code, found.failure) == ("PG015", FailureClass.PERMANENT)
    assert "default_transaction_read_only" in found.hint
    assert await Postgres(url=f"{url}?target_session_attrs=primary").check(run)
    assert await code_of(Postgres(url=f"{url}?target_session_attrs=standby"), run) == "PG017"


async def test_a_stopped_process_accepts_and_is_mute(postgres_server):
    server = postgres_server()
    server.proc.send_signal(SIGSTOP)
    found = await diagnosis_of(Postgres(url=server.url()), make_run(0.5))
    server.proc.send_signal(SIGCONT)
    assert (found.code.code, found.failure) == ("NET003", FailureClass.SILENT)


async def test_a_session_that_is_terminated_is_a_lost_connection(postgres, run):
    check = Postgres(
        url=postgres.url(application_name="doomed"), expect={"query": {"sql": "select pg_sleep(30)", "equals": ""}}
    )
    doomed = "FROM pg_stat_activity WHERE application_name = 'doomed' AND query LIKE '%sleep%'"

    def terminate():
        eventually(lambda: postgres.sql(f"SELECT 1 {doomed}"))
        postgres.sql(f"SELECT pg_terminate_backend(pid) {doomed}")

    thread = threading.Thread(target=terminate)
    thread.start()
    found = await diagnosis_of(check, run)
    thread.join()
    assert (found.code.code, found.failure, found.signal) == ("PG016", FailureClass.TRANSIENT, "57P01")


# peers that are no database


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (peers.http_400, "PG014"),
        (peers.garbage, "PG014"),
        (peers.answer(b"-ERR unknown command\r\n"), "PG014"),
        (peers.answer(b"ERROR\r\n"), "PG014"),
        (peers.answer(b"\x15\x03\x01\x00\x02\x02\x0a"), "PG014"),
        (peers.answer(b"E\xff\xff\xff\xff\xff"), "PG014"),
        (peers.answer(b"R\x7f\xff\xff\xff\x00\x00\x00\x00"), "PG014"),
        (peers.trickle, "PG014"),
        (peers.close_now, "LB004"),
        (peers.reset_now, "LB004"),
        (peers.hang, "NET003"),
    ],
)
async def test_a_peer_of_another_kind_is_never_ready(handler, code, sslmode, peer):
    check = Postgres(url=f"postgresql://app:pw@127.0.0.1:{peer(handler)}/app", sslmode=sslmode)
    assert await code_of(check, make_run(1)) == code


async def test_what_answers_instead_is_named(peer, run):
    check = Postgres(url=f"postgresql://app:pw@127.0.0.1:{peer(peers.http_400)}/app")
    found = await diagnosis_of(check, run)
    assert (found.failure, found.summary.endswith("it answers with HTTP")) == (FailureClass.PERMANENT, True)


async def test_a_redis_server_is_never_ready(valkey):
    check = Postgres(url=f"postgresql://app:pw@127.0.0.1:{valkey.port}/app")
    assert await code_of(check, make_run(0.5)) in ("PG014", "NET003")


async def test_nobody_listens(free_port, run, tmp_path):
    assert await code_of(Postgres(url=f"postgresql://app:pw@127.0.0.1:{free_port()}/app"), run) == "NET001"
    assert await code_of(Postgres(host=str(tmp_path), user="app"), run) == "NET001"


async def test_dropped_packets_and_unknown_names(full_backlog, run):
    assert await code_of(Postgres(url=f"postgresql://a:b@127.0.0.1:{full_backlog()}/app"), make_run(0.5)) == "NET002"
    assert await code_of(Postgres(url="postgresql://a:b@startupctl-test.invalid/app"), run) in ("NET005", "NET006")


async def test_a_server_that_cannot_fork_says_so_in_bare_text(peer, run):
    port = peer(peers.answer(b"Ecould not fork new process for connection\n\0"))
    check = Postgres(url=f"postgresql://a:b@127.0.0.1:{port}/app", sslmode="disable")
    found = await diagnosis_of(check, run)
    assert (found.code.code, found.failure) == ("PG019", FailureClass.TRANSIENT)
    assert "could not fork" in found.summary


# what is left to libpq


async def test_several_hosts_are_left_to_libpq(postgres, free_port, run):
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{postgres.port}"
    url = f"postgresql://postgres:{postgres.password}@{hosts}/postgres"
    assert (await Postgres(url=url).check(run))["server_version"] == "18.6"
    assert await code_of(Postgres(url=url.replace("s3cret", "mistaken")), run) == "PG002"
    nobody = f"postgresql://a:b@127.0.0.1:{free_port()},127.0.0.1:{free_port()}/app"
    assert await code_of(Postgres(url=nobody), run) == "NET001"


async def test_libpq_is_bounded_by_the_attempt_too(peer):
    url = f"postgresql://a:b@127.0.0.1:{peer(peers.hang)},127.0.0.1:{peer(peers.hang)}/app"
    assert await code_of(Postgres(url=url), make_run(0.5)) == "NET003"


async def test_libpq_sees_a_session_end(postgres, run):
    url = postgres.url(keepalives="0", application_name="doomed_too", channel_binding="prefer", sslsni="0")
    check = Postgres(
        url=url, expect={"query": {"sql": "select pg_terminate_backend(pg_backend_pid())", "equals": True}}
    )
    assert await code_of(check, run) == "PG016"


async def test_a_parameter_that_libpq_does_not_know_is_an_invalid_value(postgres, run):
    found = await diagnosis_of(Postgres(url=postgres.url(no_such_parameter="1")), run)
    assert (found.code.code, found.failure) == ("CFG002", FailureClass.PERMANENT)
    assert "no_such_parameter" in found.summary
    assert postgres.password not in found.summary


# the pooler


async def test_a_pooler_passes_when_its_server_answers(postgres, pgbouncer, run):
    assert (await Postgres(url=pgbouncer(postgres).url()).check(run))["database"] == "postgres"


async def test_a_pooler_says_wrong_passwords_and_missing_databases_in_words(postgres, pgbouncer, run):
    pooler = pgbouncer(postgres)
    assert await code_of(Postgres(url=pooler.url(password="mistaken")), run) == "PG002"
    assert await code_of(Postgres(url=pooler.url(user="nobody_here")), run) == "PG002"
    assert await code_of(Postgres(url=pooler.url("nope")), run) == "PG001"


async def test_a_pooler_without_a_free_client_slot_is_full(postgres, pgbouncer, run):
    pooler = pgbouncer(postgres, max_client_conn=1)
    with psycopg.connect(pooler.url()):
        found = await diagnosis_of(Postgres(url=pooler.url()), run)
    assert (found.code.code, found.failure) == ("PGB001", FailureClass.CONTENTION)


async def test_a_pooler_is_not_ready_while_its_server_is_down(postgres_server, pgbouncer, run):
    server = postgres_server()
    pooler = pgbouncer(server)
    check = Postgres(url=pooler.url())
    assert await check.check(run)
    server.stop()
    assert await code_of(check, make_run(8)) in ("PGB001", "PGB002", "PG009", "PG016")
    server.start()
    end = time.monotonic() + 10
    while not await passes(check):
        assert time.monotonic() < end


async def passes(check):
    try:
        return bool(await check.check(make_run(3)))
    except (PgError, ConnectionBroken, Unhealthy):
        return False


# expectations


async def test_everything_that_is_expected_and_there(postgres, run):
    expect = {
        "version": ">=15,<99",
        "writable": True,
        "extensions": ["plpgsql"],
        "schema": "pg_catalog",
        "query": {"sql": "select count(*) from generate_series(1, 3)", "equals": 3},
    }
    assert await Postgres(url=postgres.url(), expect=expect).check(run)


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"version": ">=99"}, ("expected >=99", "found 18.6", "`expect.version`")),
        ({"writable": False}, ("expected read-only", "`expect.writable`")),
        ({"extensions": ["plpgsql", "pgcrypto", "o'dd"]}, ("expected pgcrypto, o'dd", "`expect.extensions`")),
        ({"schema": "billing"}, ("expected billing", "`expect.schema`")),
        ({"query": {"sql": "select 2", "equals": 3}}, ("expected `3`", "found `2`", "`expect.query`")),
        ({"query": {"sql": "select 1 where false", "equals": 1}}, ("found no row",)),
        ({"query": {"sql": "select null", "equals": 1}}, ("found NULL",)),
        ({"query": {"sql": "select * from no_such_table", "equals": 1}}, ("SQLSTATE 42P01", "no_such_table")),
        ({"query": {"sql": "create table t (a int)", "equals": 1}}, ("SQLSTATE 25006", "read-only transaction")),
    ],
)
async def test_what_is_not_as_expected_names_both_sides(expect, words, postgres, run):
    found = await diagnosis_of(Postgres(url=postgres.url(), expect=expect), run)
    assert (found.code.code, found.failure) == ("PG017", FailureClass.PERMANENT)
    for word in words:
        assert word in found.summary + found.hint


@pytest.mark.parametrize(
    ("sql", "equals"),
    [
        ("select 1.50::numeric", 1.5),
        ("select true", True),
        ("select 'true'", "true"),
        ("select null", None),
        ("select 'é'", "é"),
        ("select 1; select 2", 2),
        ("select 7, 8", 7),
    ],
)
async def test_a_value_is_compared_by_the_type_it_is_written_in(sql, equals, postgres, run):
    assert await Postgres(url=postgres.url(), expect={"query": {"sql": sql, "equals": equals}}).check(run)


async def test_a_query_that_takes_too_long_is_ended_on_the_server(postgres):
    sql = "select pg_sleep(60)"
    check = Postgres(url=postgres.url(application_name="sleeper"), expect={"query": {"sql": sql, "equals": ""}})
    found = await diagnosis_of(check, make_run(0.7))
    assert found.code.code in ("PG011", "NET003")
    eventually(lambda: not postgres.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'sleeper'"))


# the manifest


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "`url` or `host` is missing"),
        ({"url": "postgresql://a:b@db/app", "host": "db"}, "`url` and `host` exclude each other"),
        ({"url": "postgresql://a:b@db/app", "database": "app"}, "`url` and `database` exclude each other"),
        ({"url": "postgresql://a:b@db/app?sslmode=require", "sslmode": "require"}, "`sslmode` is given twice"),
        ({"url": "mysql://a:b@db/app"}, "the scheme `mysql` is not postgresql"),
        ({"url": "postgresql://a:b%@db/app"}, "starts no escape"),
        ({"url": "postgresql://a:b@db/app?sslmode=sometimes"}, "sslmode is not one of"),
        ({"url": "postgresql://a:b@db/app?connect_timeout=soon"}, "connect_timeout is not a whole number"),
        ({"url": "postgresql://a:b@db/app?target_session_attrs=best"}, "target_session_attrs is not one of"),
        ({"url": "postgresql://a:b@db/app", "admin_url": "http://db"}, "the scheme `http` is not postgresql"),
        ({"host": "db", "sslmode": "sometimes"}, "verify-full"),
        ({"host": "db", "port": 0}, "greater than or equal to 1"),
        ({"host": "db", "expect": {}}, "it asserts nothing"),
        ({"host": "db", "expect": {"extensions": []}}, "it asserts nothing"),
        ({"host": "db", "pool": {"min": 9, "max": 3}}, "`min` 9 is greater than `max` 3"),
        ({"host": "db", "create": {"ownr": "app"}}, "ownr"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused_without_showing_a_value(keys, words):
    with pytest.raises(ValidationError) as caught:
        Postgres(**keys)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://app:s3cretpw%zz@db/app", "postgresql://app:s3cretpw@db:x/app", "mysql://s3cretpw:s3cretpw@db"]
)
def test_a_url_that_is_refused_is_not_shown(url):
    with pytest.raises(ValidationError) as caught:
        Postgres(url=url)
    assert "s3cretpw" not in str(caught.value)


def test_create_is_a_flag_or_a_table():
    assert Postgres(host="db").create is None
    assert Postgres(host="db", create=False).create is None
    assert Postgres(host="db", create=True).create.template == "template0"
    assert Postgres(host="db", create={"owner": "app"}).create.owner == "app"


def test_an_empty_value_is_no_value(monkeypatch):
    check = Postgres(url="postgresql://app:pw@db/app", admin_url="", host="", expect={"version": ">=15"})
    assert check.admin_url is None
    assert check.admin_place.database == "postgres"
    assert check.admin_place.user == "app"


# errors of a session that changes something


@pytest.mark.parametrize(
    ("sqlstate", "code", "failure"),
    [
        ("42P07", "PG007", "permanent"),
        ("55P03", "PG008", "contention"),
        ("40P01", "PG010", "transient"),
        ("40001", "PG010", "transient"),
        ("57014", "PG011", "transient"),
        ("53100", "PG012", "permanent"),
        ("53200", "PG013", "transient"),
        ("25006", "PG015", "permanent"),
        ("57P01", "PG016", "transient"),
        ("XX001", "PG018", "permanent"),
        ("55000", "PG019", "transient"),
        ("58030", "PG019", "transient"),
        ("22012", "PG019", "permanent"),
        ("42601", "PG019", "permanent"),
        ("99999", "PG019", "transient"),
    ],
)
def test_an_sqlstate_decides_code_and_class(sqlstate, code, failure):
    found = Postgres(url="postgresql://app:pw@db/app").explain(
        StatementFailed(sqlstate, "words", FailureClass.PERMANENT)
    )
    assert (found.code.code, found.failure.value, found.signal) == (code, failure, sqlstate)
    assert not UNFILLED.search(found.summary + found.cause + found.hint)
    assert "words" in found.summary


@pytest.mark.parametrize(
    ("text", "code", "failure"),
    [
        ("no such database: app", "PG001", "permanent"),
        ('database "app" does not exist', "PG001", "permanent"),
        ("SASL authentication failed", "PG002", "permanent"),
        ("no such user: app", "PG002", "permanent"),
        ("no more connections allowed (max_client_conn)", "PGB001", "contention"),
        ("query_wait_timeout", "PGB001", "contention"),
        ("server login has been failing, try again later (server_login_retry)", "PGB002", "warming"),
        ("SSL required", "TLS007", "permanent"),
        ("invalid startup packet layout", "PG019", "transient"),
    ],
)
def test_words_of_the_pooler_decide_where_it_gives_one_sqlstate_for_all(text, code, failure):
    error = PgError({"C": "08P01", "M": text, "S": "FATAL"}, phase=Phase.AUTH)
    found = Postgres(url="postgresql://app:pw@db/app").explain(error)
    assert (found.code.code, found.failure.value) == (code, failure)


def test_an_error_of_somebody_else_is_left_to_the_general_table():
    check = Postgres(url="postgresql://app:pw@db/app")
    assert check.explain(ValueError("x")) is None
    assert check.explain(StatementFailed("", "x", FailureClass.TRANSIENT)) is None
