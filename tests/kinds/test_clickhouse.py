import asyncio
import subprocess
import sys
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from pydantic import ValidationError

from asking import code_of, diagnosis_of
from servers import peers
from servers.web import Tunnel, page
from startupctl.check import secret_keys
from startupctl.diagnosis import FailureClass, Phase
from startupctl.kinds.clickhouse import ClickHouse
from support import make_run


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def at(port, database="", scheme="clickhouse", **keys):
    return ClickHouse(url=f"{scheme}://app:pw@127.0.0.1:{port}/{database}", **keys)


# ready


@pytest.mark.anyio
async def test_a_server_that_executes_a_select_passes(clickhouse, run):
    facts = await at(clickhouse.port).check(run)

    assert facts["database"] == "default"
    assert facts["version"].startswith("26.")


@pytest.mark.anyio
async def test_parts_say_the_same_as_a_url(clickhouse, run):
    check = ClickHouse(host="127.0.0.1", port=clickhouse.port, database="system", user="app", password="pw")

    assert (await check.check(run))["database"] == "system"
    assert check.target == f"127.0.0.1:{clickhouse.port}/system"


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["clickhouse", "http", "clickhouse+http", "clickhousedb", "clickhousedb+connect"])
async def test_the_schemes_of_other_tools_are_taken(clickhouse, run, scheme):
    assert await at(clickhouse.port, scheme=scheme).check(run)


@pytest.mark.anyio
async def test_parameters_of_the_url_are_settings(clickhouse, run):
    query = {"sql": "SELECT getSetting('max_threads')", "equals": 3}
    url = f"clickhouse://default@127.0.0.1:{clickhouse.port}/?max_threads=3&compress=lz4"

    assert await ClickHouse(url=url, expect={"query": query}).check(run)


@pytest.mark.anyio
async def test_a_server_can_be_slow(clickhouse_server, run):
    server = clickhouse_server()
    server.fault("slow", "0.5")

    assert await at(server.port).check(run)


@pytest.mark.anyio
async def test_expectations_that_are_met(clickhouse, run):
    expect = {"version": ">=24.3,<99", "query": {"sql": "SELECT count() FROM system.one", "equals": 1}}

    assert await at(clickhouse.port, expect=expect).check(run)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"version": ">=99"}, ("version", ">=99", "found 26.")),
        ({"query": {"sql": "SELECT 3", "equals": 4}}, ("query", "`4`", "found `3`")),
        ({"query": {"sql": "SELECT 1 WHERE 0"}}, ("query", "at least one row", "found no row")),
        ({"query": {"sql": "SELECT NULL", "equals": 0}}, ("query", "`0`", "found NULL")),
    ],
)
async def test_expectations_that_are_not_met(clickhouse, run, expect, words):
    found = await diagnosis_of(at(clickhouse.port, expect=expect), run)

    assert (found.code.code, found.failure) == ("CH013", FailureClass.PERMANENT)
    assert all(word in found.summary for word in words)


# refused


@pytest.mark.anyio
@pytest.mark.parametrize("userinfo", ["app:mistaken@", "nobody:pw@", "app@", ":mistaken@"])
async def test_wrong_passwords_and_unknown_users_look_alike(clickhouse, run, userinfo):
    found = await diagnosis_of(ClickHouse(url=f"clickhouse://{userinfo}127.0.0.1:{clickhouse.port}"), run)

    assert (found.code.code, found.failure, found.phase) == ("CH005", FailureClass.PERMANENT, Phase.AUTH)


@pytest.mark.anyio
async def test_a_missing_database_is_mendable_only_where_it_may_be_created(clickhouse, run):
    found = await diagnosis_of(at(clickhouse.port, "missing", create=True), run)
    assert (found.code.code, found.failure, found.mendable) == ("CH001", FailureClass.FIXABLE, True)

    found = await diagnosis_of(at(clickhouse.port, "missing"), run)
    assert (found.code.code, found.failure, found.mendable) == ("CH001", FailureClass.FIXABLE, False)
    assert "`missing`" in found.summary
    assert "create: true" in found.hint


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("number", "code", "failure"),
    [
        (60, "CH002", "permanent"),
        (62, "CH003", "permanent"),
        (46, "CH003", "permanent"),
        (47, "CH003", "permanent"),
        (115, "CH003", "permanent"),
        (57, "CH004", "permanent"),
        (82, "CH004", "permanent"),
        (192, "CH005", "permanent"),
        (193, "CH005", "permanent"),
        (194, "CH005", "permanent"),
        (516, "CH005", "permanent"),
        (164, "CH006", "permanent"),
        (195, "CH006", "permanent"),
        (291, "CH006", "permanent"),
        (497, "CH006", "permanent"),
        (241, "CH007", "transient"),
        (202, "CH008", "contention"),
        (203, "CH008", "contention"),
        (364, "CH008", "contention"),
        (159, "CH009", "transient"),
        (209, "CH009", "transient"),
        (210, "CH009", "transient"),
        (279, "CH009", "transient"),
        (394, "CH009", "transient"),
        (519, "CH009", "transient"),
        (999, "CH010", "warming"),
        (242, "CH010", "warming"),
        (225, "CH010", "permanent"),
        (243, "CH011", "permanent"),
        (252, "CH011", "permanent"),
        (236, "CH014", "warming"),
        (373, "CH014", "contention"),
        (198, "CH014", "transient"),
        (1000, "CH014", "transient"),
    ],
)
async def test_exceptions_are_known_by_their_number(run, peer, number, code, failure):
    text = f"Code: {number}. DB::Exception: why. (NAME) (version 26.9.1)"
    answer = page(text, "500 Internal Server Error", X_ClickHouse_Exception_Code=number)
    found = await diagnosis_of(at(peer(peers.answer(answer))), run)

    assert (found.code.code, found.failure, found.signal) == (code, failure, f"code {number}")
    assert found.said == "why. (NAME) (version 26.9.1)"


@pytest.mark.anyio
@pytest.mark.parametrize("number", [81, 202, 241, 497, 516, 999])
async def test_a_real_server_says_the_same(clickhouse_server, run, number):
    server = clickhouse_server()
    server.fault("code", number)

    assert (await diagnosis_of(at(server.port), run)).signal == f"code {number}"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("401 Unauthorized", "CH005"),
        ("403 Forbidden", "CH005"),
        ("404 Not Found", "CH012"),
        ("400 Bad Request", "CH012"),
        ("302 Found", "CH012"),
        ("429 Too Many Requests", "DEP006"),
        ("500 Internal Server Error", "DEP006"),
        ("502 Bad Gateway", "LB002"),
        ("503 Service Unavailable", "LB001"),
        ("504 Gateway Timeout", "LB003"),
    ],
)
async def test_answers_without_a_number_are_those_of_a_gateway(run, peer, status, code):
    found = await diagnosis_of(at(peer(peers.answer(page("<html>", status, Retry_After="3")))), run)

    assert found.code.code == code
    assert found.retry_after == (3 if code[:2] in ("LB", "DE") else None)


# no server, or another one


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (("hang", "5"), "NET003"),
        (("rst",), "LB004"),
        (("drop",), "LB004"),
        (("truncate",), "NET011"),
        (("status", "503"), "LB001"),
    ],
)
async def test_a_server_that_breaks_off(clickhouse_server, fault, code):
    server = clickhouse_server()
    server.fault(*fault)

    assert await code_of(at(server.port), make_run(1)) == code


@pytest.mark.anyio
async def test_nobody_listens(free_port, run):
    found = await diagnosis_of(at(free_port()), run)

    assert (found.code.code, found.failure) == ("NET001", FailureClass.WAITING)


@pytest.mark.anyio
async def test_a_stopped_server_answers_again(clickhouse_server):
    server = clickhouse_server()
    server.proc.send_signal(SIGSTOP)
    try:
        assert await code_of(at(server.port), make_run(0.7)) == "NET003"
    finally:
        server.proc.send_signal(SIGCONT)
    assert await at(server.port).check(make_run(10))


@pytest.mark.anyio
@pytest.mark.parametrize("handler", [peers.hang, peers.trickle])
async def test_mute_and_trickling_peers_end_with_the_attempt(peer, handler):
    assert await code_of(at(peer(handler)), make_run(0.7)) == "NET003"


NATIVE = b"HTTP/1.0 400 Bad Request\r\n\r\nPort 9000 is for clickhouse-client program\r\nYou must use port 8123 for HTTP.\r\n"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "handler",
    [peers.answer(NATIVE), peers.http_400, peers.garbage, peers.answer(page("It works!")), peers.answer(page(""))],
)
async def test_what_is_no_clickhouse_over_http_is_told(peer, run, handler):
    found = await diagnosis_of(at(peer(handler)), run)

    assert (found.code.code, found.failure) == ("CH012", FailureClass.PERMANENT)


def test_the_port_of_another_protocol_names_the_right_one():
    from startupctl.addresses import Endpoint
    from startupctl.failures import NotThisProtocol

    for port, right in ((9000, "8123"), (9440, "8443"), (9004, "8123"), (9005, "8123"), (9009, "8123"), (1234, "8123")):
        found = at(port).explain(NotThisProtocol(Endpoint("127.0.0.1", port), "ClickHouse", NATIVE))
        assert found.code.code == "CH012"
        assert right in found.hint


@pytest.mark.anyio
async def test_ping_is_not_believed(run, peer):
    def only_ping(connection):
        peers.answer(page("Ok.\n"))(connection)

    assert await code_of(at(peer(only_ping)), run) == "CH012"


# TLS


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["clickhouses", "https", "clickhouse+https"])
async def test_tls_with_a_good_certificate(clickhouse_server, certs, run, scheme):
    server = clickhouse_server(tls="good")

    assert await at(server.port, scheme=scheme, ca_file=certs / "ca.pem").check(run)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "code"),
    [("expired", "TLS002"), ("wronghost", "TLS004"), ("unknownca", "TLS001"), ("selfsigned", "TLS005")],
)
async def test_certificates_are_checked_unless_told_otherwise(clickhouse_server, certs, run, kind, code):
    server = clickhouse_server(tls=kind)
    url = f"clickhouse://app:pw@127.0.0.1:{server.port}/?secure=true"

    assert await code_of(ClickHouse(url=url, ca_file=certs / "ca.pem"), run) == code
    assert await ClickHouse(url=url, verify=False).check(run)
    assert await ClickHouse(url=url + "&verify=false").check(run)


@pytest.mark.anyio
async def test_files_of_the_url_lie_beside_the_manifest(clickhouse_server, certs):
    server = clickhouse_server(tls="wronghost")
    url = f"clickhouses://app:pw@127.0.0.1:{server.port}/?ca_cert=ca.pem&server_host_name=db.other.example"

    assert await ClickHouse(url=url).check(make_run(folder=certs))


@pytest.mark.anyio
async def test_tls_mix_ups_are_told(clickhouse_server, clickhouse, run):
    found = await diagnosis_of(at(clickhouse_server(tls="good").port), run)
    assert (found.code.code, "clickhouses://" in found.hint) == ("CH012", True)

    found = await diagnosis_of(at(clickhouse.port, scheme="clickhouses"), run)
    assert (found.code.code, "8123" in found.hint) == ("CH012", True)


# proxies and balancers


@pytest.mark.anyio
async def test_a_dead_proxy_of_the_environment_is_blamed(clickhouse, free_port, run, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://user:hunter22@127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "other.example")

    found = await diagnosis_of(at(clickhouse.port), run)

    assert found.code.code == "PRX001"
    assert "hunter22" not in found.summary + found.hint


@pytest.mark.anyio
async def test_a_server_behind_a_proxy(clickhouse_server, certs, run, peer, monkeypatch):
    server, tunnel = clickhouse_server(tls="good"), Tunnel()
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{peer(tunnel)}")
    monkeypatch.setenv("no_proxy", "")

    assert await at(server.port, scheme="https", ca_file=certs / "ca.pem").check(run)
    assert len(tunnel.requests) == 1


@pytest.mark.anyio
async def test_a_balancer_with_and_without_a_server(clickhouse, free_port, haproxy, run):
    config = (
        "defaults\n mode http\n timeout connect 200ms\n timeout client 5s\n timeout server 2s\n"
        "listen l\n bind 127.0.0.1:{port}\n server s 127.0.0.1:%d\n"
    )

    assert await at(haproxy(config % clickhouse.port).port).check(run)
    assert await code_of(at(haproxy(config % free_port()).port), run) == "LB001"


# embedded


@pytest.mark.anyio
async def test_the_embedded_engine_in_memory():
    pytest.importorskip("chdb")
    run = make_run(30)
    expect = {"query": {"sql": "SELECT getSetting('max_threads')", "equals": 3}}

    assert (await ClickHouse(url="chdb://memory?max_threads=3", expect=expect).check(run))["database"] == "default"
    assert await code_of(ClickHouse(url="chdb://memory/missing", create=True), run) == "CH001"
    assert await code_of(ClickHouse(url="chdb://?nothing_here=1"), run) == "CH003"


@pytest.mark.anyio
async def test_a_folder_that_is_not_there_is_not_made(tmp_path, run):
    check = ClickHouse(url=f"chdb://{tmp_path}/events", create=True)
    found = await diagnosis_of(check, run)

    assert (found.code.code, found.failure) == ("CH001", FailureClass.FIXABLE)
    assert list(tmp_path.iterdir()) == []
    assert check.target == f"chdb:{tmp_path}/events"


# keys


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"url": ""},
        {"url": "clickhouse://h", "host": "h"},
        {"url": "clickhouse://h", "database": "d"},
        {"url": "clickhouse+native://h"},
        {"url": "clickhouse://a:hunter22@b:1,c:2/"},
        {"url": "clickhouse://a:hunter22@b:port/"},
        {"host": "h", "port": 0},
        {"host": "h", "create": "perhaps"},
        {"host": "h", "expect": {"version": "new"}},
        {"host": "h", "expect": {"query": {"equals": 1}}},
        {"host": "h", "unknown": 1},
    ],
)
def test_mistakes_are_found_and_no_secret_is_repeated(keys):
    with pytest.raises(ValidationError) as caught:
        ClickHouse(**keys)

    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("create", "engine"),
    [
        (True, ""),
        ("true", ""),
        ({"engine": "Atomic"}, "Atomic"),
        (False, None),
        ("false", None),
        ("", None),
        (None, None),
    ],
)
def test_create_is_a_switch_or_a_table(create, engine):
    created = ClickHouse(host="h", create=create).create

    assert (created and created.engine) == engine


def test_secrets_are_known():
    url = "clickhouse://u:hunter22@h/?access_token=abcdef"

    assert set(ClickHouse(url=url).secrets()) == {"hunter22", "abcdef"}
    assert set(ClickHouse(host="h", password="hunter22").secrets()) == {"hunter22"}
    assert ClickHouse(url=url).target == "h:8123"
    assert {"url", "password"} <= secret_keys(ClickHouse)


def test_no_driver_is_imported_while_a_server_is_asked(clickhouse):
    program = (
        "import asyncio, sys; from support import make_run; from startupctl.kinds.clickhouse import ClickHouse;"
        f"asyncio.run(ClickHouse(url='clickhouse://app:pw@127.0.0.1:{clickhouse.port}/').check(make_run(20)));"
        "print([name for name in ('clickhouse_connect', 'chdb', 'psycopg', 'redis', 'numpy') if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True
    )

    assert ended.stdout.strip() == "[]"


@pytest.mark.anyio
async def test_many_are_asked_at_once(clickhouse, run):
    checks = [at(clickhouse.port).check(run) for _ in range(20)]

    assert len({facts["version"] for facts in await asyncio.gather(*checks)}) == 1
