"""The kind `env` against the environment of this process."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from startupctl.check import Unhealthy
from startupctl.diagnosis import FailureClass
from startupctl.kinds.env import Env
from support import make_run

SECRET = "hunter2-hunter2"


@pytest.fixture
def environ(monkeypatch):
    """Set variables for this test; `A_` and `a_` names are nobody else's."""
    return lambda **values: [monkeypatch.setenv(name, value) for name, value in values.items()]


async def diagnosis_of(**keys):
    with pytest.raises(Unhealthy) as caught:
        await Env(**keys).check(make_run())
    found = caught.value.diagnosis
    assert found.failure is FailureClass.PERMANENT
    assert SECRET not in repr((found, found.summary, found.hint, caught.value.facts))
    return found


@pytest.mark.anyio
async def test_variables_that_are_as_asked_pass(environ):
    environ(A_URL="postgres://db", A_PORT="5432", A_TOKEN=SECRET, A_TWIN=SECRET)
    check = Env(
        required=["A_URL", "A_TOKEN"],
        pattern={"A_PORT": r"\d+", "A_UNSET": "x"},
        one_of=[["A_URL", "A_OTHER_URL"]],
        same=[["A_TOKEN", "A_TWIN"], ["A_UNSET", "A_UNSET_TOO"]],
    )
    assert await check.check(make_run()) == {"checked": 7}


@pytest.mark.anyio
async def test_everything_that_is_missing_is_named_at_once(environ):
    environ(A_EMPTY="", A_SET="1")
    found = await diagnosis_of(required=["A_GONE", "A_SET", "A_EMPTY"], one_of=[["A_ONE", "A_TWO"]])
    assert found.code.code == "CFG001"
    assert found.summary == "not set or empty: `A_GONE`, `A_EMPTY`, `A_ONE or A_TWO`"


@pytest.mark.anyio
async def test_a_name_in_another_case_is_the_more_precise_finding(environ):
    environ(a_database_url="x")
    found = await diagnosis_of(required=["A_DATABASE_URL"])
    assert found.code.code == "CFG006"
    assert found.hint == "rename `a_database_url` to `A_DATABASE_URL`"


@pytest.mark.anyio
async def test_a_name_in_another_case_beside_one_that_is_nowhere_is_in_the_hint(environ):
    environ(a_database_url="x")
    found = await diagnosis_of(required=["A_DATABASE_URL", "A_GONE"])
    assert found.code.code == "CFG001"
    assert "set `A_GONE`" in found.hint
    assert "rename `a_database_url` to `A_DATABASE_URL`" in found.hint


@pytest.mark.anyio
async def test_a_value_of_another_form_is_told_by_its_rule(environ):
    environ(A_TOKEN=SECRET, A_PORT="80 ")
    found = await diagnosis_of(pattern={"A_TOKEN": "[0-9a-f]{64}", "A_PORT": r"\d+"})
    assert found.code.code == "CFG002"
    assert found.summary == r"`A_TOKEN` does not match `[0-9a-f]{64}`; `A_PORT` does not match `\d+`"


@pytest.mark.anyio
async def test_variables_that_exclude_each_other_are_a_conflict(environ):
    environ(A_TOKEN=SECRET, A_TOKEN_FILE="/run/secrets/token")
    found = await diagnosis_of(one_of=[["A_TOKEN", "A_TOKEN_FILE"]])
    assert found.code.code == "CFG003"
    assert "`A_TOKEN`, `A_TOKEN_FILE` exclude each other" in found.summary


@pytest.mark.parametrize("other", ["another", ""])
@pytest.mark.anyio
async def test_values_that_must_be_equal_are_told_apart_by_fingerprints(other, environ):
    environ(A_JWT=SECRET, B_JWT=other)
    found = await diagnosis_of(same=[["A_JWT", "B_JWT"]])
    assert found.code.code == "CFG003"
    assert "`A_JWT`, `B_JWT` must be equal and differ" in found.summary
    assert ("`B_JWT` is not set" in found.summary) is (not other)


@pytest.mark.anyio
async def test_what_is_missing_comes_before_what_is_wrong_and_the_facts_have_both(environ):
    environ(A_PORT="x")
    with pytest.raises(Unhealthy) as caught:
        await Env(required=["A_GONE"], pattern={"A_PORT": r"\d+"}).check(make_run())
    assert caught.value.diagnosis.code.code == "CFG001"
    assert caught.value.facts == {"missing": ["A_GONE"], "invalid": ["A_PORT"], "conflicts": []}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8).filter(lambda text: text.strip("0")))
@pytest.mark.anyio
async def test_no_value_is_ever_shown(value):
    os.environ["A_VALUE"] = f"begin {value} end"
    try:
        for keys in ({"pattern": {"A_VALUE": "never"}}, {"same": [["A_VALUE", "A_GONE"]]}):
            with pytest.raises(Unhealthy) as caught:
                await Env(**keys).check(make_run())
            assert os.environ["A_VALUE"] not in caught.value.diagnosis.summary
    finally:
        del os.environ["A_VALUE"]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"required": []},
        {"required": [""]},
        {"required": ["A=B"]},
        {"pattern": {"A": "("}},
        {"one_of": [["A"]]},
        {"same": [["A"]]},
        {"same": [[]]},
        {"require": ["A"]},
    ],
)
def test_keys_that_ask_for_nothing_or_cannot_be_used_are_refused(keys):
    with pytest.raises(ValidationError):
        Env(**keys)


def test_the_target_names_a_few_and_counts_the_rest():
    assert Env(required=["A", "B"], same=[["B", "C"]]).target == "A, B, C"
    assert Env(required=["A", "B", "C", "D", "E"]).target == "A, B, C and 2 more"


def test_a_pattern_for_a_secret_is_no_secret():
    assert list(Env(pattern={"API_KEY": "[a-z]{40}"}).secrets()) == []
