"""The kind `redis` against real servers: Valkey for most states, Debian's Redis for TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest
import redis as driver
from pydantic import ValidationError

from asking import UNFILLED, code_of, diagnosis_of, eventually
from servers import peers
from startupctl.addresses import Endpoint
from startupctl.diagnosis import FailureClass, Phase
from startupctl.kinds.redis import Redis
from startupctl.wire.resp import RedisError, Resp
from startupctl.wire.stream import Stream
from support import make_run

# -- a server that is ready


@pytest.mark.anyio
async def test_a_server_that_answers_passes_with_what_it_says_of_itself(valkey, run):
    facts = await Redis(url=valkey.url()).check(run)
    assert facts["server"] == "valkey"
    assert facts["version"].startswith("9.")
    assert (facts["role"], facts["mode"]) == ("master", "standalone")
    assert facts["used_memory"] > 0


@pytest.mark.anyio
async def test_a_redis_is_told_from_a_valkey(redis_server, run):
    facts = await Redis(url=redis_server().url()).check(run)
    assert facts["server"] == "redis"
    assert (facts["role"], facts["mode"]) == ("master", "standalone")


@pytest.mark.parametrize("password", ["pw", "p@ss/w:rd?#%", "пароль"])
@pytest.mark.anyio
async def test_the_password_of_the_url_is_sent(password, valkey_server, run, services):
    server = valkey_server(requirepass=password)
    await Redis(url=server.url(db=3)).check(run)
    await Redis(host=server.host, port=server.port, password=password, db=3).check(run)
    assert services.warnings == []


@pytest.mark.anyio
async def test_a_user_of_the_access_list_who_may_only_ping_passes(valkey_server, run):
    server = valkey_server()
    server.cli("ACL", "SETUSER", "app", "on", ">pw", "+ping", "+select")
    assert await Redis(url=server.url("pw", "app", 1)).check(run) == {}


@pytest.mark.anyio
async def test_a_password_that_nobody_asked_for_is_a_warning(valkey, run, services):
    facts = await Redis(url=valkey.url("pw", db=1)).check(run)
    assert facts["role"] == "master"
    assert [code for code, _ in services.warnings] == ["RDS018"]


@pytest.mark.anyio
async def test_a_socket_is_found_relative_to_the_manifest_and_by_url(valkey_server, tmp_path, run):
    path = tmp_path / "valkey.sock"
    valkey_server(unixsocket=path).cli("PING")  # answered once every listener is open
    for url in (f"unix://{path}?db=2", f"redis+unix://{path}", f"redis+socket://{path}?virtual_host=1"):
        assert (await Redis(url=url).check(run))["role"] == "master"


# -- authentication and permission


@pytest.mark.anyio
async def test_a_missing_password_is_told(valkey_server, run):
    found = await diagnosis_of(Redis(url=valkey_server(requirepass="pw").url("")), run)
    assert (found.code.code, found.signal, found.failure) == ("RDS002", "NOAUTH", FailureClass.PERMANENT)


@pytest.mark.parametrize("userinfo", [("wrong-pw", ""), ("pw", "nobody"), ("", "nobody")])
@pytest.mark.anyio
async def test_a_wrong_password_and_an_unknown_user_look_alike(userinfo, valkey_server, run):
    check = Redis(url=valkey_server(requirepass="pw").url(*userinfo))
    found = await diagnosis_of(check, run)
    assert (found.code.code, found.phase) == ("RDS003", Phase.AUTH)
    assert "wrong-pw" not in found.summary + found.hint


@pytest.mark.anyio
async def test_a_user_who_may_not_ping_is_told_the_rule_that_is_missing(valkey_server, run):
    server = valkey_server()
    server.cli("ACL", "SETUSER", "app", "on", ">pw", "+get")
    found = await diagnosis_of(Redis(url=server.url("pw", "app")), run)
    assert found.code.code == "RDS011"
    assert "ACL SETUSER app +ping" in found.hint


@pytest.mark.parametrize(("expect", "command"), [({"version": ">=7"}, "info"), ({"role": "master"}, "role")])
@pytest.mark.anyio
async def test_an_expectation_that_the_user_may_not_prove_fails(expect, command, valkey_server, run):
    server = valkey_server()
    server.cli("ACL", "SETUSER", "app", "on", ">pw", "+ping")
    found = await diagnosis_of(Redis(url=server.url("pw", "app"), expect=expect), run)
    assert found.code.code == "RDS011"
    assert f"+{command}" in found.hint


@pytest.mark.anyio
async def test_a_database_that_does_not_exist_is_told(valkey, run):
    found = await diagnosis_of(Redis(url=valkey.url(db=99)), run)
    assert found.code.code == "RDS015"
    assert "99" in found.summary


@pytest.mark.skipif(shutil.which("unshare") is None, reason="a network namespace needs `unshare`")
def test_protected_mode_is_told_to_those_it_refuses(redis_server):
    server = redis_server(start=False, bind="127.0.0.1 192.0.2.1")
    script = f"""
import asyncio, subprocess, sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from support import make_run
from startupctl.check import Unhealthy
from startupctl.failures import ConnectionBroken
from startupctl.kinds.redis import Redis
server = subprocess.Popen({server.argv()!r}, stdout=subprocess.DEVNULL)
async def look(host):
    try:
        await Redis(host=host, port={server.port}).check(make_run(5))
    except Unhealthy as unhealthy:
        return unhealthy.diagnosis.code.code
    except ConnectionBroken:
        return "not yet"
    return "ready"
try:
    while asyncio.run(look("127.0.0.1")) != "ready":
        time.sleep(0.05)
    print(asyncio.run(look("192.0.2.1")))
finally:
    server.terminate()
    server.wait()
"""
    network = "ip link set lo up && ip addr add 192.0.2.1/32 dev lo"
    namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    if subprocess.run([*namespace, "sh", "-c", network], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no network namespace")
    inside = f'{network} && exec "$0" -c "$1"'
    seen = subprocess.run(
        [*namespace, "sh", "-c", inside, sys.executable, script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (seen.stdout, seen.returncode) == ("RDS008\n", 0), seen.stderr


# -- a server that is not ready yet, or not any more


@pytest.fixture
def loading_server(valkey_server):
    """A server that loads 20,000 keys slowly."""
    server = valkey_server(enable_debug_command="yes")
    server.cli("DEBUG", "POPULATE", "20000")
    server.cli("CONFIG", "SET", "save", "3600 1")
    server.cli("SAVE")
    server.stop(SIGKILL)
    server.settings |= {"key-load-delay": "150", "loading-process-events-interval-bytes": "1024"}
    return server.start()


@pytest.mark.anyio
async def test_a_server_that_loads_its_data_says_how_far_it_is(loading_server, run, services):
    found = await diagnosis_of(Redis(url=loading_server.url(db=1)), run)
    assert (found.code.code, found.failure) == ("RDS001", FailureClass.WARMING)
    assert re.search(r"\d % done, about \d+ s left", found.summary)
    assert found.retry_after is None or 0 < found.retry_after <= 5
    [(text, done, total)] = services.steps
    assert text.startswith("loading")
    assert 0 <= done <= total == 100


@pytest.mark.anyio
async def test_a_server_that_may_not_be_asked_how_far_it_is_still_loads(valkey_server, run):
    check = Redis(url=valkey_server().url())
    assert check.explain(RedisError("LOADING", "Redis is loading", "PING")).retry_after is None
    assert "does not say" in check.explain(RedisError("LOADING", "", "PING")).summary


@pytest.mark.anyio
async def test_a_running_script_is_told(valkey_server, run):
    server = valkey_server(busy_reply_threshold=20)

    def spin():
        with contextlib.suppress(driver.RedisError):
            server.cli("EVAL", "while true do end", "0")

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        await asyncio.sleep(0.3)
        found = await diagnosis_of(Redis(url=server.url(db=1)), run)
    finally:
        server.cli("SCRIPT", "KILL")
        thread.join()
    assert (found.code.code, found.failure) == ("RDS012", FailureClass.WARMING)


@pytest.mark.anyio
async def test_a_server_that_takes_no_more_connections_is_contention(valkey_server, run):
    server = valkey_server(maxclients=2)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(driver.Redis(port=server.port, retry=None)).ping()
        for url in (server.url(), server.url("pw", db=1)):
            found = await diagnosis_of(Redis(url=url), run)
            assert (found.code.code, found.failure) == ("RDS007", FailureClass.CONTENTION)


@pytest.mark.anyio
async def test_a_server_that_cannot_save_is_told(valkey_server, run, tmp_path):
    server = valkey_server(enable_protected_configs="yes", save="3600 1")
    gone = tmp_path / "gone"
    gone.mkdir()
    server.cli("SET", "a", "1")
    server.cli("CONFIG", "SET", "dir", str(gone))
    gone.rmdir()
    with contextlib.suppress(driver.ResponseError):
        server.cli("BGSAVE")
    eventually(lambda: server.cli("INFO", "persistence")["rdb_last_bgsave_status"] == "err")
    found = await diagnosis_of(Redis(url=server.url()), run)
    assert (found.code.code, found.signal, found.failure) == ("RDS013", "MISCONF", FailureClass.PERMANENT)
    server.cli("CONFIG", "SET", "save", "")


@pytest.mark.anyio
async def test_a_full_server_is_a_warning_and_a_failure_for_those_who_write(valkey_server, run, services):
    server = valkey_server(maxmemory="100kb", maxmemory_policy="noeviction")
    with pytest.raises(driver.exceptions.OutOfMemoryError):
        server.cli("SET", "key", "value")
    await Redis(url=server.url()).check(run)
    assert [code for code, _ in services.warnings] == ["RDS006"]
    found = await diagnosis_of(Redis(url=server.url(), expect={"role": "master"}), run)
    assert (found.code.code, found.failure) == ("RDS006", FailureClass.TRANSIENT)
    assert "102400" in found.summary
    assert "noeviction" in found.summary


# -- roles


@pytest.fixture
def pair(valkey_server):
    """A master and a replica that follows it."""
    master = valkey_server(repl_diskless_sync_delay=0)
    replica = valkey_server(replicaof=f"127.0.0.1 {master.port}", repl_timeout=2)
    eventually(lambda: replica.cli("INFO", "replication")["master_link_status"] == "up")
    return master, replica


@pytest.mark.anyio
async def test_a_replica_passes_unless_a_master_is_expected(pair, run):
    master, replica = pair
    assert (await Redis(url=replica.url()).check(run))["role"] == "replica"
    await Redis(url=master.url(), expect={"role": "primary"}).check(run)
    await Redis(url=replica.url(), expect={"role": "slave"}).check(run)
    found = await diagnosis_of(Redis(url=replica.url(), expect={"role": "master"}), run)
    assert (found.code.code, found.failure) == ("RDS004", FailureClass.PERMANENT)
    assert f"127.0.0.1:{master.port}" in found.hint


@pytest.mark.anyio
async def test_a_replica_without_its_master_may_become_one_soon(pair, run):
    master, replica = pair
    master.stop(SIGKILL)
    eventually(lambda: replica.cli("INFO", "replication")["master_link_status"] == "down")
    found = await diagnosis_of(Redis(url=replica.url(), expect={"role": "master"}), run)
    assert (found.code.code, found.failure) == ("RDS004", FailureClass.WAITING)


@pytest.mark.anyio
async def test_a_replica_that_serves_no_stale_data_waits_for_its_master(pair, run):
    master, replica = pair
    replica.cli("CONFIG", "SET", "replica-serve-stale-data", "no")
    master.stop(SIGKILL)
    eventually(lambda: replica.cli("INFO", "replication")["master_link_status"] == "down")
    found = await diagnosis_of(Redis(url=replica.url()), run)
    assert (found.code.code, found.failure) == ("RDS005", FailureClass.WARMING)
    assert f"127.0.0.1:{master.port}" in found.hint


@pytest.mark.anyio
async def test_a_master_is_not_the_replica_that_was_expected(valkey, run):
    assert await code_of(Redis(url=valkey.url(), expect={"role": "replica"}), run) == "RDS016"


@pytest.mark.parametrize(("constraint", "passes"), [(">=7.2", True), (">=9,<10", True), ("<9", False), ("7.2", False)])
@pytest.mark.anyio
async def test_the_version_of_valkey_is_its_own(constraint, passes, valkey, run):
    check = Redis(url=valkey.url(), expect={"version": constraint})
    if passes:
        await check.check(run)
        return
    found = await diagnosis_of(check, run)
    assert found.code.code == "RDS016"
    assert constraint in found.summary


# -- clusters


@pytest.fixture
def new_node(valkey_server, free_port):
    """Start nodes of clusters, each without slots and alone."""
    return lambda: valkey_server(cluster_enabled="yes", cluster_port=free_port(), cluster_node_timeout=2000)


def is_complete(node):
    return b"cluster_state:ok" in node.cli("CLUSTER", "INFO")


@pytest.mark.anyio
async def test_a_cluster_without_its_slots_is_not_ready(new_node, run):
    node = new_node()
    found = await diagnosis_of(Redis(url=node.url()), run)
    assert (found.code.code, found.failure) == ("RDS009", FailureClass.WARMING)
    assert "0 of 16384" in found.summary
    node.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    eventually(lambda: is_complete(node))
    assert (await Redis(url=node.url()).check(run))["mode"] == "cluster"


@pytest.mark.anyio
async def test_a_cluster_has_no_second_database(new_node, run):
    assert await code_of(Redis(url=new_node().url(db=1)), run) == "RDS015"


async def explained(server, *words):
    """Return the word a server answers a command with, and the code of its explanation."""
    async with Stream.open(Endpoint(server.host, server.port), make_run(5)) as stream:
        with pytest.raises(RedisError) as caught:
            await Resp(stream).call(*words)
    found = Redis(url=server.url()).explain(caught.value)
    assert not UNFILLED.search(replace(found, said="").summary + found.cause + found.hint)
    return caught.value.word, found.code.code


@pytest.mark.anyio
async def test_a_key_of_another_node_is_explained(new_node):
    one, other = new_node(), new_node()
    one.cli("CLUSTER", "ADDSLOTSRANGE", "0", "8191")
    assert await explained(one, "GET", "foo") == ("CLUSTERDOWN", "RDS009")
    other.cli("CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
    one.cli("CLUSTER", "MEET", other.host, str(other.port), other.settings["cluster-port"])
    eventually(lambda: is_complete(one), 20)
    assert await explained(one, "GET", "foo") == ("MOVED", "RDS010")


@pytest.mark.anyio
async def test_errors_of_single_commands_are_explained(pair, valkey_server):
    _, replica = pair
    full = valkey_server(maxmemory="100kb", maxmemory_policy="noeviction")
    assert await explained(replica, "SET", "a", "1") == ("READONLY", "RDS004")
    assert await explained(full, "SET", "a", "1") == ("OOM", "RDS006")
    assert await explained(full, "NO-SUCH-COMMAND") == ("ERR", "RDS017")


# -- TLS


@pytest.mark.anyio
async def test_tls_is_spoken_and_the_name_is_checked(redis_server, certs, run):
    server = redis_server(tls="good", requirepass="pw")
    url = server.url(scheme="rediss", db=2)
    await Redis(url=url, ca_file=certs / "ca.pem").check(run)
    await Redis(url=f"{url}?ssl_ca_certs={certs}/ca.pem").check(run)
    await Redis(url=url.replace("127.0.0.1", "localhost"), ca_file=certs / "ca.pem").check(run)
    await Redis(host=server.host, port=server.port, tls=True, password="pw", ca_file=certs / "ca.pem").check(run)


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ("expired", "TLS002"),
        ("future", "TLS003"),
        ("wronghost", "TLS004"),
        ("unknownca", "TLS001"),
        ("selfsigned", "TLS005"),
    ],
)
@pytest.mark.anyio
async def test_a_certificate_that_proves_nothing_is_refused_and_can_be_let_through(
    certificate, code, redis_server, certs, run
):
    url = redis_server(tls=certificate).url(scheme="valkeys")
    assert await code_of(Redis(url=url, ca_file=certs / "ca.pem"), run) == code
    for check in (Redis(url=url, verify=False), Redis(url=f"{url}?ssl_cert_reqs=CERT_NONE")):
        assert (await check.check(run))["role"] == "master"


@pytest.mark.anyio
async def test_a_name_that_need_not_match_is_not_checked(redis_server, certs, run):
    url = redis_server(tls="wronghost").url(scheme="rediss")
    await Redis(url=f"{url}?ssl_check_hostname=false", ca_file=certs / "ca.pem").check(run)


@pytest.mark.anyio
async def test_a_sentinel_is_no_server_of_data(valkey_server, run):
    server = valkey_server(start=False)
    server.settings = {"port": str(server.port), "bind": "127.0.0.1", "dir": str(server.folder), "protected-mode": "no"}
    plain = server.argv
    server.argv = lambda: [*plain(), "--sentinel"]
    server.start()

    found = await diagnosis_of(Redis(url=server.url()), run)

    assert (found.code.code, found.failure) == ("RDS016", FailureClass.PERMANENT)
    assert "sentinel" in found.summary


@pytest.mark.anyio
async def test_a_client_certificate_is_wanted_and_given(redis_server, certs, run):
    url = redis_server(tls="good", tls_auth_clients="yes").url(scheme="rediss")
    ca = certs / "ca.pem"
    assert await code_of(Redis(url=url, ca_file=ca), run) == "TLS008"
    await Redis(url=url, ca_file=ca, cert_file=certs / "client.crt", key_file=certs / "client.key").check(run)


@pytest.mark.anyio
async def test_a_ca_file_that_is_missing_is_named(valkey, run, tmp_path):
    found = await diagnosis_of(Redis(url=valkey.url(scheme="rediss"), ca_file="ca.pem"), run)
    assert found.code.code == "TLS010"
    assert str(tmp_path / "ca.pem") in found.summary


@pytest.mark.anyio
async def test_plain_text_to_a_tls_port_is_proved(redis_server, run):
    found = await diagnosis_of(Redis(url=redis_server(tls="good").url()), run)
    assert (found.code.code, found.failure) == ("TLS007", FailureClass.PERMANENT)
    assert "rediss://" in found.hint


@pytest.mark.anyio
async def test_tls_to_a_plain_port_is_proved(valkey, services):
    found = await diagnosis_of(Redis(url=valkey.url(scheme="rediss")), make_run(2, services=services))
    assert (found.code.code, found.failure) == ("TLS006", FailureClass.PERMANENT)
    assert "redis://" in found.hint


@pytest.mark.anyio
async def test_tls_to_a_mute_peer_is_a_read_timeout_in_the_phase_of_tls(peer):
    found = await diagnosis_of(Redis(url=f"rediss://127.0.0.1:{peer(peers.hang)}"), make_run(1))
    assert (found.code.code, found.phase) == ("NET003", Phase.TLS)


# -- no server, or another one


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (peers.http_400, "RDS014"),
        (peers.garbage, "RDS014"),
        (peers.answer(b"+OK POP3 ready\r\n"), "RDS014"),
        (peers.close_now, "LB004"),
        (peers.reset_now, "LB004"),
        (peers.answer(b"+PO"), "NET011"),
    ],
)
@pytest.mark.anyio
async def test_what_is_no_redis_is_not_ready(handler, code, peer, run):
    assert await code_of(Redis(host="127.0.0.1", port=peer(handler)), run) == code


@pytest.mark.anyio
async def test_a_web_server_is_named(peer, run):
    found = await diagnosis_of(Redis(host="127.0.0.1", port=peer(peers.http_400)), run)
    assert found.summary.endswith("its answer looks like HTTP")


@pytest.mark.anyio
async def test_a_port_nobody_listens_on_is_waited_for(free_port, run):
    assert await code_of(Redis(host="127.0.0.1", port=free_port()), run) == "NET001"


@pytest.mark.anyio
async def test_a_stopped_server_is_silent(valkey_server):
    server = valkey_server()
    server.proc.send_signal(SIGSTOP)
    try:
        assert await code_of(Redis(url=server.url()), make_run(0.5)) == "NET003"
    finally:
        server.proc.send_signal(SIGCONT)


# -- keys


@pytest.mark.parametrize(
    ("url", "endpoint", "database", "user"),
    [
        ("redis://", "localhost:6379", 0, None),
        ("redis://cache", "cache:6379", 0, None),
        ("redis://cache/", "cache:6379", 0, None),
        ("redis://app:pw@cache:7000/4", "cache:7000", 4, "app"),
        ("valkey://:p@ss#w@cache/2?db=5", "cache:6379", 5, None),
        ("redis://cache?username=app&password=pw", "cache:6379", 0, "app"),
        ("redis://[::1]:7000/1", "[::1]:7000", 1, None),
        ("unix:///run/redis.sock?db=3", "unix:/run/redis.sock", 3, None),
        ("redis+socket:///run/redis.sock?virtual_host=2", "unix:/run/redis.sock", 2, None),
    ],
)
def test_urls_are_read_as_the_driver_reads_them(url, endpoint, database, user):
    place = Redis(url=url).place
    assert (str(place.endpoint), place.database, place.user) == (endpoint, database, user)
    settings = (
        driver.ConnectionPool.from_url(url.replace("valkey", "redis")).connection_kwargs if "+" not in url else {}
    )
    assert settings.get("db", database) == database
    assert settings.get("username", user) == user


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"url": ""},
        {"url": "http://cache"},
        {"url": "redis+sentinel://a:26379,b:26379/mymaster"},
        {"url": "redis://a,b"},
        {"url": "redis://cache/hunter2"},
        {"url": "redis://:hunter2@cache:port"},
        {"url": "unix://run/redis.sock"},
        {"url": "redis://cache", "host": "cache"},
        {"url": "redis://cache", "password": "hunter2"},
        {"host": "cache", "db": -1},
        {"host": "cache", "expect": {"role": "leader"}},
        {"host": "cache", "expect": {"version": "new"}},
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_repeating_secrets(keys):
    with pytest.raises(ValidationError) as caught:
        Redis(**keys)
    assert "hunter2" not in str(caught.value)


def test_an_empty_value_is_a_key_that_is_not_there():
    check = Redis(url="redis://cache", host="", password="", ca_file="")
    assert (check.target, check.ca_file) == ("cache:6379", None)


@pytest.mark.parametrize(
    "keys", [{"url": "redis://app:hunter2@cache/1"}, {"host": "cache", "password": "hunter2", "db": 1}]
)
def test_the_target_holds_no_secret_and_the_secrets_are_known(keys):
    check = Redis(**keys)
    assert check.target == "cache:6379/1"
    assert list(check.secrets()) == ["hunter2"]
    assert "hunter2" not in repr(check)


def test_waiting_loads_no_driver():
    program = "import sys, startupctl.kinds.redis; print('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"


# -- keys of bootstrap


def test_bootstrap_takes_groups_alone_or_with_their_start():
    wanted = {"streams": {"orders": ["billing"], "audit": {"groups": ["archive"], "start": "7-1"}}}
    found = dict(Redis(host="cache", bootstrap=wanted).bootstrap.stream_keys())
    assert {name: (keys.groups, keys.start) for name, keys in found.items()} == {
        "orders": (("billing",), "$"),
        "audit": (("archive",), "7-1"),
    }


def test_values_of_bootstrap_are_secrets():
    check = Redis(host="cache", bootstrap={"keys": {"plan": "gold-plated"}})
    assert "gold-plated" in set(check.secrets())
    assert "gold-plated" not in repr(check)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("streams: {orders: []}", "streams.orders: must not be empty"),
        ("streams: {orders: {start: '0'}}", "streams.orders.groups: is required"),
        ("streams: {orders: billing}", "streams.orders: must be a list or a mapping"),
        ("streams: {orders: ['']}", "streams.orders[0]: must not be empty"),
        ("streams: {orders: {groups: [a], start: now}}", "streams.orders.start: must match the pattern"),
        ("streams: {orders: {groups: [a], begin: 0}}", "streams.orders.begin: unknown key"),
        ("keys: {a: [1]}", "keys.a: must be text"),
        (
            "keys: {'startupctl:lock': a}",
            ": `startupctl:lock`: names that begin with `startupctl:` are startupctl's own",
        ),
        ("{streams: {a: [b]}, keys: {a: c}}", ": `a` is a stream and a key"),
        ("function: [a.lua]", "function: unknown key, did you mean functions?"),
    ],
)
def test_a_mistake_in_bootstrap_is_told_at_its_key(text, problem, desk):
    entries = text if text.startswith("{") else f"{{{text}}}"
    [found] = desk.problems(f"version: 1\ncomponents:\n  cache: {{kind: redis, host: cache, bootstrap: {entries}}}\n")
    assert f"components.cache.bootstrap{'' if problem.startswith(':') else '.'}{problem}" in found


def test_plain_numbers_are_texts_in_bootstrap(desk):
    text = "{streams: {orders: {groups: [1], start: 0}}, keys: {limit: 0010}}"
    manifest = desk.load(f"version: 1\ncomponents:\n  cache: {{kind: redis, host: cache, bootstrap: {text}}}\n")
    keys = manifest.components["cache"].check.bootstrap
    assert [(stream.groups, stream.start) for _, stream in keys.stream_keys()] == [(("1",), "0")]
    assert keys.keys["limit"].reveal() == "0010"
