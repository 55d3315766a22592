"""No spelling of a secret survives, and what is no secret stays as it is."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.redact import MASK, Redactor, environment_secrets

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="*"))  # the mask itself is made of stars
LONG = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=8, max_size=40)
PLAIN_SPELLINGS = {
    "raw": lambda secret: secret,
    "URL-encoded": lambda secret: quote(secret, safe=""),
    "URL-encoded with slashes": quote,
    "form-encoded": quote_plus,
    "URL-encoded in lower case": lambda secret: "".join(
        f"%{byte:02x}" if chr(byte) not in UNRESERVED else chr(byte) for byte in secret.encode()
    ),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON in Unicode": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
}
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"


@pytest.mark.parametrize("spelling", PLAIN_SPELLINGS.values(), ids=list(PLAIN_SPELLINGS))
@given(secret=LONG, before=TEXT, behind=TEXT)
def test_no_spelling_of_a_long_secret_survives(spelling, secret, before, behind):
    spelled = spelling(secret)
    cleaned = Redactor([secret]).clean(before + spelled + behind)
    assert spelled not in cleaned
    assert secret not in cleaned


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(secret=LONG, user=st.text(st.characters(codec="utf-8"), max_size=9), more=st.binary(max_size=4))
def test_a_long_secret_inside_base64_leaves_no_more_than_its_edges(encode, secret, user, more):
    head = f"{user}:".encode()
    encoded = encode(head + secret.encode() + more).decode()
    left, mask, right = Redactor([secret]).clean(encoded).partition(MASK)
    assert mask
    assert len(left + right) <= (len(head) + len(more)) * 4 / 3 + 8


@given(st.lists(LONG, min_size=1, max_size=5), TEXT)
def test_of_several_secrets_none_survives(secrets, between):
    cleaned = Redactor(secrets).clean(between.join(["", *secrets, ""]))
    assert not any(secret in cleaned for secret in secrets)


@given(LONG, TEXT)
def test_what_is_clean_stays_clean(secret, text):
    redactor = Redactor([secret])
    once = redactor.clean(text + secret)
    assert secret not in redactor.clean(once)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the word hunter2 alone", f"the word {MASK} alone"),
        ("(hunter2), 'hunter2'", f"({MASK}), '{MASK}'"),
        ("redis://:hunter2@db/0", f"redis://:{MASK}@db/0"),
        ("hunter22 and xhunter2 and _hunter2", "hunter22 and xhunter2 and _hunter2"),
    ],
)
def test_a_short_secret_is_masked_as_a_whole_word_only(text, expected):
    assert Redactor(["hunter2"]).clean(text) == expected


def test_the_shortest_secrets_are_no_words_to_look_for():
    assert Redactor(["db", "app", ""]).clean("the app asks db for app") == "the app asks db for app"


def test_a_value_with_white_space_around_it_is_found_without():
    assert Redactor(["correct horse\n"]).clean("no such user: correct horse.") == f"no such user: {MASK}."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://app:pw@db:5432/x", f"postgres://app:{MASK}@db:5432/x"),
        ("at redis://:a@b:c@db/0, then", f"at redis://:{MASK}@db/0, then"),
        ("postgresql+asyncpg://u:p%40w@h", f"postgresql+asyncpg://u:{MASK}@h"),
        ("1.postgres://u:pw@h", f"1.postgres://u:{MASK}@h"),
        ("http://proxy.example:3128/path@x", "http://proxy.example:3128/path@x"),
        ("host=db password=pw user=app", f"host=db password={MASK} user=app"),
        ("host=db password = 'p w' user=app", f"host=db password = {MASK} user=app"),
        (r"password='it\'s' user=app", f"password={MASK} user=app"),
        ("?user=a&password=p&w&sslmode=require failed", f"?user=a&password={MASK} failed"),
        ("CREATE ROLE app LOGIN PASSWORD 'pw'", f"CREATE ROLE app LOGIN PASSWORD {MASK}"),
        ("ALTER ROLE app PASSWORD 'it''s' VALID", f"ALTER ROLE app PASSWORD {MASK} VALID"),
        (r"ALTER ROLE app PASSWORD 'ends in \' VALID", f"ALTER ROLE app PASSWORD {MASK} VALID"),
        ("ALTER ROLE app PASSWORD 'cut off by", f"ALTER ROLE app PASSWORD {MASK}"),
        (r"ALTER ROLE app PASSWORD E'it\'s' VALID", f"ALTER ROLE app PASSWORD {MASK} VALID"),
        (
            "ALTER ROLE app\nENCRYPTED PASSWORD\n  $x$pw\n$x$ VALID",
            f"ALTER ROLE app\nENCRYPTED PASSWORD\n  {MASK} VALID",
        ),
        ("ALTER ROLE app PASSWORD $$pw$$, 'y'", f"ALTER ROLE app PASSWORD {MASK}, 'y'"),
        ("ALTER ROLE app PASSWORD $x$cut off $", f"ALTER ROLE app PASSWORD {MASK}"),
        ("CREATE USER u IDENTIFIED BY 'pw' HOST ANY", f"CREATE USER u IDENTIFIED BY {MASK} HOST ANY"),
        (r"CREATE USER u IDENTIFIED BY 'p\'w' HOST ANY", f"CREATE USER u IDENTIFIED BY {MASK} HOST ANY"),
        (
            "create user u identified with sha256_password by 'pw'",
            f"create user u identified with sha256_password by {MASK}",
        ),
    ],
)
def test_structure_gives_away_secrets_nobody_told_of(text, expected):
    assert Redactor().clean(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        'password authentication failed for user "app"',
        "no password supplied",
        "ALTER ROLE app PASSWORD NULL",
        "https://docs.example.org/a:b/c@d",
        "mail to someone@example.org",
        "select * from t where a = 'x'",
        "",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text):
    assert Redactor(["other secret", "word"]).clean(text) == text


@pytest.mark.parametrize("text", ["a" * 1_000_000, "a://b:" * 100_000, "password" * 100_000])
def test_a_long_text_takes_no_more_than_its_length(text):
    begun = time.monotonic()
    assert Redactor(["other secret"]).clean(text) == text
    assert time.monotonic() - begun < 20  # seconds; minutes when each character is looked at from each one before


def test_leaves_are_cleaned_and_names_and_numbers_stay():
    facts = {
        "hunter2": ["hunter2", {"user": "hunter2", "count": 3, "ready": True, "none": None}],
        "pair": ("hunter2", 1),
    }
    expected = {"hunter2": [MASK, {"user": MASK, "count": 3, "ready": True, "none": None}], "pair": [MASK, 1]}
    assert Redactor(["hunter2"]).clean_all(facts) == expected


def test_the_environment_gives_away_what_is_named_like_a_secret():
    environ = {
        "DATABASE_PASSWORD": "one",
        "API_TOKEN": "two",
        "SIGNING_KEY": "three",
        "SENTRY_DSN": "four",
        "PGPASSFILE": "five",
        "PWD": "/srv/app",
        "OLDPWD": "/srv",
        "HOME": "/root",
    }
    assert set(environment_secrets(environ)) == {"one", "two", "three", "four", "five"}


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://me:s%40cret@proxy:3128", {"s%40cret", "s@cret"}),
        ("http://me:a@b@proxy:3128", {"a@b"}),
        ("http://token@proxy:3128", {"token"}),
        ("me:secret@proxy:3128", {"secret"}),
        ("http://proxy:3128", set()),
    ],
)
def test_a_proxy_variable_gives_away_its_userinfo(proxy, expected):
    assert set(environment_secrets({"HTTPS_PROXY": proxy})) == expected


def test_a_variable_that_is_no_text_is_cleaned_too():
    secret = b"\xff\xfe not unicode".decode(errors="surrogateescape")
    redactor = Redactor([secret])
    assert redactor.clean(f"got {secret}") == f"got {MASK}"
    assert redactor.clean("got %FF%FE%20not%20unicode") == f"got {MASK}"
