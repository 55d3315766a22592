"""The ClickHouse engine behind HTTP answers as a server does."""

from __future__ import annotations

import gzip
import http.client
import threading
import urllib.parse
from contextlib import contextmanager

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

USER = {"X-ClickHouse-User": "app", "X-ClickHouse-Key": "pw"}


def ask(server, sql=b"", method="POST", path="/", headers=USER, **params):
    """Send one request; return status, headers and body."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        connection.request(method, f"{path}?{urllib.parse.urlencode(params)}", sql, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.fixture
def client(clickhouse):
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, username="app", password="pw", autogenerate_session_id=False
    ) as client:
        yield client


@pytest.fixture
def database(clickhouse, request):
    name = f"db_{abs(hash(request.node.name)) % 10**8}"
    clickhouse.query(f"CREATE DATABASE {name}")
    yield name
    clickhouse.query(f"DROP DATABASE {name}")


def test_rows_go_in_and_come_out_through_the_driver(client, database):
    client.command(f"CREATE TABLE {database}.t (id UInt64, s Nullable(String)) ENGINE = MergeTree ORDER BY id")
    client.insert("t", [[1, "a"], [2, None]], column_names=["id", "s"], database=database)
    client.command(f"INSERT INTO {database}.t VALUES (3, 'c')")
    client.raw_insert(f"{database}.t", ["id", "s"], "4,d\n", fmt="CSV")
    rows = client.query(f"SELECT id, s FROM {database}.t WHERE id < {{top:UInt64}} ORDER BY id", {"top": 3}).result_rows
    assert rows == [(1, "a"), (2, None)]


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM nope", 60, 404),
        ("SELECT * FROM nope.nope", 81, 404),
        ("CREAT TABLE x", 62, 400),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT nope", 47, 404),
        ("SELECT 1 SETTINGS nope = 1", 115, 404),
        ("CREATE DATABASE default", 82, 500),
        ("SELECT groupArray(number) FROM numbers(50000000) SETTINGS max_memory_usage = 10000000", 241, 500),
    ],
)
def test_errors_have_the_servers_number_and_status(clickhouse, sql, code, status):
    got, headers, body = ask(clickhouse, sql.encode())
    assert (got, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


@pytest.mark.parametrize(
    "sql", ["SELECT ';'", "SELECT 1 -- ; x", "SELECT 1;", "SELECT 1 /* ; x */ ;\n", "SELECT 1 AS `;a`"]
)
def test_a_semicolon_that_ends_nothing_is_no_second_statement(clickhouse, sql):
    assert ask(clickhouse, sql.encode())[0] == 200


def test_a_get_is_read_only(clickhouse):
    assert ask(clickhouse, method="GET", query="SELECT 1")[2] == b"1\n"
    assert ask(clickhouse, method="GET", query="CREATE DATABASE x")[1]["X-ClickHouse-Exception-Code"] == "164"


def test_ping_needs_no_password(clickhouse):
    assert ask(clickhouse, method="GET", path="/ping", headers={})[2] == b"Ok.\n"


@pytest.mark.parametrize(
    ("headers", "params", "status"),
    [
        (USER, {}, 200),
        ({}, {"user": "app", "password": "pw"}, 200),
        ({"Authorization": "Basic YXBwOnB3"}, {}, 200),
        ({}, {}, 200),
        ({"Authorization": "Basic !"}, {}, 403),
        (USER | {"X-ClickHouse-Key": "wrong"}, {}, 403),
        ({"X-ClickHouse-User": "ghost"}, {}, 403),
    ],
)
def test_users_authenticate_in_three_ways(clickhouse, headers, params, status):
    assert ask(clickhouse, b"SELECT 1", headers=headers, **params)[0] == status


def test_settings_live_for_one_query_of_a_session(clickhouse):
    changed = b"SELECT count() FROM system.settings WHERE name = 'max_threads' AND changed"
    assert ask(clickhouse, changed, session_id="settings", max_threads=7)[2] == b"1\n"
    assert ask(clickhouse, changed, session_id="settings")[2] == b"0\n"


def test_a_session_keeps_its_temporary_table_and_its_database(clickhouse, database):
    ask(clickhouse, b"CREATE TEMPORARY TABLE mine (a Int8)", session_id="temporary")
    assert ask(clickhouse, b"INSERT INTO mine FORMAT CSV\n1\n2\n", session_id="temporary")[0] == 200
    assert ask(clickhouse, b"SELECT sum(a) FROM mine", session_id="temporary")[2] == b"3\n"
    assert ask(clickhouse, b"SELECT sum(a) FROM mine")[0] == 404


@contextmanager
def sleeping(server, **params):
    """Keep a query running for a second; yields once it runs."""
    thread = threading.Thread(target=ask, args=(server, b"SELECT sleep(1)"), kwargs=params)
    thread.start()
    while ask(server, b"SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'")[2] == b"0\n":
        assert thread.is_alive()
    yield
    thread.join()


def test_a_session_serves_one_query_at_a_time(clickhouse):
    with sleeping(clickhouse, session_id="busy"):
        assert ask(clickhouse, b"SELECT 1", session_id="busy")[1]["X-ClickHouse-Exception-Code"] == "373"
    assert ask(clickhouse, b"SELECT 1", session_id="busy")[0] == 200


def test_a_session_that_must_exist_is_not_made(clickhouse):
    assert ask(clickhouse, b"SELECT 1", session_id="ghost", session_check=1)[1]["X-ClickHouse-Exception-Code"] == "372"


def test_two_queries_of_one_id_do_not_run_together(clickhouse):
    with sleeping(clickhouse, query_id="twice"):
        assert ask(clickhouse, b"SELECT 1", query_id="twice")[1]["X-ClickHouse-Exception-Code"] == "216"
    assert ask(clickhouse, b"SELECT 1", query_id="twice")[0] == 200


def test_a_packed_and_chunked_body_is_read(clickhouse):
    body = gzip.compress(b"SELECT 41 + 1")
    headers = USER | {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"
    assert ask(clickhouse, chunks, headers=headers)[2] == b"42\n"
    assert ask(clickhouse, b"x", headers=USER | {"Content-Encoding": "nope"})[0] == 400


def test_queries_run_side_by_side(clickhouse):
    counts = []
    threads = [
        threading.Thread(target=lambda: counts.append(ask(clickhouse, b"SELECT count() FROM numbers(1000)")[2]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [b"1000\n"] * 8


@pytest.mark.parametrize(
    ("kind", "arg", "error"),
    [
        ("status", 503, OperationalError),
        ("status", 502, DatabaseError),
        ("code", 202, DatabaseError),
        ("truncate", "", Exception),
        ("rst", "", OperationalError),
        ("drop", "", OperationalError),
    ],
)
def test_a_fault_acts_on_the_next_queries(clickhouse_server, kind, arg, error):
    server = clickhouse_server()
    with clickhouse_connect.get_client(
        host=server.host, port=server.port, username="app", password="pw", query_retries=0
    ) as client:
        server.fault(kind, arg, 3)
        with pytest.raises(error):
            client.query("SELECT 1")
        server.fault("none")
        assert client.query("SELECT 1").result_rows == [(1,)]


def test_faults_exist_only_where_they_were_asked_for(clickhouse_server):
    server = clickhouse_server(start=False)
    server.options.remove("--faults")
    server.start()
    assert ask(server, path="/_fault", kind="status", arg="503")[0] == 404
    assert ask(server, b"SELECT 1")[0] == 200


def test_data_survives_a_kill(clickhouse_server):
    server = clickhouse_server()
    server.query("CREATE TABLE default.t (a Int8) ENGINE = MergeTree ORDER BY a")
    server.query("INSERT INTO default.t VALUES (1)")
    server.stop(9)
    server.start()
    assert server.query("SELECT a FROM default.t") == "1\n"


def test_it_speaks_https(clickhouse_server, certs):
    server = clickhouse_server(tls="good")
    with clickhouse_connect.get_client(
        host="localhost",
        port=server.port,
        interface="https",
        ca_cert=str(certs / "ca.pem"),
        username="app",
        password="pw",
    ) as client:
        assert client.query("SELECT 1").result_rows == [(1,)]
