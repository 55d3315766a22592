import asyncio
import errno
import socket
import ssl
import threading
import time
from functools import partial

import pytest

from servers import peers
from servers.web import Web, page
from startupctl.addresses import Endpoint, Url
from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, LocalTlsFile, NotThisProtocol
from startupctl.wire.http import request
from startupctl.wire.http_exchange import MAX_BODY
from startupctl.wire.http_message import HttpRequest, merge_headers, request_target
from startupctl.wire.tls import client_context
from support import make_run


def local(port, scheme="http", **fields):
    return HttpRequest(scheme, Endpoint("127.0.0.1", port), proxy="none", **fields)


@pytest.mark.anyio
async def test_the_answer_is_returned_whatever_its_status(run, peer):
    answer = await request(run, local(peer(peers.answer(page("no", "418 I'm a teapot", X_Pot="short")))))

    assert (answer.status, answer.body) == (418, b"no")
    assert answer.headers["x-pot"] == "short"


@pytest.mark.anyio
async def test_method_headers_and_body_are_sent(run, peer):
    web = Web(page(""))
    wanted = local(peer(web), target="/a?b=c", method="POST", headers={"X-Name": "Grüße"}, body=b"select 1")

    await request(run, wanted)

    assert web.line == "POST /a?b=c HTTP/1.1"
    assert web.header("Host") == [f"127.0.0.1:{wanted.endpoint.port}"]
    assert web.header("X-Name") == ["Grüße"]
    assert web.header("Content-Length") == ["8"]
    assert web.header("Connection") == ["close"]
    assert web.header("User-Agent")[0].startswith("startupctl/")
    assert web.body == "select 1"


@pytest.mark.anyio
async def test_a_given_header_replaces_ours_whatever_its_case(run, peer):
    web = Web(page(""))

    await request(run, local(peer(web), headers={"host": "shop.example", "user-agent": "probe"}))

    assert web.header("Host") == ["shop.example"]
    assert web.header("User-Agent") == ["probe"]


@pytest.mark.anyio
async def test_a_redirect_is_not_followed(run, peer):
    web = Web(page("", "302 Found", Location="http://127.0.0.1:1/"))

    assert (await request(run, local(peer(web)))).status == 302
    assert len(web.requests) == 1


@pytest.mark.anyio
async def test_a_chunked_body_is_read_to_its_end(run, peer):
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    assert (await request(run, local(peer(peers.answer(chunks))))).body == b"abcde"


@pytest.mark.anyio
async def test_a_body_without_length_ends_with_the_connection(run, peer):
    assert (await request(run, local(peer(peers.answer(b"HTTP/1.0 200 OK\r\n\r\nabc"))))).body == b"abc"


@pytest.mark.anyio
async def test_a_long_body_is_cut(run, peer):
    answer = await request(run, local(peer(peers.answer(page(b"x" * (MAX_BODY + 100_000))))))

    assert len(answer.body) == MAX_BODY


@pytest.mark.anyio
async def test_an_answer_before_the_request_was_read_counts(run, peer):
    def refuse(connection):
        connection.recv(10)
        connection.sendall(page("too large", "413 Content Too Large"))
        connection.close()

    answer = await request(run, local(peer(refuse), method="POST", body=b"x" * 20_000_000))

    assert answer.status == 413


@pytest.mark.anyio
async def test_ipv6_is_spoken(run):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    web = Web(page("six"))

    def serve():
        connection, _ = listener.accept()
        with connection:
            web(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        port = listener.getsockname()[1]
        answer = await request(run, HttpRequest("http", Endpoint("::1", port), proxy="none"))
        thread.join(5)

    assert answer.body == b"six"
    assert web.header("Host") == [f"[::1]:{port}"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("handler", "cause"),
    [(peers.close_now, (EOFError, ConnectionResetError)), (peers.reset_after_read, (ConnectionResetError,))],
)
async def test_a_close_before_the_first_byte_is_told_from_later_ones(run, peer, handler, cause):
    with pytest.raises(ConnectionBroken) as caught:
        await request(run, local(peer(handler)))

    assert (caught.value.phase, caught.value.received) == (Phase.GREET, 0)
    assert isinstance(caught.value.cause, cause)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
async def test_a_body_that_ends_early_is_no_answer(run, peer, data):
    with pytest.raises(ConnectionBroken) as caught:
        await request(run, local(peer(peers.answer(data))))

    assert caught.value.phase is Phase.QUERY
    assert caught.value.received == len(data)
    assert isinstance(caught.value.cause, EOFError)


@pytest.mark.anyio
async def test_a_reset_inside_the_body_keeps_its_errno(run, peer):
    def half(connection):
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.2)
        peers.reset_now(connection)

    with pytest.raises(ConnectionBroken) as caught:
        await request(run, local(peer(half)))

    assert caught.value.phase is Phase.QUERY
    assert caught.value.cause.errno == errno.ECONNRESET


@pytest.mark.anyio
@pytest.mark.parametrize(
    "data", [b"-ERR unknown command\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\xff" * 40, b"HTTPS\r\n"]
)
async def test_other_protocols_are_recognized(run, peer, data):
    with pytest.raises(NotThisProtocol) as caught:
        await request(run, local(peer(peers.answer(data))))

    assert caught.value.answer == data[:64]


@pytest.mark.anyio
async def test_nobody_listens(run, free_port):
    with pytest.raises(ConnectionBroken) as caught:
        await request(run, local(free_port()))

    assert (caught.value.phase, caught.value.cause.errno) == (Phase.CONNECT, errno.ECONNREFUSED)


def http_threads():
    return [thread for thread in threading.enumerate() if thread.name == "perform"]


async def until_no_thread_is_left():
    for _ in range(200):
        if not http_threads():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(http_threads())


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("handler", [peers.hang, peers.trickle])
async def test_the_deadline_ends_silent_and_trickling_servers_and_the_thread(peer, handler, scheme):
    started = time.monotonic()
    with pytest.raises(ConnectionBroken) as caught:
        await request(make_run(0.7), local(peer(handler), scheme))

    assert isinstance(caught.value.cause, TimeoutError)
    assert caught.value.phase is (Phase.TLS if scheme == "https" else Phase.GREET)
    assert time.monotonic() - started < 5
    await until_no_thread_is_left()


@pytest.mark.anyio
async def test_a_trickling_body_ends_at_the_deadline_too(peer):
    def trickle(connection):
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.1)

    with pytest.raises(ConnectionBroken) as caught:
        await request(make_run(0.7), local(peer(trickle)))

    assert (caught.value.phase, type(caught.value.cause)) == (Phase.QUERY, TimeoutError)
    await until_no_thread_is_left()


@pytest.mark.anyio
async def test_cancelling_ends_the_thread(run, peer):
    task = asyncio.ensure_future(request(run, local(peer(peers.hang))))
    await asyncio.sleep(0.2)
    assert http_threads()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until_no_thread_is_left()


# TLS


def encrypted(certs, kind="good", **options):
    return Web(page("sealed"), certs / kind, **options)


def trusting(certs, **options):
    return partial(client_context, ca_file=certs / "ca.pem", **options)


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_good_certificate_is_taken_for_address_and_name(run, peer, certs, host):
    wanted = HttpRequest("https", Endpoint(host, peer(encrypted(certs))), tls=trusting(certs), proxy="none")

    assert (await request(run, wanted)).body == b"sealed"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "codes"),
    [("expired", {10}), ("future", {9}), ("wronghost", {62, 64}), ("unknownca", {19, 20}), ("selfsigned", {18})],
)
async def test_bad_certificates_keep_their_verify_code(run, peer, certs, kind, codes):
    with pytest.raises(ConnectionBroken) as caught:
        await request(run, local(peer(encrypted(certs, kind)), "https", tls=trusting(certs)))

    assert caught.value.phase is Phase.TLS
    assert caught.value.cause.verify_code in codes


@pytest.mark.anyio
async def test_without_verification_any_certificate_is_taken(run, peer, certs):
    port = peer(encrypted(certs, "wronghost"))

    assert (await request(run, local(port, "https", tls=partial(client_context, verify=False)))).status == 200


@pytest.mark.anyio
async def test_the_certificate_may_name_another_server(run, peer, certs):
    port = peer(encrypted(certs, "wronghost"))

    assert (await request(run, local(port, "https", tls=trusting(certs), server_name="db.other.example"))).status == 200


@pytest.mark.anyio
async def test_a_missing_client_certificate_is_the_servers_alert(run, peer, certs):
    port = peer(encrypted(certs, client_ca=certs / "ca.pem"))

    with pytest.raises(ConnectionBroken) as caught:
        await request(run, local(port, "https", tls=trusting(certs)))

    assert caught.value.cause.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.anyio
async def test_a_client_certificate_is_shown(run, peer, certs):
    port = peer(encrypted(certs, client_ca=certs / "ca.pem"))
    tls = trusting(certs, cert_file=certs / "client.crt", key_file=certs / "client.key")

    assert (await request(run, local(port, "https", tls=tls))).status == 200


@pytest.mark.anyio
async def test_a_file_of_ours_that_cannot_be_read_is_named(run, peer, certs, tmp_path):
    with pytest.raises(LocalTlsFile) as caught:
        await request(run, local(peer(encrypted(certs)), "https", tls=partial(client_context, ca_file=tmp_path / "no")))

    assert caught.value.path == tmp_path / "no"


@pytest.mark.anyio
async def test_plain_text_to_a_tls_port_is_recognized(run, peer, certs):
    with pytest.raises(NotThisProtocol) as caught:
        await request(run, local(peer(encrypted(certs))))

    assert caught.value.looks_like == "TLS"


@pytest.mark.anyio
async def test_tls_to_a_plain_port_keeps_openssls_reason(run, peer):
    with pytest.raises(ConnectionBroken) as caught:
        await request(run, local(peer(peers.http_400), "https"))

    assert caught.value.phase is Phase.TLS
    assert isinstance(caught.value.cause, ssl.SSLError)


@pytest.mark.anyio
@pytest.mark.parametrize("handler", [peers.reset_now, peers.close_now])
async def test_a_server_that_closes_in_the_handshake_leaks_nothing(run, peer, handler):
    for _ in range(5):
        with pytest.raises(ConnectionBroken):
            await request(run, local(peer(handler), "https"))


# addresses


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h", "/"),
        ("http://h/", "/"),
        ("http://h?x=1", "/?x=1"),
        ("http://h/a%2Fb?x=%20y&z", "/a%2Fb?x=%20y&z"),
        ("http://h/a b/ü", "/a%20b/%C3%BC"),
        ("http://h/a#part", "/a"),
        ("http://u:p@h/a?q={x}", "/a?q=%7Bx%7D"),
    ],
)
def test_path_and_query_go_as_they_were_written(url, target):
    assert request_target(Url.parse(url)) == target


@pytest.mark.parametrize(
    ("scheme", "endpoint", "authority"),
    [
        ("http", Endpoint("h", 80), "h"),
        ("http", Endpoint("h", 8080), "h:8080"),
        ("https", Endpoint("h", 443), "h"),
        ("https", Endpoint("h", 80), "h:80"),
        ("https", Endpoint("::1", 443), "[::1]"),
        ("http", Endpoint("bücher.example", 8080), "xn--bcher-kva.example:8080"),
    ],
)
def test_the_host_header_leaves_out_the_port_of_the_scheme(scheme, endpoint, authority):
    assert HttpRequest(scheme, endpoint).authority == authority


def test_later_headers_replace_earlier_ones():
    assert merge_headers({"Host": "a", "X": "1"}, {"host": "b"}) == {"host": "b", "X": "1"}
