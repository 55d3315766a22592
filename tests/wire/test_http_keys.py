import pytest
from pydantic import ValidationError
from urllib3 import HTTPHeaderDict

from startupctl.wire.http_keys import HttpExpect, look_up
from startupctl.wire.http_message import HttpAnswer

DOCUMENT = {"a": {"b": [10, {"c": None}]}, "x/y": 1, "m~n": 2, "": 3, "ok": True, "n": 1, "s": "1"}


def answer(body=b"", **headers):
    return HttpAnswer(200, HTTPHeaderDict(headers), body)


@pytest.mark.parametrize(
    ("expected", "status", "admitted"),
    [
        (200, 200, True),
        ("200", 204, False),
        ("2xx", 204, True),
        ("2XX, 304", 304, True),
        ([200, "5xx"], 503, True),
        ([200, 204], 201, False),
    ],
)
def test_statuses_are_numbers_ranges_and_lists(expected, status, admitted):
    assert HttpExpect(status=expected).admits(status) is admitted


@pytest.mark.parametrize("expected", ["ok", "", 99, 600, "20x", [], "200-299", None])
def test_other_statuses_are_refused(expected):
    with pytest.raises(ValidationError):
        HttpExpect(status=expected)


@pytest.mark.parametrize(
    ("pointer", "value"), [("", DOCUMENT), ("/a/b/0", 10), ("/a/b/1/c", None), ("/x~1y", 1), ("/m~0n", 2), ("/", 3)]
)
def test_a_json_pointer_leads_to_a_value(pointer, value):
    assert look_up(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/b", "/a/b/2", "/a/b/-", "/a/b/x", "/ok/x", "/s/0"])
def test_a_json_pointer_may_lead_nowhere(pointer):
    assert look_up(DOCUMENT, pointer) not in [None, *DOCUMENT.values()]
    assert HttpExpect(json={pointer: None}).mismatch(answer(b'{"ok": true, "s": "1"}')) is not None


@pytest.mark.parametrize(
    ("keys", "body", "met"),
    [
        ({"body": "ready"}, b"all ready", True),
        ({"body": "ready"}, b"starting", False),
        ({"regex": r"^v\d+"}, b"v12", True),
        ({"regex": r"^v\d+"}, b"12", False),
        ({"json": {"/ok": True}}, b'{"ok": true}', True),
        ({"json": {"/ok": True}}, b'{"ok": 1}', False),
        ({"json": {"/ok": 1}}, b'{"ok": true}', False),
        ({"json": {"/ok": "true"}}, b'{"ok": true}', True),
        ({"json": {"/ok": "1"}}, b'{"ok": "1"}', True),
        ({"json": {"/ok": 1}}, b'{"ok": 1.0}', True),
        ({"json": {"/ok": None}}, b'{"ok": null}', True),
        ({"json": {"/ok": None}}, b"{}", False),
        ({"json": {"/ok": [1, {"a": 2}]}}, b'{"ok": [1, {"a": 2}]}', True),
        ({"json": {"/ok": True}}, b"<html>", False),
        ({"header": {"x-ready": "^yes$"}}, b"", True),
        ({"header": {"X-Ready": "^no$"}}, b"", False),
        ({"header": {"X-Other": ".+"}}, b"", False),
        ({"body": "a", "regex": "b"}, b"a", False),
    ],
)
def test_everything_that_is_given_must_hold(keys, body, met):
    assert (HttpExpect(**keys).mismatch(answer(body, **{"X-Ready": "yes"})) is None) is met


def test_a_mismatch_says_what_was_expected_and_what_was_found():
    expect = HttpExpect(json={"/status": "ok"}, header={"X-Up": "yes"})

    assert expect.mismatch(answer(b'{"status": "degraded"}', **{"X-Up": "yes"})) == (
        '`/status` to be `"ok"`',
        '"degraded"',
    )
    assert expect.mismatch(answer(b"")) == ("header `X-Up` to match `yes`", "`no such header`")
