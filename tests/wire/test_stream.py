"""Conversations with real peers: what is read, how it breaks, TLS of every kind, and nothing left open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import time

import pytest

from servers import peers
from startupctl.addresses import Endpoint
from startupctl.diagnose import diagnose
from startupctl.diagnosis import FailureClass, Phase
from startupctl.failures import ConnectionBroken, LocalTlsFile
from startupctl.wire.stream import MAX_LINE, Stream, speaks_tls
from startupctl.wire.tls import client_context
from support import make_run

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def nothing_left_open():
    """Fail (by a ResourceWarning) for every socket or transport that was dropped without being closed."""
    yield
    gc.collect()


async def conversation(port, talk, run=None):
    """Open a stream to a port of this host and return what `talk(stream)` returns."""
    async with Stream.open(Endpoint(HOST, port), run or make_run(5)) as stream:
        return await talk(stream)


async def failure_of(port, talk, run=None):
    with pytest.raises(ConnectionBroken) as caught:
        await conversation(port, talk, run)
    return caught.value


def told(error):
    found = diagnose(error)
    return found.code.code, found.failure, found.phase


async def read(stream):
    return await stream.read_some()


async def ask(stream):
    await stream.send(b"?")
    return await stream.read_some()


# what is read


async def test_lines_and_bytes_come_as_they_were_sent_and_are_counted(peer):
    async def talk(stream):
        await stream.send(b"hello")
        parts = [await stream.read_line(), await stream.read_exactly(3), await stream.read_some()]
        return parts, stream.received

    assert await conversation(peer(peers.answer(b"one\r\ntwothree")), talk) == ([b"one\r\n", b"two", b"three"], 13)


async def test_the_peer_is_named_as_the_system_names_it(peer):
    port = peer(peers.hang)

    async def peer_of(stream):
        return stream.peer

    assert await conversation(port, peer_of) == f"{HOST}:{port}"
    async with Stream.open(Endpoint("localhost", port), make_run(5)) as stream:
        assert stream.peer == f"{HOST}:{port}"


# how it breaks


@pytest.mark.parametrize(
    ("handler", "signal"),
    [(peers.close_now, "end of stream"), (peers.reset_now, "errno 104")],
    ids=["closes", "resets"],
)
async def test_an_end_before_the_first_byte_is_the_mark_of_a_balancer(peer, handler, signal):
    error = await failure_of(peer(handler), read)
    assert told(error)[:2] == ("LB004", FailureClass.WAITING)  # a quick reset meets the connect itself
    assert diagnose(error).signal in (signal, "reset")


async def test_a_reset_after_the_first_question_is_one_too(peer):
    assert told(await failure_of(peer(peers.reset_after_read), ask))[0] == "LB004"


@pytest.mark.parametrize("take", [lambda s: s.read_exactly(100), lambda s: s.read_line()], ids=["bytes", "line"])
async def test_an_end_in_the_middle_of_an_answer_is_a_lost_connection(peer, take):
    async def talk(stream):
        stream.phase = Phase.QUERY
        await stream.send(b"?")
        await take(stream)

    error = await failure_of(peer(peers.answer(b"half an ans")), talk)
    assert told(error) == ("NET011", FailureClass.TRANSIENT, Phase.QUERY)
    assert error.received == len(b"half an ans")


async def test_a_mute_peer_ends_with_the_attempt(peer):
    started = time.monotonic()
    error = await failure_of(peer(peers.hang), ask, make_run(0.2))
    assert told(error) == ("NET003", FailureClass.SILENT, Phase.GREET)
    assert time.monotonic() - started < 5


async def test_a_peer_that_trickles_ends_with_the_attempt_too(peer):
    async def talk(stream):
        await stream.read_exactly(1000)

    assert told(await failure_of(peer(peers.trickle), talk, make_run(0.3)))[0] == "NET003"


async def test_a_peer_that_does_not_read_ends_with_the_attempt(peer):
    async def talk(stream):
        while True:
            await stream.send(b"x" * 1_000_000)

    assert told(await failure_of(peer(peers.hang), talk, make_run(0.5)))[0] == "NET003"


async def test_an_endless_line_ends_without_filling_the_memory(peer):
    def babble(connection):
        while True:
            connection.sendall(b"x" * 65536)

    error = await failure_of(peer(babble), lambda stream: stream.read_line())
    assert isinstance(error.cause, ValueError)
    assert diagnose(error).signal == "an endless line"
    assert error.received <= 4 * MAX_LINE


async def test_nothing_is_waited_for_when_the_time_is_over_but_what_is_there_is_read(peer):
    async def talk(stream):
        await stream.send(b"?")
        await stream.read_exactly(1)
        await asyncio.sleep(run.left() + 0.01)
        return await stream.read_exactly(2)

    run = make_run(0.2)
    assert await conversation(peer(peers.answer(b"abc")), talk, run) == b"bc"


async def test_a_cancelled_conversation_closes_its_connection(peer):
    closed = threading.Event()

    def wait_for_end(connection):
        connection.recv(1)
        closed.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await conversation(peer(wait_for_end), read, make_run(30))
    async with asyncio.timeout(5):
        while not closed.is_set():  # noqa: ASYNC110  (it is a thread that sets it)
            await asyncio.sleep(0.01)


# TLS


@pytest.fixture
def tls_peer(peer, certs):
    """Start peers that speak TLS with one of the certificates, answer `hello` to one message and close."""

    def make(kind="good", **more):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs / f"{kind}.crt", certs / f"{kind}.key")
        for name, value in more.items():
            setattr(context, name, value)
        if more.get("verify_mode"):
            context.load_verify_locations(certs / "ca.pem")

        def speak(connection):
            with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as protected:
                protected.recv(100)
                protected.sendall(b"hello")

        return peer(speak)

    return make


def encrypted(context, name="localhost"):
    async def talk(stream):
        await stream.start_tls(context, name)
        return stream.encrypted, stream.tls_version, await ask(stream)

    return talk


async def test_a_good_certificate_is_taken_and_what_follows_is_encrypted(tls_peer, certs):
    found = await conversation(tls_peer(), encrypted(client_context(ca_file=certs / "ca.pem")))
    assert found == (True, "TLSv1.3", b"hello")


async def test_the_name_may_be_an_address(tls_peer, certs):
    found = await conversation(tls_peer(), encrypted(client_context(ca_file=certs / "ca.pem"), HOST))
    assert found[2] == b"hello"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unknownca", "TLS001"),
        ("expired", "TLS002"),
        ("future", "TLS003"),
        ("wronghost", "TLS004"),
        ("selfsigned", "TLS005"),
    ],
)
async def test_a_bad_certificate_is_told_by_its_fault(tls_peer, certs, kind, code):
    error = await failure_of(tls_peer(kind), encrypted(client_context(ca_file=certs / "ca.pem")))
    assert told(error) == (code, FailureClass.PERMANENT, Phase.TLS)
    assert "<" not in diagnose(error).summary  # no fact is missing


@pytest.mark.parametrize("kind", ["unknownca", "expired", "wronghost", "selfsigned"])
async def test_without_verification_any_certificate_is_taken(tls_peer, kind):
    assert (await conversation(tls_peer(kind), encrypted(client_context(verify=False))))[2] == b"hello"


async def test_without_the_name_only_the_chain_is_checked(tls_peer, certs):
    context = client_context(ca_file=certs / "ca.pem", check_name=False)
    assert (await conversation(tls_peer("wronghost"), encrypted(context)))[2] == b"hello"
    assert told(await failure_of(tls_peer("unknownca"), encrypted(context)))[0] == "TLS001"


@pytest.mark.anyio
async def test_whether_tls_is_spoken(run, tls_peer, peer):
    assert await speaks_tls(Endpoint("127.0.0.1", tls_peer("expired")), run)
    assert not await speaks_tls(Endpoint("127.0.0.1", peer(peers.http_400)), run)


@pytest.mark.parametrize("handler", [peers.http_400, peers.garbage, peers.answer(b"-ERR unknown command\r\n")])
async def test_a_peer_that_speaks_plain_text_is_no_tls(peer, certs, handler):
    error = await failure_of(peer(handler), encrypted(client_context(ca_file=certs / "ca.pem")))
    assert told(error) == ("TLS006", FailureClass.PERMANENT, Phase.TLS)


@pytest.mark.parametrize("handler", [peers.close_now, peers.reset_after_read])
async def test_a_peer_that_leaves_during_the_handshake_broke_it_off(peer, certs, handler):
    error = await failure_of(peer(handler), encrypted(client_context(ca_file=certs / "ca.pem")))
    assert told(error) == ("TLS011", FailureClass.TRANSIENT, Phase.TLS)


async def test_a_peer_that_is_mute_during_the_handshake_is_silent(peer, certs):
    talk = encrypted(client_context(ca_file=certs / "ca.pem"))
    assert told(await failure_of(peer(peers.hang), talk, make_run(0.3))) == ("NET003", FailureClass.SILENT, Phase.TLS)


async def test_a_version_the_server_refuses_is_told(tls_peer, certs):
    context = client_context(ca_file=certs / "ca.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    port = tls_peer(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert told(await failure_of(port, encrypted(context)))[0] == "TLS009"


async def test_a_client_certificate_that_is_wanted_is_told_on_the_first_read(tls_peer, certs):
    context = client_context(ca_file=certs / "ca.pem")

    async def listen(stream):  # a question would be answered by a reset, which may overtake the alert
        await stream.start_tls(context, "localhost")
        await stream.read_some()

    error = await failure_of(tls_peer(verify_mode=ssl.CERT_REQUIRED), listen)
    assert told(error) == ("TLS008", FailureClass.PERMANENT, Phase.GREET)


async def test_a_client_certificate_is_shown(tls_peer, certs):
    context = client_context(ca_file=certs / "ca.pem", cert_file=certs / "client.crt", key_file=certs / "client.key")
    assert (await conversation(tls_peer(verify_mode=ssl.CERT_REQUIRED), encrypted(context)))[2] == b"hello"


@pytest.mark.parametrize(
    "files",
    [
        {"ca_file": "missing.pem"},
        {"ca_file": "good.key"},
        {"cert_file": "missing.crt"},
        {"cert_file": "good.crt", "key_file": "client.key"},
        {"cert_file": "good.crt", "key_file": "missing.key"},
    ],
)
async def test_a_local_file_that_cannot_be_used_is_told_by_its_name(certs, files):
    with pytest.raises(LocalTlsFile) as caught:
        client_context(**{key: certs / name for key, name in files.items()})
    found = diagnose(caught.value)
    assert (found.code.code, found.failure) == ("TLS010", FailureClass.PERMANENT)
    assert found.facts["path"] in {str(certs / name) for name in files.values()}
    assert found.said


def test_a_stream_leaves_nothing_behind_when_the_loop_ends():
    """As `asyncio.run` of the command line: the transport is closed although nobody waits for it."""
    with socket.create_server((HOST, 0)) as server:

        async def talk():
            async with Stream.open(Endpoint(*server.getsockname()), make_run(1)):
                pass

        asyncio.run(talk())
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1) == b""
