"""`bootstrap` of the kind `redis` on real servers: made once, never twice, never over something else."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from signal import SIGKILL

import pytest

from asking import UNFILLED, eventually
from startupctl.check import Mode, Unhealthy
from startupctl.diagnosis import FailureClass
from startupctl.kinds.redis import Redis
from startupctl.migrations.redis import lock as lock_redis
from startupctl.migrations.redis import preparation as prepare_redis
from support import make_run, race_processes

LIBRARY = """#!lua name={name}
redis.register_function('{name}_one', function() return {value} end)
"""
WANTED = {
    "streams": {"orders": ["billing", "mail"], "audit": {"groups": ["archive"], "start": "0"}},
    "keys": {"plan:default": "free"},
}
ENTRIES = ["streams.orders.billing", "streams.orders.mail", "streams.audit.archive", "keys.plan:default"]


@pytest.fixture
def server(valkey_server):
    return valkey_server()


@pytest.fixture
def library(tmp_path):
    """Write a library of functions into the folder of the manifest; returns the name of the file."""

    def write(name="limits", value=1, text=LIBRARY):
        (tmp_path / f"{name}.lua").write_text(text.format(name=name, value=value))
        return f"{name}.lua"

    return write


async def refusal(work):
    """Return the diagnosis of work that fails; its words have all their facts."""
    with pytest.raises(Unhealthy) as caught:
        await work
    found = caught.value.diagnosis
    assert not UNFILLED.search(f"{replace(found, said='').summary} {found.cause} {found.hint}")
    return found


def groups(server, stream):
    """Return the groups of a stream, each with the entry it was delivered last."""
    return {group[b"name"]: group[b"last-delivered-id"] for group in server.cli("XINFO", "GROUPS", stream)}


@pytest.mark.parametrize("program", ["valkey_server", "redis_server"])
@pytest.mark.anyio
async def test_what_is_missing_is_made_and_then_there(program, request, library, preparing, services):
    server = request.getfixturevalue(program)()
    kind = Redis(url=server.url(), bootstrap={**WANTED, "functions": [library()]})
    facts = await kind.prepare(preparing)
    assert (facts["created"], facts["lock"], services.notes) == (True, "redis lease", {"created": True})
    made = [*ENTRIES[:3], "functions.limits", ENTRIES[3]]
    assert facts["bootstrap"] == {"created": made, "already": 0, "pending": 0}
    assert groups(server, "orders").keys() == {b"billing", b"mail"}
    assert server.cli("GET", "plan:default") == b"free"
    assert server.cli("FCALL", "limits_one", "0") == 1
    again = await kind.prepare(preparing)
    assert (again["created"], again["lock"], again["bootstrap"]["already"]) == (False, "not needed", 5)
    assert (await kind.check(preparing))["bootstrap"] == {"created": [], "already": 5, "pending": 0}
    record = server.cli("HGETALL", "startupctl:schema")
    assert {name.decode() for name in record} == set(made)
    assert all(len(value.split()[0]) == 64 for value in record.values())
    assert server.cli("EXISTS", "startupctl:lock") == 0


@pytest.mark.anyio
async def test_what_is_pending_is_fixable_and_named(server, preparing, run):
    kind = Redis(url=server.url(), bootstrap=WANTED)
    found = await refusal(kind.check(run))
    assert (found.code.code, found.failure, found.mendable) == ("RDS019", FailureClass.FIXABLE, True)
    assert found.summary == "4 of 4 entries of `bootstrap` are pending: the stream `orders` is missing"
    await kind.prepare(preparing)
    await kind.check(run)
    server.cli("XGROUP", "DESTROY", "orders", "mail")
    found = await refusal(kind.check(run))
    assert "1 of 4 entries" in found.summary
    assert "the group `mail` of the stream `orders` is missing (startupctl made it at 20" in found.summary
    assert (await kind.prepare(preparing))["bootstrap"] == {
        "created": ["streams.orders.mail"],
        "already": 3,
        "pending": 0,
    }
    await kind.check(run)


@pytest.mark.parametrize("lost", ["orders", "audit", "plan:default"])
@pytest.mark.anyio
async def test_what_somebody_deleted_is_pending_again_although_it_is_recorded(lost, server, preparing, run):
    kind = Redis(url=server.url(), bootstrap=WANTED)
    await kind.prepare(preparing)
    server.cli("DEL", lost)
    assert (await refusal(kind.check(run))).code.code == "RDS019"


@pytest.mark.anyio
async def test_a_key_that_has_changed_is_kept(server, preparing, run):
    server.cli("SET", "plan:default", "gold")
    await Redis(url=server.url(), bootstrap=WANTED).prepare(preparing)
    await Redis(url=server.url(), bootstrap={"keys": {"plan:default": "silver"}}).check(run)
    assert server.cli("GET", "plan:default") == b"gold"


@pytest.mark.anyio
async def test_new_groups_begin_where_the_manifest_says(server, preparing):
    for stream in ("orders", "audit"):
        server.cli("XADD", stream, "7-1", "a", "1")
    await Redis(url=server.url(), bootstrap=WANTED).prepare(preparing)
    assert groups(server, "orders") == {b"billing": b"7-1", b"mail": b"7-1"}
    assert groups(server, "audit") == {b"archive": b"0-0"}


@pytest.mark.anyio
async def test_a_library_is_replaced_only_when_its_code_differs(server, library, preparing, run):
    kind = Redis(url=server.url(), bootstrap={"functions": [library()]})
    await kind.prepare(preparing)
    recorded = server.cli("HGETALL", "startupctl:schema")
    assert (await kind.prepare(preparing))["created"] is False
    assert server.cli("HGETALL", "startupctl:schema") == recorded
    library(value=2)
    found = await refusal(kind.check(run))
    assert "the library `limits` is not that of `limits.lua` (startupctl made it at" in found.summary
    await kind.prepare(preparing)
    assert server.cli("FCALL", "limits_one", "0") == 2
    server.cli("FUNCTION", "LOAD", "REPLACE", LIBRARY.format(name="limits", value=9))
    assert (await refusal(kind.check(run))).code.code == "RDS019"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("return 1", "does not begin with a line like `#!lua name=limits`"),
        ("#!lua name={name}\nx = = 1", "the server does not take `limits.lua`: Error compiling"),
        ("#!js name={name}\nfoo()", "the server does not take `limits.lua`: Engine 'js' not found"),
        ("#!lua name={name}\n" + "-" * 2**19, "is larger than 512 KiB"),
    ],
)
@pytest.mark.anyio
async def test_a_library_that_cannot_be_loaded_names_its_file(text, words, server, library, preparing):
    kind = Redis(url=server.url(), bootstrap={"functions": [library(text=text)], "keys": {"later": "x"}})
    found = await refusal(kind.prepare(preparing))
    assert (found.code.code, found.failure) == ("RDS021", FailureClass.PERMANENT)
    assert words in found.summary
    assert server.cli("EXISTS", "later") == 0


@pytest.mark.anyio
async def test_files_of_functions_that_are_missing_or_the_same_are_told(server, library, run, tmp_path):
    kind = Redis(url=server.url(), bootstrap={"functions": ["no.lua"]})
    assert f"`{tmp_path}/no.lua` does not exist" in (await refusal(kind.check(run))).summary
    library()
    (tmp_path / "copy.lua").write_text((tmp_path / "limits.lua").read_text())
    kind = Redis(url=server.url(), bootstrap={"functions": ["limits.lua", "copy.lua"]})
    assert "`limits.lua` and `copy.lua` both are the library `limits`" in (await refusal(kind.check(run))).summary


@pytest.mark.anyio
async def test_a_server_without_functions_is_told(valkey_server, library, preparing, run):
    server = valkey_server(rename_command='FUNCTION ""')
    kind = Redis(url=server.url(), bootstrap={"functions": [library()]})
    for work in (kind.check(run), kind.prepare(preparing)):
        found = await refusal(work)
        assert (found.code.code, found.failure) == ("RDS022", FailureClass.PERMANENT)
        assert "`limits`" in found.summary


@pytest.mark.parametrize(("key", "wanted"), [("orders", "stream"), ("plan:default", "string")])
@pytest.mark.anyio
async def test_a_key_of_another_type_is_never_touched(key, wanted, server, preparing, run):
    server.cli("HSET", key, "a", "1")
    kind = Redis(url=server.url(), bootstrap=WANTED)
    for work in (kind.check(run), kind.prepare(preparing)):
        found = await refusal(work)
        assert (found.code.code, found.failure) == ("RDS020", FailureClass.PERMANENT)
        assert f"the key `{key}` of 127.0.0.1:{server.port} is a hash, and should be a {wanted}" in found.summary
    assert server.cli("TYPE", key) == b"hash"


@pytest.mark.anyio
async def test_a_record_of_another_type_is_told(server, preparing):
    server.cli("SET", "startupctl:schema", "mine")
    found = await refusal(Redis(url=server.url(), bootstrap=WANTED).prepare(preparing))
    assert (found.code.code, found.facts["key"], found.facts["wanted"]) == ("RDS020", "startupctl:schema", "hash")


LOCK = ["~startupctl:*", "+set", "+get", "+pttl", "+eval", "+pexpire", "+del"]
LOOK = ["+ping", "+select", "+type", "+xinfo", "+function|list", "+hmget", "~orders", "~audit", "~plan:default"]


@pytest.mark.parametrize(
    ("rules", "said", "hint"),
    [
        (["+ping"], "streams.orders.billing: ", "+type ~orders"),
        ([*LOOK], "for the lock: ", "+set +get +pttl +eval +pexpire +del ~startupctl:*"),
        ([*LOOK, *LOCK], "streams.orders.billing: ", "+xgroup ~orders"),
        ([*LOOK, *LOCK, "+xgroup"], "the record of streams.orders.billing: ", "+hset ~startupctl:schema"),
    ],
)
@pytest.mark.anyio
async def test_what_the_access_list_forbids_is_named_with_the_rule(rules, said, hint, server, preparing):
    server.cli("ACL", "SETUSER", "app", "on", ">app-password", *rules)
    kind = Redis(url=server.url("app-password", "app"), bootstrap=WANTED)
    found = await refusal(kind.prepare(preparing))
    assert (found.code.code, found.failure) == ("RDS011", FailureClass.PERMANENT)
    assert f": {said}" in found.summary
    assert f"`ACL SETUSER app {hint}`" in found.hint


@pytest.mark.anyio
async def test_the_rules_that_are_named_are_enough(server, library, preparing, run):
    rules = [*LOOK, *LOCK, "+xgroup", "+hset", "+function|load"]
    server.cli("ACL", "SETUSER", "app", "on", ">app-password", *rules)
    kind = Redis(url=server.url("app-password", "app"), bootstrap={**WANTED, "functions": [library()]})
    assert (await kind.prepare(preparing))["created"] is True
    assert (await kind.check(run))["bootstrap"]["already"] == 5


@pytest.mark.anyio
async def test_a_replica_is_told_before_anything_is_tried(valkey_server, server, preparing, services, tmp_path):
    server.cli("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    replica = valkey_server(replicaof=f"127.0.0.1 {server.port}")
    eventually(lambda: replica.cli("INFO", "replication")["master_link_status"] == "up")
    kind = Redis(url=replica.url(), bootstrap=WANTED)
    for mode in (Mode.DRY_RUN, Mode.PREPARE):
        found = await refusal(kind.prepare(make_run(mode=mode, folder=tmp_path, services=services)))
        assert found.code.code == "RDS004"
        assert f"127.0.0.1:{server.port}" in found.hint
    await Redis(url=server.url(), bootstrap=WANTED).prepare(preparing)
    eventually(lambda: replica.cli("DBSIZE") == server.cli("DBSIZE"))
    assert (await kind.prepare(preparing))["created"] is False


@pytest.mark.anyio
async def test_a_full_server_is_told_with_the_entry(server, preparing):
    server.cli("CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
    server.cli("CONFIG", "SET", "maxmemory", "1")
    found = await refusal(Redis(url=server.url(), bootstrap=WANTED).prepare(preparing))
    assert (found.code.code, found.failure) == ("RDS006", FailureClass.TRANSIENT)


@pytest.mark.anyio
async def test_a_dry_run_says_what_would_be_made_and_makes_nothing(server, library, services, tmp_path):
    kind = Redis(url=server.url(), bootstrap={**WANTED, "functions": [library()]})
    facts = await kind.prepare(make_run(mode=Mode.DRY_RUN, folder=tmp_path, services=services))
    assert (facts["would_create"], facts["created"]) == (True, False)
    assert facts["would_apply"] == [*ENTRIES[:3], "functions.limits", ENTRIES[3]]
    assert server.cli("DBSIZE") == 0
    assert server.cli("FUNCTION", "LIST") == []


@pytest.mark.anyio
async def test_the_selected_database_holds_it_all(server, preparing):
    await Redis(url=server.url(db=3), bootstrap=WANTED).prepare(preparing)
    assert server.cli("DBSIZE") == 0
    assert server.cli("INFO", "keyspace")["db3"]["keys"] == 4


@pytest.mark.anyio
async def test_a_password_that_nobody_asked_for_hinders_no_driver(server, preparing, services):
    kind = Redis(url=server.url("unused-password"), bootstrap=WANTED)
    assert (await kind.prepare(preparing))["created"] is True
    assert {code for code, _ in services.warnings} == {"RDS018"}


@pytest.mark.anyio
async def test_tls_and_a_password_reach_the_driver(redis_server, certs, preparing):
    server = redis_server(tls="good", tls_auth_clients="yes", requirepass="s3cret-pw")
    files = {"cert_file": certs / "client.crt", "key_file": certs / "client.key"}
    kind = Redis(url=server.url(scheme="rediss"), ca_file=certs / "ca.pem", bootstrap=WANTED, **files)
    assert (await kind.prepare(preparing))["created"] is True


@pytest.mark.anyio
async def test_a_socket_reaches_the_driver(valkey_server, tmp_path, preparing):
    path = tmp_path / "valkey.sock"
    valkey_server(unixsocket=path).cli("PING")
    assert (await Redis(url=f"unix://{path}", bootstrap=WANTED).prepare(preparing))["created"] is True


@pytest.mark.anyio
async def test_what_was_made_before_a_failure_is_told_and_the_next_run_goes_on(server, preparing, services):
    server.cli("HSET", "plan:default", "a", "1")
    kind = Redis(url=server.url(), bootstrap=WANTED)
    server.cli("ACL", "SETUSER", "app", "on", ">app-password", "+@all", "-xgroup", "~*", "(+xgroup ~orders)")
    app = Redis(url=server.url("app-password", "app"), bootstrap={"streams": WANTED["streams"]})
    with pytest.raises(Unhealthy) as caught:
        await app.prepare(preparing)
    assert caught.value.facts["bootstrap"] == {"created": ENTRIES[:2], "already": 0, "pending": 1}
    assert (caught.value.facts["created"], services.notes) == (True, {"created": True})
    server.cli("DEL", "plan:default")
    assert (await kind.prepare(preparing))["bootstrap"] == {"created": ENTRIES[2:], "already": 2, "pending": 0}


@pytest.mark.anyio
async def test_a_group_made_by_somebody_without_the_lock_is_not_counted(server, preparing, monkeypatch):
    kind = Redis(url=server.url(), bootstrap=WANTED)
    plain = prepare_redis.survey

    async def slow(*words):
        found = await plain(*words)
        if preparing.services.clocks_stopped:
            await asyncio.to_thread(server.cli, "XGROUP", "CREATE", "orders", "mail", "0", "MKSTREAM")
        return found

    monkeypatch.setattr(prepare_redis, "survey", slow)
    facts = await kind.prepare(preparing)
    assert facts["bootstrap"]["created"] == [name for name in ENTRIES if name != "streams.orders.mail"]
    assert (facts["bootstrap"]["already"], facts["bootstrap"]["pending"]) == (1, 0)


# -- several processes


RACER = """
import anyio, json, pathlib, sys
sys.path.insert(0, sys.argv[3])
from support import make_run
from startupctl.check import Mode
from startupctl.kinds.redis import Redis
kind = Redis(url=sys.argv[2], bootstrap=json.loads((pathlib.Path(sys.argv[1]) / "wanted.json").read_text()))
run = make_run(seconds=60, mode=Mode.PREPARE, folder=pathlib.Path(sys.argv[1]))
async def work():
    return await kind.prepare(run), await kind.check(run), "redis" in sys.modules
print(json.dumps(anyio.run(work)))
"""


def test_processes_at_once_make_each_thing_once(server, library, tmp_path):
    (tmp_path / "wanted.json").write_text(json.dumps({**WANTED, "functions": [library()]}))
    found = race_processes(8, RACER, tmp_path, server.url())
    made = [name for facts, _, _ in found for name in facts["bootstrap"]["created"]]
    assert sorted(made) == sorted([*ENTRIES, "functions.limits"])
    assert all(checked["bootstrap"]["already"] == 5 for _, checked, _ in found)
    [(facts, _, driver)] = race_processes(1, RACER, tmp_path, server.url())
    assert (facts["created"], driver) == (False, False)


# -- clusters


@pytest.fixture
def cluster(valkey_server, free_port):
    """Two masters that share the slots."""
    nodes = [
        valkey_server(cluster_enabled="yes", cluster_port=free_port(), cluster_node_timeout=2000) for _ in range(2)
    ]
    one, other = nodes
    one.cli("CLUSTER", "ADDSLOTSRANGE", "0", "8191")
    other.cli("CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
    one.cli("CLUSTER", "MEET", other.host, str(other.port), other.settings["cluster-port"])
    for node in nodes:
        eventually(lambda node=node: b"cluster_state:ok" in node.cli("CLUSTER", "INFO"), 20)
    return nodes


@pytest.mark.anyio
async def test_in_a_cluster_keys_go_to_their_node_and_functions_to_every_master(cluster, library, preparing, run):
    wanted = {**WANTED, "functions": [library()]}
    one, other = (Redis(url=node.url(), bootstrap=wanted) for node in cluster)
    assert (await refusal(other.check(run))).code.code == "RDS019"
    facts = await one.prepare(preparing)
    assert (len(facts["bootstrap"]["created"]), facts["lock"]) == (5, "redis lease")
    assert [node.cli("FCALL", "limits_one", "0") for node in cluster] == [1, 1]
    assert all(node.cli("DBSIZE") for node in cluster)
    for kind in (one, other):
        assert (await kind.check(run))["bootstrap"]["already"] == 5
    cluster[1].cli("FUNCTION", "DELETE", "limits")
    assert "library `limits` is missing" in (await refusal(one.check(run))).summary


# -- the command line


MANIFEST = """
version: 1
components:
  cache:
    kind: redis
    url: {url}
    bootstrap:
      streams: {{orders: [billing]}}
      keys: {{token: very-secret-value}}
"""


def test_the_command_line_goes_from_pending_to_ready_and_shows_no_value(server, startupctl, tmp_path):
    (tmp_path / "startup.yaml").write_text(MANIFEST.format(url=server.url()))
    checked = startupctl("check", "-o", "json")
    assert checked.json()["components"]["cache"]["diagnosis"]["code"] == "RDS019"
    ran = [checked, startupctl("check", "--allow-pending"), startupctl("init-db", "--dry-run")]
    assert [one.code for one in ran[1:]] == [0, 0]
    assert server.cli("DBSIZE") == 0
    ran += [startupctl("init-db", "-o", "json"), startupctl("check"), startupctl("init-db")]
    assert [one.code for one in ran[3:]] == [0, 0, 0]
    assert ran[3].json()["components"]["cache"]["facts"]["created"] is True
    assert "very-secret-value" not in "".join(one.out + one.err for one in ran)
    server.cli("DEL", "token")
    server.cli("LPUSH", "token", "very-secret-value")
    ran = startupctl("check")
    assert (ran.code, "[RDS020]" in ran.out) == (3, True)
    assert "very-secret-value" not in ran.out + ran.err


@pytest.mark.anyio
async def test_a_server_that_dies_in_between_takes_the_lock_with_it(server, preparing, monkeypatch):
    kind = Redis(url=server.url(), bootstrap=WANTED)
    plain = prepare_redis.survey

    async def fatal(*words):
        found = await plain(*words)
        if preparing.services.clocks_stopped:
            await asyncio.to_thread(server.stop, SIGKILL)
        return found

    monkeypatch.setattr(prepare_redis, "survey", fatal)
    monkeypatch.setattr(lock_redis, "TRY", 0.2)
    found = await refusal(kind.prepare(preparing))
    assert (found.code.code, found.failure) == ("LCK002", FailureClass.TRANSIENT)
