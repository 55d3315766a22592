import hashlib
from pathlib import Path

import pytest
import redis.exceptions as driver

from startupctl.addresses import Endpoint
from startupctl.check import Unhealthy
from startupctl.databases.redis_bootstrap import read_wanted
from startupctl.databases.redis_keys import BootstrapKeys
from startupctl.databases.redis_objects import Entry, Group, Library, Seed
from startupctl.databases.redis_place import Place
from startupctl.databases.redis_reader import masters_in, moved_to
from startupctl.databases.redis_session import connected, in_our_words
from startupctl.diagnose import diagnose
from startupctl.failures import ConnectionBroken
from startupctl.fields import Secret
from startupctl.wire.resp import RedisError

HERE = Endpoint("cache", 6379)
PLACE = Place(HERE)
NO_KEY = RedisError("ERR", "no such key", "XINFO")
DENIED = RedisError("NOPERM", "this user has no permissions", "TYPE")

# -- what is wanted


def test_everything_is_wanted_once_in_the_order_it_is_made(tmp_path):
    (tmp_path / "limits.lua").write_bytes(b"#!lua name=limits\r\nreturn\n")
    keys = BootstrapKeys(
        streams={"orders": ("mail", "mail", "billing")}, functions=(Path("limits.lua"),), keys={"plan": "free"}
    )
    assert [one.id for one in read_wanted(keys, tmp_path)] == [
        "streams.orders.mail",
        "streams.orders.billing",
        "functions.limits",
        "keys.plan",
    ]


@pytest.mark.parametrize(
    "first", [b"", b"-- comment\n", b"#!lua\n", b"#!lua name=a b\n", b"#!lua name=a", b"\n#!lua name=a\n"]
)
def test_a_library_without_its_first_line_is_refused(first, tmp_path):
    (tmp_path / "a.lua").write_bytes(first)
    with pytest.raises(Unhealthy) as caught:
        read_wanted(BootstrapKeys(functions=(Path("a.lua"),)), tmp_path)
    assert "`a.lua` does not begin with a line like" in caught.value.diagnosis.summary


def test_the_record_of_a_key_tells_nothing_of_its_value():
    one, other = (Seed("plan", Secret(value)) for value in ("free", "gold"))
    assert one.digest == other.digest == hashlib.sha256(b"plan").hexdigest()
    assert "free" not in " ".join(Entry(one).making)
    assert Group("orders", "mail", "0").digest != Group("orders", "mail", "$").digest


# -- what is missing


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (["stream", [["name", "mail", "consumers", 0, "pending", 0]]], ""),
        (["stream", [["name", "billing"]]], "the group `mail` of the stream `orders` is missing"),
        (["stream", []], "the group `mail` of the stream `orders` is missing"),
        (["none", NO_KEY], "the stream `orders` is missing"),
        (["string", RedisError("WRONGTYPE", "", "XINFO")], Unhealthy),
        ([DENIED, NO_KEY], RedisError),
        (["stream", RedisError("NOPERM", "", "XINFO")], RedisError),
    ],
)
def test_a_group_is_there_when_its_stream_names_it(answers, words):
    assert outcome_of(Group("orders", "mail", "$"), answers) == words


@pytest.mark.parametrize(
    ("answer", "words"),
    [("string", ""), ("none", "the key `plan` is missing"), ("list", Unhealthy), (DENIED, RedisError)],
)
def test_a_key_is_there_when_it_holds_a_text(answer, words):
    assert outcome_of(Seed("plan", Secret("free")), [answer]) == words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([["library_name", "limits", "functions", [], "library_code", "#!lua\n"]], ""),
        (
            [["library_name", "limits", "functions", [], "library_code", "#!lua"]],
            "the library `limits` is not that of `a.lua`",
        ),
        ([], "the library `limits` is missing"),
        (RedisError("ERR", "unknown command `FUNCTION`, with args beginning with: ", "FUNCTION"), Unhealthy),
        (RedisError("NOPERM", "", "FUNCTION"), RedisError),
    ],
)
def test_a_library_is_there_when_its_code_is_the_same(answer, words):
    assert outcome_of(Library("limits", b"#!lua\n", "a.lua"), [answer]) == words


def outcome_of(wanted, answers):
    try:
        return wanted.lack(answers, PLACE)
    except (Unhealthy, RedisError) as error:
        return type(error)


# -- clusters


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("3999 127.0.0.1:6381", Endpoint("127.0.0.1", 6381)),
        ("3999 :6381", Endpoint("cache", 6381)),
        ("3999 ::1:6381", Endpoint("::1", 6381)),
        ("3999 node-1.example:6381", Endpoint("node-1.example", 6381)),
    ],
)
def test_where_a_key_lives_is_read_from_the_answer(text, node):
    assert moved_to(text, HERE) == node


def test_masters_are_named_once_and_replicas_are_not():
    slots = [
        [0, 100, ["10.0.0.1", 7000, "id", []], ["10.0.0.9", 7000, "id", []]],
        [101, 200, ["10.0.0.1", 7000, "id"]],
        [201, 16383, ["", 7001, "id"]],
    ]
    assert masters_in(slots, HERE) == [Endpoint("10.0.0.1", 7000), Endpoint("cache", 7001)]
    assert masters_in(None, HERE) == []


# -- exceptions of the driver


@pytest.mark.parametrize(
    ("error", "word", "text"),
    [
        (driver.NoPermissionError("no permissions"), "NOPERM", "no permissions"),
        (driver.ReadOnlyError("You can't write"), "READONLY", "You can't write"),
        (driver.OutOfMemoryError("command not allowed"), "OOM", "command not allowed"),
        (driver.BusyLoadingError("Redis is loading"), "LOADING", "Redis is loading"),
        (driver.AuthenticationError("invalid"), "WRONGPASS", "invalid"),
        (driver.ClusterDownError("Hash slot not served"), "CLUSTERDOWN", "Hash slot not served"),
        (driver.ResponseError("WRONGTYPE Operation against"), "WRONGTYPE", "Operation against"),
        (
            driver.ResponseError("BUSYGROUP Consumer Group name already exists"),
            "BUSYGROUP",
            "Consumer Group name already exists",
        ),
        (driver.ResponseError("Error compiling function"), "ERR", "Error compiling function"),
    ],
)
def test_an_error_answer_keeps_its_word(error, word, text):
    found = in_our_words(error, "SET", HERE)
    assert isinstance(found, RedisError)
    assert (found.word, found.text, found.command) == (word, text, "SET")


@pytest.mark.parametrize(
    ("error", "cause", "code"),
    [
        (driver.TimeoutError("Timeout reading"), None, "NET003"),
        (driver.ConnectionError("Connection closed by server."), None, "NET011"),
        (driver.ConnectionError("refused"), ConnectionRefusedError(111, "refused"), "NET001"),
    ],
)
def test_a_broken_connection_is_told_as_everywhere(error, cause, code):
    error.__cause__ = cause
    found = in_our_words(error, "SET", HERE)
    assert isinstance(found, ConnectionBroken)
    assert diagnose(found).code.code == code


@pytest.mark.anyio
async def test_a_session_on_a_port_where_nobody_listens_is_a_refused_connection(free_port):
    async with connected(Place(Endpoint("127.0.0.1", free_port())), 2) as session:
        with pytest.raises(ConnectionBroken) as caught:
            await session.call("PING")
    assert diagnose(caught.value).code.code == "NET001"


@pytest.mark.anyio
async def test_a_wrong_password_is_an_answer(valkey_server):
    server = valkey_server(requirepass="right-password")
    async with connected(Place(Endpoint(server.host, server.port), password=Secret("wrong-password")), 2) as session:
        with pytest.raises(RedisError) as caught:
            await session.call("PING")
    assert caught.value.word == "WRONGPASS"
    assert "wrong-password" not in str(caught.value)
