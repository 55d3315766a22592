"""The RESP2 speaker against real listeners and a real Valkey."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers import peers
from startupctl.addresses import Endpoint
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.wire.resp import MAX_DEPTH, RedisError, Resp, encode, log_in
from startupctl.wire.stream import Stream
from support import make_run


async def ask(port, *commands, seconds=5):
    """Send PING, or `commands`, and return the answers; an error answer ends it."""
    async with Stream.open(Endpoint("127.0.0.1", port), make_run(seconds)) as stream:
        resp = Resp(stream)
        await resp.send(*(commands or (("PING",),)))
        return [await resp.answer() for _ in commands or (1,)]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"+PONG\r\n", "PONG"),
        (b"+\r\n", ""),
        (b":-42\r\n", -42),
        (b"$5\r\nhello\r\n", "hello"),
        (b"$7\r\na\r\nb\x00cd\r\n", "a\r\nb\x00cd"),
        (b"$0\r\n\r\n", ""),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"*3\r\n:1\r\n*1\r\n+x\r\n$1\r\ny\r\n", [1, ["x"], "y"]),
    ],
)
@pytest.mark.anyio
async def test_answers_are_read(sent, read, peer):
    assert await ask(peer(peers.answer(sent))) == [read]


@pytest.mark.anyio
async def test_an_answer_that_comes_byte_by_byte_is_read(peer):
    def drip(connection):
        for byte in b"*2\r\n$2\r\nab\r\n:7\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.002)

    assert await ask(peer(drip)) == [["ab", 7]]


@pytest.mark.anyio
async def test_an_error_answer_keeps_its_word_its_text_and_the_command_it_answers(peer):
    port = peer(peers.answer(b"+OK\r\n-NOPERM this user has no permissions\r\n+PONG\r\n"))
    with pytest.raises(RedisError) as caught:
        await ask(port, ("AUTH", "x"), ("SELECT", "3"), ("PING",))
    error = caught.value
    assert (error.word, error.text, error.command) == ("NOPERM", "this user has no permissions", "SELECT")


@pytest.mark.anyio
async def test_an_error_inside_an_array_is_an_element(peer):
    [[first, second]] = await ask(peer(peers.answer(b"*2\r\n-ERR no\r\n:1\r\n")))
    assert isinstance(first, RedisError)
    assert second == 1


@pytest.mark.parametrize(
    ("sent", "looks_like"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"\x00\xffgarbage\r\n", "something else"),
    ],
)
@pytest.mark.anyio
async def test_what_is_no_resp_is_named_after_what_it_looks_like(sent, looks_like, peer):
    with pytest.raises(NotThisProtocol) as caught:
        await ask(peer(peers.answer(sent)))
    assert caught.value.looks_like == looks_like


@pytest.mark.parametrize(
    "sent",
    [
        b"+PONG\n",
        b":12a\r\n",
        b":\r\n",
        b"$3\r\nabcdef\r\n",
        b"$-2\r\n",
        b"*-7\r\n",
        b"$1048577\r\n",
        b"$99999999999999999999\r\n",
        b"*400000\r\n",
        b"*1\r\n" * (MAX_DEPTH + 2),
        b"+" + b"x" * (2 << 20) + b"\r\n",
    ],
)
@pytest.mark.anyio
async def test_broken_endless_and_bottomless_answers_are_refused(sent, peer):
    with pytest.raises(NotThisProtocol):
        await ask(peer(peers.answer(sent)))


@pytest.mark.anyio
async def test_nested_lengths_cannot_add_up_to_more_than_one_answer_may_have(peer):
    block = b"$300000\r\n" + b"x" * 300000 + b"\r\n"
    with pytest.raises(NotThisProtocol):
        await ask(peer(peers.answer(b"*9\r\n" + block * 9)))


@pytest.mark.anyio
async def test_a_peer_that_is_mute_is_a_timeout(peer):
    with pytest.raises(ConnectionBroken) as caught:
        await ask(peer(peers.hang), seconds=0.3)
    assert isinstance(caught.value.cause, TimeoutError)


@pytest.mark.anyio
async def test_an_answer_cut_off_is_an_end_after_the_bytes_that_came(peer):
    with pytest.raises(ConnectionBroken) as caught:
        await ask(peer(peers.answer(b"$10\r\nabc")))
    assert isinstance(caught.value.cause, EOFError)
    assert caught.value.received == 8


@pytest.mark.anyio
async def test_many_commands_at_once_are_answered_in_order(valkey):
    words = [f"word {number}" for number in range(200)]
    assert await ask(valkey.port, *(("ECHO", word) for word in words)) == words


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_a_command_says_how_long_each_of_its_words_is(words):
    data = encode(tuple(words))
    count, rest = data.split(b"\r\n", 1)
    assert count == b"*%d" % len(words)
    for word in words:
        length, rest = rest.split(b"\r\n", 1)
        size = int(length.removeprefix(b"$"))
        assert rest[: size + 2] == word.encode() + b"\r\n"
        rest = rest[size + 2 :]
    assert not rest


def test_bytes_of_an_environment_variable_that_are_no_utf8_are_sent_as_they_are():
    assert encode(("AUTH", "\udcff")) == b"*2\r\n$4\r\nAUTH\r\n$1\r\n\xff\r\n"


@pytest.mark.parametrize(
    ("user", "password", "database", "commands"),
    [
        (None, None, 0, []),
        (None, "pw", 0, [("AUTH", "pw")]),
        ("app", "pw", 2, [("AUTH", "app", "pw"), ("SELECT", "2")]),
        ("app", None, 0, [("AUTH", "app", "")]),
        (None, None, 7, [("SELECT", "7")]),
    ],
)
def test_authentication_comes_before_the_choice_of_the_database(user, password, database, commands):
    assert log_in(user, password, database) == commands
