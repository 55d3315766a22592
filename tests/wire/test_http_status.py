import time
from email.utils import formatdate

import pytest
from urllib3 import HTTPHeaderDict

from startupctl.addresses import Endpoint
from startupctl.diagnosis import FailureClass
from startupctl.wire.http_message import HttpAnswer
from startupctl.wire.http_status import diagnose_proxy, diagnose_status, excerpt, phrase, retry_after
from startupctl.wire.proxy import ProxyFailed

PROXY, SHOP = Endpoint("proxy.example", 3128), Endpoint("shop.example", 443)


def answer(status, body=b"", **headers):
    return HttpAnswer(status, HTTPHeaderDict({name.replace("_", "-"): text for name, text in headers.items()}), body)


def diagnosed(*args, **kwargs):
    return diagnose_status("GET http://h/x", "h:80", answer(*args, **kwargs))


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (200, "DEP006", "permanent"),
        (301, "DEP006", "permanent"),
        (400, "DEP006", "permanent"),
        (401, "DEP006", "permanent"),
        (403, "DEP006", "permanent"),
        (404, "DEP006", "permanent"),
        (408, "DEP006", "transient"),
        (425, "DEP006", "transient"),
        (429, "DEP006", "contention"),
        (500, "DEP006", "transient"),
        (501, "DEP006", "permanent"),
        (502, "LB002", "transient"),
        (503, "LB001", "warming"),
        (504, "LB003", "transient"),
        (599, "DEP006", "transient"),
    ],
)
def test_the_status_decides_code_and_class(status, code, failure):
    diagnosis = diagnosed(status)

    assert (diagnosis.code.code, diagnosis.failure) == (code, failure)


def test_a_503_in_json_is_the_services_own_word():
    diagnosis = diagnosed(503, b'{"db": "down"}', Content_Type="application/problem+json; charset=utf-8")

    assert (diagnosis.code.code, diagnosis.failure) == ("DEP006", FailureClass.WARMING)
    assert diagnosis.summary == 'GET http://h/x answered 503 Service Unavailable, expected 2xx: {"db": "down"}'


def test_who_answered_is_said():
    diagnosis = diagnosed(503, b"<html>busy</html>", Server="nginx", Via="1.1 edge", Content_Type="text/html")

    assert diagnosis.said == "Server `nginx`, Via `1.1 edge`"


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://u:hunter22@login.example/in?token=hunter22", "redirects to `https://u:***@login.example/in`"),
        ("/login?next=%2F", "redirects to `/login`"),
    ],
)
def test_a_redirect_names_where_it_leads_without_secrets(location, said):
    diagnosis = diagnosed(302, Location=location)

    assert diagnosis.said == said
    assert "not followed" in diagnosis.hint


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), (" 0 ", 0), ("", None), ("soon", None), ("-5", None), ("1.5", None)]
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(answer(503, Retry_After=value)) == seconds


def test_retry_after_as_a_date():
    assert 50 < retry_after(answer(503, Retry_After=formatdate(time.time() + 60, usegmt=True))) <= 60
    assert retry_after(answer(503, Retry_After=formatdate(time.time() - 60, usegmt=True))) == 0


def test_an_excerpt_is_one_short_line():
    assert excerpt(b"a\r\n\tb  c\xff") == "a b c�"
    assert len(excerpt(b"word " * 1000)) == 201


def test_an_unknown_status_has_no_phrase():
    assert (phrase(404), phrase(599)) == ("404 Not Found", "599")


@pytest.mark.parametrize(
    ("status", "cause", "code", "failure"),
    [
        (0, ConnectionRefusedError(111, "refused"), "PRX001", "transient"),
        (0, TimeoutError(), "PRX001", "transient"),
        (0, EOFError(), "PRX001", "transient"),
        (407, None, "PRX002", "permanent"),
        (403, None, "PRX003", "permanent"),
        (405, None, "PRX003", "permanent"),
        (429, None, "PRX004", "transient"),
        (502, None, "PRX004", "transient"),
        (503, None, "PRX004", "transient"),
        (504, None, "PRX004", "transient"),
        (0, ValueError("no"), "PRX005", "permanent"),
    ],
)
def test_what_came_of_a_proxy(status, cause, code, failure):
    diagnosis = diagnose_proxy(ProxyFailed("HTTPS_PROXY", SHOP, PROXY, status=status, cause=cause))

    assert (diagnosis.code.code, diagnosis.failure) == (code, failure)
    assert "HTTPS_PROXY" in diagnosis.summary + diagnosis.hint
    assert "<" not in diagnosis.summary + diagnosis.hint


def test_an_unreachable_proxy_names_variable_proxy_and_the_way_around_it():
    diagnosis = diagnose_proxy(ProxyFailed("HTTP_PROXY", SHOP, PROXY, cause=ConnectionRefusedError(111, "refused")))

    assert diagnosis.summary == (
        "the proxy proxy.example:3128 of `HTTP_PROXY` cannot be reached on the way to shop.example (errno 111)"
    )
    assert "add `shop.example` to NO_PROXY" in diagnosis.hint
