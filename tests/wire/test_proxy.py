from base64 import b64encode

import pytest

from servers import peers
from servers.web import Tunnel, Web, page
from startupctl.addresses import Endpoint, Url
from startupctl.wire.http import request
from startupctl.wire.http_message import HttpRequest
from startupctl.wire.proxy import Proxy, ProxyFailed, find_proxy
from support import make_run

SHOP = Endpoint("shop.example", 443)


def proxy_at(port, userinfo=""):
    return Url.parse(f"http://{userinfo}127.0.0.1:{port}")


def local(port, proxy, scheme="http", **fields):
    return HttpRequest(scheme, Endpoint("127.0.0.1", port), proxy=proxy, **fields)


# which one


@pytest.mark.parametrize(
    ("scheme", "environ", "expected"),
    [
        ("http", {}, None),
        ("http", {"http_proxy": "http://p:3128"}, ("p:3128", "http_proxy")),
        ("http", {"HTTP_PROXY": "http://p:3128"}, ("p:3128", "HTTP_PROXY")),
        ("https", {"HTTP_PROXY": "http://p:3128"}, None),
        ("https", {"HTTPS_PROXY": "p:3128"}, ("p:3128", "HTTPS_PROXY")),
        ("https", {"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, ("low:1", "https_proxy")),
        ("https", {"ALL_PROXY": "http://p"}, ("p:80", "ALL_PROXY")),
        ("http", {"http_proxy": "", "HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://p:1"}, None),
        ("https", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "shop.example"}, None),
        ("https", {"HTTPS_PROXY": "http://p:1", "no_proxy": "", "NO_PROXY": "*"}, ("p:1", "HTTPS_PROXY")),
        ("https", {"HTTPS_PROXY": "http://[::1]:3128"}, ("[::1]:3128", "HTTPS_PROXY")),
    ],
)
def test_the_environment_names_the_proxy_as_for_curl(scheme, environ, expected):
    proxy = find_proxy("env", scheme, SHOP, environ)

    assert (proxy and (str(proxy.endpoint), proxy.origin)) == expected


def test_the_key_wins_over_the_environment():
    environ = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}

    assert find_proxy("none", "https", SHOP, environ) is None
    assert find_proxy(Url.parse("http://q:2"), "https", SHOP, environ) == Proxy(Endpoint("q", 2), "proxy")


@pytest.mark.parametrize("value", ["http://u:hunter22@p:99999999", "socks5://u:hunter22@p:1", "http://", "https://p:1"])
def test_a_proxy_that_cannot_be_one_is_told_without_its_value(value):
    with pytest.raises(ProxyFailed) as caught:
        find_proxy("env", "http", SHOP, {"HTTP_PROXY": value})

    assert caught.value.origin == "HTTP_PROXY"
    assert "hunter22" not in f"{caught.value} {caught.value.cause}"


# what happens


@pytest.mark.anyio
async def test_http_goes_to_the_proxy_in_absolute_form(run, peer):
    web = Web(page("from afar"))

    answer = await request(
        run, HttpRequest("http", Endpoint("shop.test", 8080), "/a?b", proxy=proxy_at(peer(web), "u:p@"))
    )

    assert answer.body == b"from afar"
    assert web.line == "GET http://shop.test:8080/a?b HTTP/1.1"
    assert web.header("Host") == ["shop.test:8080"]
    assert web.header("Proxy-Authorization") == ["Basic " + b64encode(b"u:p").decode()]


@pytest.mark.anyio
async def test_https_goes_through_a_tunnel_and_the_certificate_is_the_servers(run, peer, certs):
    from functools import partial

    from startupctl.wire.tls import client_context

    web, tunnel = Web(page("sealed"), certs / "good"), Tunnel()
    port = peer(web)
    tls = partial(client_context, ca_file=certs / "ca.pem")

    answer = await request(run, local(port, proxy_at(peer(tunnel), "u:p@"), "https", tls=tls))

    assert answer.body == b"sealed"
    assert tunnel.requests[0].startswith(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n")
    assert "Basic dTpw" in tunnel.requests[0]
    assert web.header("Proxy-Authorization") == []


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_dead_proxy_is_named_and_not_the_server(run, free_port, scheme):
    proxy, server = free_port(), free_port()

    with pytest.raises(ProxyFailed) as caught:
        await request(run, local(server, proxy_at(proxy), scheme))

    assert (caught.value.proxy.port, caught.value.wanted.port) == (proxy, server)
    assert isinstance(caught.value.cause, ConnectionRefusedError)


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_credentials(run, peer, scheme):
    with pytest.raises(ProxyFailed) as caught:
        await request(run, local(1, proxy_at(peer(Web(page("", "407 Proxy Authentication Required")))), scheme))

    assert caught.value.status == 407


@pytest.mark.anyio
@pytest.mark.parametrize("status", [403, 502, 503, 504])
async def test_a_proxy_that_refuses_a_tunnel(run, peer, status):
    with pytest.raises(ProxyFailed) as caught:
        await request(run, local(1, proxy_at(peer(Web(page("", f"{status} No")))), "https"))

    assert caught.value.status == status


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("handler", "cause"),
    [
        (peers.hang, TimeoutError),
        (peers.close_now, (EOFError, OSError)),
        (peers.garbage, (ValueError, OSError)),
    ],
)
async def test_a_proxy_that_opens_no_tunnel(peer, handler, cause):
    with pytest.raises(ProxyFailed) as caught:
        await request(make_run(0.5), local(1, proxy_at(peer(handler)), "https"))

    assert caught.value.status == 0
    assert isinstance(caught.value.cause, cause)


@pytest.mark.anyio
async def test_the_environment_is_followed_unless_told_otherwise(run, peer, monkeypatch):
    proxy, web = Web(page("proxied")), Web(page("direct"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{peer(proxy)}")
    monkeypatch.setenv("no_proxy", "")
    port = peer(web)

    assert (await request(run, local(port, "env"))).body == b"proxied"
    assert (await request(run, local(port, "none"))).body == b"direct"
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    assert (await request(run, local(port, "env"))).body == b"direct"
