"""Endpoints and connection URLs, taken apart as the drivers do it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.addresses import Endpoint, Url

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("db:5432", Endpoint("db", 5432)),
        ("[::1]:80", Endpoint("::1", 80)),
        ("127.0.0.1:6379", Endpoint("127.0.0.1", 6379)),
        ("unix:/run/redis.sock", Endpoint(path="/run/redis.sock")),
    ],
)
def test_an_endpoint_is_read_and_written_alike(text, endpoint):
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize(
    "text", ["db", "db:", ":80", "db:70000", "db:0", "db:x", "::1:80", "[::1", "[::1]80", "unix:", ""]
)
def test_what_is_no_endpoint_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("127.evil.example", False), ("db", False)],
)
def test_only_what_stays_on_this_machine_is_local(host, local):
    assert Endpoint(host, 1).is_local is local


@pytest.mark.parametrize(
    ("text", "user", "password", "host", "port", "path"),
    [
        ("postgres://u:p@h:1/d", "u", "p", "h", 1, "d"),
        ("postgres://u:p%40%2F@h/d", "u", "p@/", "h", None, "d"),
        ("postgres://u:p#w@h/d", "u", "p#w", "h", None, "d"),
        ("postgres://u:p@w@h/d", "u", "p@w", "h", None, "d"),
        ("postgres://u:p?w@h/d", "u", "p?w", "h", None, "d"),
        ("redis://:only@h", None, "only", "h", None, ""),
        ("redis://h", None, None, "h", None, ""),
        ("postgres:///d?host=/tmp", None, None, "", None, "d"),
        ("postgres://[::1]:5432/d", None, None, "::1", 5432, "d"),
        ("postgres://%2Frun%2Fpg/d", None, None, "/run/pg", None, "d"),
        ("http://h/a/b?c=d/e@f", None, None, "h", None, "a/b"),
    ],
)
def test_a_url_is_taken_apart(text, user, password, host, port, path):
    url = Url.parse(text)
    assert (url.user, url.password and url.password.reveal()) == (user, password)
    assert (url.host, url.port, url.path) == (host, port, path)


def test_several_hosts_are_kept_in_order():
    assert Url.parse("postgres://a:1,b,[::1]:3/d").hosts == (("a", 1), ("b", None), ("::1", 3))


@given(TEXT, TEXT)
def test_an_encoded_userinfo_comes_back_and_is_never_printed(user, password):
    url = Url.parse(f"postgres://{quote(user, safe='')}:{quote('S3' + password, safe='')}@db:5432/app")
    assert url.user == user
    assert url.password.reveal() == "S3" + password
    assert ":***@" in str(url)
    assert str(url) == repr(url) == f"postgres://{user}:***@db:5432/app"


@given(st.text(max_size=60))
def test_no_text_gives_anything_but_a_url_or_a_value_error(text):
    for candidate in (text, f"redis://{text}", f"postgres://u:{text}"):
        try:
            assert isinstance(Url.parse(candidate), Url)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "text", ["no-url-secret9", "postgres://u:secret9/x@h/d", "postgres://u:secret9@[::1", "://secret9", "1a://secret9"]
)
def test_a_refused_url_is_not_repeated(text):
    with pytest.raises(ValueError, match=r"\w") as refused:
        Url.parse(text)
    assert "secret9" not in str(refused.value)


def test_parameters_named_like_a_secret_are_secrets():
    url = Url.parse("postgres://h/d?password=one&sslmode=require&token=two")
    assert list(url.secrets()) == ["one", "two"]
    assert url.param("sslmode") == "require"
    assert "one" not in str(url)
