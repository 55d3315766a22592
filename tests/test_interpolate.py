"""`${}` in text."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.addresses import Url
from startupctl.interpolate import Lookup, Unfilled

ENVIRON = {"X": "value", "EMPTY": "", "USER": "a:b", "PASSWORD": "p@ss/w?rd#%", "HOST": "h", "FILE": "name"}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def fill(text, environ=None, folder=Path(), **options):
    return Lookup(ENVIRON if environ is None else environ, **options).fill(text, folder)


def reasons(text, folder=Path()):
    with pytest.raises(Unfilled) as caught:
        fill(text, folder=folder)
    return [", ".join(filter(None, reason)) for reason in caught.value.reasons]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${X}", "value"),
        ("a${X}b${X}c", "avaluebvaluec"),
        ("${EMPTY}", ""),
        ("${X:-other}", "value"),
        ("${GONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${GONE:-}", ""),
        ("${GONE:-${X}}", "value"),
        ("${GONE:-${ALSO:-a ${X} b}}!", "a value b!"),
        ("${GONE:-a$$b}", "a$b"),
        ("${X:?needed}", "value"),
        ("$$", "$"),
        ("$${X}", "${X}"),
        ("$$$${X}", "$${X}"),
        ("$${X", "${X"),
        ("$X $ 5$ ^a$", "$X $ 5$ ^a$"),
        ("}{X}", "}{X}"),
        ('${GONE:-{"a": 1}', '{"a": 1'),
    ],
)
def test_forms(text, filled):
    assert fill(text) == filled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${GONE}", ["the variable `GONE` is not set"]),
        ("${GONE:?say why}", ["the variable `GONE` is not set, say why"]),
        ("${EMPTY:?say why}", ["the variable `EMPTY` is empty, say why"]),
        ("${GONE:?see ${PASSWORD}}", ["the variable `GONE` is not set, see ${PASSWORD}"]),
        ("${A}${X}${B:-${C}}", ["the variable `A` is not set", "the variable `C` is not set"]),
    ],
)
def test_every_variable_that_is_not_set_is_told(text, expected):
    assert reasons(text) == expected


@pytest.mark.parametrize(
    "text", ["${", "${}", "${X", "${X:-a", "${1X}", "${X-a}", "${X:=a}", "${ X }", "${X!}", "${X:-${}}"]
)
def test_a_malformed_form_is_refused(text):
    (reason,) = reasons(text)
    assert reason.startswith(("malformed `${`, use ${NAME}", "`${` is not closed"))


def test_nesting_has_an_end():
    assert reasons("${A:-" * 100_000 + "}" * 100_000)[0].startswith("malformed")


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("pg://${USER}:${PASSWORD}@${HOST}/db", "pg://a%3Ab:p%40ss%2Fw%3Frd%23%25@h/db"),
        ("pg://u:${GONE:-a@b/c}@h", "pg://u:a%40b%2Fc@h"),
        ("${SCHEME:-pg}://${USER}@h", "pg://a%3Ab@h"),
        ("pg://${HOST}/db?password=${PASSWORD}", "pg://h/db?password=p@ss/w?rd#%"),
        ("pg://${HOST}/${USER}@x", "pg://h/a:b@x"),
        ("${PASSWORD}", "p@ss/w?rd#%"),
        ("pg://u:p$$${USER}@h", "pg://u:p$a%3Ab@h"),
    ],
)
def test_only_in_the_userinfo_of_a_url_values_are_escaped(template, filled):
    assert fill(template) == filled


@given(TEXT.filter(bool))
def test_any_password_arrives_through_a_url(password):
    url = Url.parse(fill("pg://user:${P}@host:1/db", {"P": password}))
    assert url.password.reveal() == password
    assert (url.host, url.port, url.path) == ("host", 1, "db")


@given(TEXT)
def test_a_text_with_its_dollars_doubled_is_itself(text):
    assert fill(text.replace("$", "$$")) == text


@given(TEXT)
def test_any_text_is_filled_or_refused(text):
    with suppress(Unfilled):
        assert "${" not in fill(text.replace("$", "").replace("a", "${").replace("b", "}"))


def test_a_file_is_read_from_the_folder_of_its_manifest(tmp_path):
    (tmp_path / "name").write_text("s3cret-text\n")
    lookup = Lookup(ENVIRON)
    assert lookup.fill("x=${file:name}", tmp_path) == "x=s3cret-text"
    assert lookup.fill(f"${{file:{tmp_path}/${{FILE}}}}", Path()) == "s3cret-text"
    assert lookup.fill("pg://u:${file:name}@h", tmp_path) == "pg://u:s3cret-text@h"
    assert lookup.secrets == {"s3cret-text"}
    assert reasons("${file:gone}", tmp_path) == [f"`{tmp_path / 'gone'}` does not exist"]


def test_variables_named_like_a_secret_are_remembered():
    lookup = Lookup({"DB_PASSWORD": "hunter2", "API_TOKEN": "tok", "HOST": "h", "PWD": "/here", "SECRET": ""})
    lookup.fill("${DB_PASSWORD} ${API_TOKEN} ${HOST} ${PWD} ${SECRET}", Path())
    assert lookup.secrets == {"hunter2", "tok"}


def test_a_variable_of_other_bytes_is_refused_without_them():
    environ = {"NAME": os.fsdecode(b"caf\xe9")}
    with pytest.raises(Unfilled) as caught:
        fill("${NAME}", environ)
    assert str(caught.value) == "the variable `NAME` is not UTF-8 text"


def test_without_resolving_nothing_is_looked_up_but_forms_are_checked():
    with pytest.raises(Unfilled) as caught:
        fill("${X:-y}", {}, resolve=False)
    assert caught.value.reasons == ()
    assert fill("a$$b", resolve=False) == "a$b"
    with pytest.raises(Unfilled) as caught:
        fill("${X", resolve=False)
    assert caught.value.reasons
