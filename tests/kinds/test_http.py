import json
from base64 import b64encode

import pytest
from pydantic import ValidationError

from asking import code_of, diagnosis_of
from servers import peers
from servers.web import Tunnel, Web, page
from startupctl.check import Unhealthy, secret_keys
from startupctl.diagnosis import FailureClass, Phase
from startupctl.kinds.http import Http
from support import make_run


def http(port, path="", scheme="http", **keys):
    return Http(url=f"{scheme}://127.0.0.1:{port}{path}", **{"proxy": "none"} | keys)


def in_json(value, status="200 OK", **headers):
    return page(json.dumps(value), status, Content_Type="application/json", **headers)


# ready


@pytest.mark.anyio
async def test_any_2xx_passes_and_says_who_answered(run, peer):
    facts = await http(peer(peers.answer(page("ok", "204 No Content", Server="nginx")))).check(run)

    assert facts == {"status": 204, "size": 0, "server": "nginx"}


@pytest.mark.anyio
async def test_the_request_is_what_the_keys_say(run, peer):
    web = Web(page("ok"))
    keys = {"method": "post", "headers": {"X-Token": "hunter22", "accept": "text/plain"}, "body": "grüß"}

    await Http(url=f"http://us%40er:p%3Aw@127.0.0.1:{peer(web)}/a%2Fb?c=d", proxy="none", **keys).check(run)

    assert web.line == "POST /a%2Fb?c=d HTTP/1.1"
    assert web.header("Authorization") == ["Basic " + b64encode(b"us@er:p:w").decode()]
    assert web.header("X-Token") == ["hunter22"]
    assert web.header("Accept") == ["text/plain"]
    assert web.body == "grüß".encode().decode("latin-1")


@pytest.mark.anyio
async def test_a_header_of_the_manifest_wins_over_the_userinfo(run, peer):
    web = Web(page("ok"))

    await Http(url=f"http://u:p@127.0.0.1:{peer(web)}", proxy="none", headers={"authorization": "Bearer x"}).check(run)

    assert web.header("Authorization") == ["Bearer x"]


@pytest.mark.anyio
async def test_everything_expected_is_there(run, peer):
    port = peer(peers.answer(in_json({"status": "ok", "n": [1]}, "418 Teapot", X_Role="primary")))
    expect = {
        "status": [200, 418],
        "header": {"x-role": "^primary$"},
        "body": "ok",
        "regex": r'"n": \[\d\]',
        "json": {"/status": "ok", "/n/0": 1},
    }

    assert (await http(port, expect=expect).check(run))["status"] == 418


# not ready


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "code", "failure"),
    [
        (page("", "302 Found", Location="https://login.example/"), "DEP006", "permanent"),
        (page("", "401 Unauthorized"), "DEP006", "permanent"),
        (page("", "403 Forbidden"), "DEP006", "permanent"),
        (page("", "404 Not Found"), "DEP006", "permanent"),
        (page("", "429 Too Many Requests"), "DEP006", "contention"),
        (page("", "500 Internal Server Error"), "DEP006", "transient"),
        (page("", "502 Bad Gateway"), "LB002", "transient"),
        (page("", "503 Service Unavailable"), "LB001", "warming"),
        (in_json({"db": "down"}, "503 Service Unavailable"), "DEP006", "warming"),
        (page("", "504 Gateway Timeout"), "LB003", "transient"),
    ],
)
async def test_the_status_decides(run, peer, answer, code, failure):
    found = await diagnosis_of(http(peer(peers.answer(answer))), run)

    assert (found.code.code, found.failure, found.phase) == (code, failure, Phase.QUERY)


@pytest.mark.anyio
async def test_a_redirect_names_the_host_it_leads_to(run, peer):
    answer = page("", "302 Found", Location="https://login.example/in?token=hunter22")
    found = await diagnosis_of(http(peer(peers.answer(answer))), run)

    assert "https://login.example/in" in found.summary
    assert "hunter22" not in found.summary


@pytest.mark.anyio
async def test_retry_after_is_kept(run, peer):
    port = peer(peers.answer(page("", "503 Service Unavailable", Retry_After="7")))

    assert (await diagnosis_of(http(port), run)).retry_after == 7


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("expect", "expected", "found"),
    [
        ({"body": "ready"}, "a body with `ready`", '{"status": "degraded"}'),
        ({"json": {"/status": "ok"}}, '`/status` to be `"ok"`', '"degraded"'),
        ({"header": {"X-Up": "yes"}}, "header `X-Up` to match `yes`", "`no such header`"),
        ({"status": 503}, "503", '{"status": "degraded"}'),
    ],
)
async def test_a_wrong_answer_says_what_was_asked_expected_and_found(run, peer, expect, expected, found):
    check = http(peer(peers.answer(in_json({"status": "degraded"}))), "/health", expect=expect)
    diagnosis = await diagnosis_of(check, run)

    assert (diagnosis.code.code, diagnosis.failure) == ("DEP006", FailureClass.PERMANENT)
    assert diagnosis.summary == f"GET {check.url} answered 200 OK, expected {expected}: {found}"


@pytest.mark.anyio
async def test_what_was_seen_is_kept_when_it_is_not_as_expected(run, peer):
    with pytest.raises(Unhealthy) as caught:
        await http(peer(peers.answer(page("", "404 Not Found", Server="nginx")))).check(run)

    assert caught.value.facts == {"status": 404, "size": 0, "server": "nginx"}


# no answer


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (peers.hang, "NET003"),
        (peers.trickle, "NET003"),
        (peers.close_now, "LB004"),
        (peers.reset_after_read, "LB004"),
        (peers.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "NET011"),
        (peers.garbage, "DEP006"),
    ],
)
async def test_peers_that_give_no_answer(peer, handler, code):
    assert await code_of(http(peer(handler)), make_run(0.7)) == code


@pytest.mark.anyio
async def test_nobody_listens(run, free_port):
    found = await diagnosis_of(http(free_port()), run)

    assert (found.code.code, found.failure) == ("NET001", FailureClass.WAITING)


@pytest.mark.anyio
async def test_another_protocol_is_named(run, valkey):
    found = await diagnosis_of(http(valkey.port), run)

    assert found.code.code in ("DEP006", "LB004")  # a Valkey closes at the word POST or Host:
    assert found.failure in (FailureClass.PERMANENT, FailureClass.WAITING)


# TLS


@pytest.mark.anyio
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
async def test_certificates_are_checked(run, peer, certs, kind, code):
    port = peer(Web(page("ok"), certs / kind))

    assert await code_of(http(port, scheme="https", ca_file=certs / "ca.pem"), run) == code
    assert (await http(port, scheme="https", verify=False).check(run))["status"] == 200


@pytest.mark.anyio
async def test_a_good_certificate_passes_with_a_path_beside_the_manifest(peer, certs):
    port = peer(Web(page("ok"), certs / "good"))
    run = make_run(folder=certs)

    assert (await http(port, scheme="https", ca_file="ca.pem").check(run))["status"] == 200
    assert await code_of(http(port, scheme="https", ca_file="missing.pem"), run) == "TLS010"


@pytest.mark.anyio
async def test_a_client_certificate_is_asked_for(run, peer, certs):
    port = peer(Web(page("ok"), certs / "good", client_ca=certs / "ca.pem"))
    keys = {"scheme": "https", "ca_file": certs / "ca.pem"}

    assert await code_of(http(port, **keys), run) == "TLS008"
    keys |= {"cert_file": certs / "client.crt", "key_file": certs / "client.key"}
    assert (await http(port, **keys).check(run))["status"] == 200


@pytest.mark.anyio
async def test_tls_mix_ups_are_told_apart(run, peer, certs):
    assert await code_of(http(peer(Web(page("ok"), certs / "good"))), run) == "TLS007"
    assert await code_of(http(peer(peers.http_400), scheme="https"), run) == "TLS006"


# proxies


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_dead_proxy_of_the_environment_is_blamed(run, free_port, monkeypatch, scheme):
    proxy = free_port()
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:hunter22@127.0.0.1:{proxy}")
    monkeypatch.setenv("no_proxy", "")

    found = await diagnosis_of(http(1, scheme=scheme, proxy="env"), run)

    assert found.code.code == "PRX001"
    assert f"127.0.0.1:{proxy} of `{scheme}_proxy`" in found.summary
    assert "NO_PROXY" in found.hint
    assert "hunter22" not in found.summary + found.hint


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "scheme", "code"),
    [
        ("407 Proxy Authentication Required", "http", "PRX002"),
        ("407 Proxy Authentication Required", "https", "PRX002"),
        ("403 Forbidden", "https", "PRX003"),
        ("502 Bad Gateway", "https", "PRX004"),
        ("403 Forbidden", "http", "DEP006"),
    ],
)
async def test_refusals_of_a_proxy(run, peer, status, scheme, code):
    proxy = f"http://127.0.0.1:{peer(peers.answer(page('', status)))}"

    assert await code_of(http(1, scheme=scheme, proxy=proxy), run) == code


@pytest.mark.anyio
async def test_https_through_a_proxy_that_works(run, peer, certs):
    tunnel = Tunnel()
    proxy = f"http://127.0.0.1:{peer(tunnel)}"
    port = peer(Web(page("ok"), certs / "good"))

    assert (await http(port, scheme="https", ca_file=certs / "ca.pem", proxy=proxy).check(run))["status"] == 200
    assert len(tunnel.requests) == 1


@pytest.mark.anyio
async def test_a_proxy_of_another_scheme_is_refused(run):
    assert await code_of(http(1, proxy="socks5://user:hunter22@127.0.0.1:1"), run) == "PRX005"


# a balancer

FRONT = """
defaults
  mode http
  timeout connect 200ms
  timeout client 5s
  timeout server 300ms
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server one 127.0.0.1:%d %s
"""


@pytest.mark.anyio
async def test_a_balancer_whose_backend_works(run, peer, haproxy):
    balancer = haproxy(FRONT % (peer(peers.answer(page("ok"))), ""))

    assert (await http(balancer.port).check(run))["status"] == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("handler", "options", "code"),
    [(peers.hang, "", "LB003"), (peers.garbage, "", "LB002"), (peers.close_now, "disabled", "LB001")],
)
async def test_a_balancer_answers_for_its_backend(run, peer, haproxy, handler, options, code):
    balancer = haproxy(FRONT % (peer(handler), options))

    assert await code_of(http(balancer.port), run) == code


@pytest.mark.anyio
async def test_a_balancer_without_a_living_backend(run, free_port, haproxy):
    balancer = haproxy(FRONT % (free_port(), "check inter 50ms fall 1"))

    assert await code_of(http(balancer.port), run) == "LB001"


# keys


@pytest.mark.parametrize(
    "keys",
    [
        {"url": "ftp://h/"},
        {"url": "http:///path"},
        {"url": "http://a:1,b:2/"},
        {"url": "h:80"},
        {"url": "http://h", "method": "GET /"},
        {"url": "http://h", "headers": {"X Y": "a"}},
        {"url": "http://h", "headers": {"X": "a\r\nY: hunter22"}},
        {"url": "http://h", "headers": {"X": "hunter22 \u20ac"}},
        {"url": "http://h", "key_file": "k.pem"},
        {"url": "http://h", "proxy": "hunter22"},
        {"url": "http://h", "expect": {"status": "fine"}},
        {"url": "http://h", "expect": {"regex": "("}},
        {"url": "http://h", "expects": {}},
        {},
    ],
)
def test_mistakes_are_found_and_no_secret_is_repeated(keys):
    with pytest.raises(ValidationError) as caught:
        Http(**keys)

    assert "hunter22" not in str(caught.value)


def test_header_values_are_secrets_save_those_that_say_nothing():
    headers = {"X-Key": "key-value", "ACCEPT": "a/b", "Content-Type": "c/d", "Host": "e", "User-Agent": "f"}
    check = Http(url="http://u:hunter22@h/?token=abcdef", headers=headers, proxy="http://p:proxypass@q")

    assert set(check.secrets()) == {
        "key-value",
        "hunter22",
        "abcdef",
        "proxypass",
        b64encode(b"u:hunter22").decode(),
    }
    assert check.target == "http://u:***@h"


def test_secrets_may_come_from_files():
    assert {"url", "proxy"} == secret_keys(Http)


@pytest.mark.parametrize("time", range(5))  # a race: once in two
def test_several_that_load_the_driver_at_the_same_moment_do_not_disturb_each_other(time, startupctl, peer, tmp_path):
    del time
    port = peer(peers.answer(page("ok")))
    lines = [f"  site_{number}: {{kind: http, url: 'http://127.0.0.1:{port}/'}}" for number in range(6)]
    manifest = tmp_path / "startup.yaml"
    manifest.write_text("\n".join(["version: 1", "components:", *lines, ""]))
    found = startupctl("check", "-f", str(manifest))
    assert found.code == 0, found.err
