from __future__ import annotations

import json as reader

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reports.samples import FOREIGN, FUNCTION_FAILED, READY, SAMPLES, outcome, report
from reports.schemas import COMPONENT, DIAGNOSIS, PROBLEMS, REPORT
from startupctl import __version__
from startupctl.diagnosis import Diagnosis
from startupctl.errors import Mark, Problem
from startupctl.outcome import Status
from startupctl.reports import json

ANY_TEXT = st.text(st.characters())  # lone surrogates included
ANY_FACT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT | st.integers(), inner) | st.tuples(inner),
    max_leaves=10,
)


def read(text):
    """Read as strictly as the strictest reader: no NaN, nothing that UTF-8 cannot carry."""

    def refuse(constant):
        raise AssertionError(constant)

    document = reader.loads(text, parse_constant=refuse)
    reader.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


@pytest.mark.parametrize("name", SAMPLES)
def test_the_document_is_the_golden_one_and_follows_its_schema(name, golden):
    text = json.render(SAMPLES[name])
    golden(f"{name}.json", text.replace(f'"{__version__}"', '"0.1.0"'))
    Draft202012Validator(REPORT).validate(read(text))


def test_keys_come_in_the_order_of_the_schema():
    document = read(json.render(SAMPLES["failed"]))
    assert list(document) == REPORT["required"]
    assert list(document["components"]["postgres"]) == COMPONENT["required"]
    assert list(document["components"]["postgres"]["diagnosis"]) == DIAGNOSIS["required"]


def test_components_keep_the_order_of_the_plan():
    assert list(read(json.render(SAMPLES["failed"]))["components"]) == list(SAMPLES["failed"].outcomes)


def test_times_are_utc_and_seconds_are_rounded_to_the_millisecond():
    document = read(json.render(SAMPLES["failed"]))
    assert document["started_at"] == "2026-03-01T12:00:00.123Z"
    assert document["duration"] == 30.123
    assert document["components"]["dns"]["duration"] == 0.012


def test_a_skipped_component_has_no_times():
    migrate = read(json.render(SAMPLES["failed"]))["components"]["migrate"]
    assert (migrate["started"], migrate["duration"], migrate["skipped_because"]) == (None, None, "postgres")


def test_values_that_json_does_not_know_become_ones_it_knows():
    facts = read(json.render(FOREIGN))["components"]["evil"]["facts"]
    assert facts["nan"] is None
    assert facts["bytes"] == "\\xff\x00ok"
    assert facts["set"] == ["a", "b"]
    assert facts["when"] == "2026-03-01T12:00:00.123Z"
    assert facts["1"] == [None, None]


def test_outside_text_is_no_runner_command_in_any_line():
    text = json.render(FOREIGN)
    assert "##[" not in text
    assert "##[error]old" in read(text)["components"]["evil"]["facts"]["text"]


@given(facts=st.dictionaries(ANY_TEXT, ANY_FACT), said=ANY_TEXT, name=ANY_TEXT)
def test_whatever_comes_from_outside_the_document_is_valid_ascii_json(facts, said, name):
    diagnosis = Diagnosis(FUNCTION_FAILED, {"kind": "ValueError"}, said=said)
    text = json.render(report(outcome(name, Status.FAILED, facts=facts, diagnosis=diagnosis, target=said)))
    assert text.isascii()
    Draft202012Validator(REPORT).validate(read(text))


def test_a_report_without_components_is_a_document_too():
    Draft202012Validator(REPORT).validate(read(json.render(report())))


def test_problems_tell_where_they_are_in_the_file():
    found = [
        Problem("unknown key", "components.cache.priorty", "did you mean `priority`?", Mark("startup.yaml", 12, 5)),
        Problem("the file is empty", mark=Mark("startup.yaml")),
        Problem("no such option `\udc80`"),
    ]
    document = read(json.problems(found))
    Draft202012Validator(PROBLEMS).validate(document)
    assert document["problems"][0] == {
        "file": "startup.yaml",
        "line": 12,
        "column": 5,
        "where": "components.cache.priorty",
        "what": "unknown key",
        "hint": "did you mean `priority`?",
    }
    assert [problem["line"] for problem in document["problems"]] == [12, None, None]
    assert [problem["file"] for problem in document["problems"]] == ["startup.yaml", "startup.yaml", None]


def test_the_schema_refuses_a_document_with_a_key_too_many():
    document = read(json.render(READY))
    assert not Draft202012Validator(REPORT).is_valid({**document, "extra": 1})
