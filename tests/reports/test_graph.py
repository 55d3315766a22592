"""A plan as a picture: every form shows the same components, edges and critical path."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from building import component, plan
from startupctl.plan import Selection
from startupctl.reports.graph import FORMS, draw

SHOP = (
    component("database", priority="CRITICAL", timeout=60, tags=frozenset({"data", "core"})),
    component("cache", priority="LOW", timeout=30),
    component("api", ["database", "cache"], optional=["mail"], priority="HIGH", timeout=30),
    component("mail", priority="LOW", timeout=1.5),
)


def test_the_tree_shows_waves_raised_priorities_edges_and_the_longest_way():
    assert draw(plan(*SHOP), "tree") == (
        "wave 1\n"
        "  database  doing  CRITICAL  timeout 60s\n"
        "  cache  doing  HIGH (raised from LOW)  timeout 30s\n"
        "  mail  doing  LOW  timeout 1.5s\n"
        "wave 2\n"
        "  api  doing  HIGH  timeout 30s  after database, cache, mail (not required)\n"
        "critical path: database -> api (at most 90 s)\n"
    )


def test_mermaid_draws_optional_edges_dotted_and_the_critical_path_bold():
    assert draw(plan(*SHOP), "mermaid") == (
        "flowchart LR\n"
        '  n0["database<br/>doing CRITICAL"]\n'
        '  n1["cache<br/>doing HIGH"]\n'
        '  n2["api<br/>doing HIGH"]\n'
        '  n3["mail<br/>doing LOW"]\n'
        "  n0 --> n2\n"
        "  n1 --> n2\n"
        "  n3 -.-> n2\n"
        "  style n0 stroke-width:3px\n"
        "  style n2 stroke-width:3px\n"
    )


def test_dot_draws_optional_edges_dashed_and_the_critical_path_bold():
    assert draw(plan(*SHOP), "dot") == (
        "digraph startup {\n"
        "  rankdir=LR;\n"
        "  node [shape=box];\n"
        '  "database" [label="database\\ndoing CRITICAL", penwidth=3];\n'
        '  "cache" [label="cache\\ndoing HIGH"];\n'
        '  "api" [label="api\\ndoing HIGH", penwidth=3];\n'
        '  "mail" [label="mail\\ndoing LOW"];\n'
        '  "database" -> "api";\n'
        '  "cache" -> "api";\n'
        '  "mail" -> "api" [style=dashed];\n'
        "}\n"
    )


def test_json_is_one_document_with_everything_in_it():
    document = json.loads(draw(plan(*SHOP), "json"))
    assert document["schema"] == "startupctl.plan/1"
    assert document["waves"] == [["database", "cache", "mail"], ["api"]]
    assert (document["critical_path"], document["longest_wait"]) == (["database", "api"], 90)
    assert document["components"]["database"]["tags"] == ["core", "data"]
    assert document["components"]["cache"] == {
        "kind": "doing",
        "priority": "LOW",
        "effective_priority": "HIGH",
        "timeout": 30,
        "depends_on": {},
        "tags": [],
    }
    assert document["components"]["api"]["depends_on"] == {
        "database": {"required": True},
        "cache": {"required": True},
        "mail": {"required": False},
    }


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_selected_is_not_drawn(form):
    text = draw(plan(*SHOP, selection=Selection(names=("api",), skip=("cache",))), form)
    assert "api" in text
    assert "cache" not in text
    assert "mail" not in text


def test_another_form_is_a_key_error():
    with pytest.raises(KeyError):
        draw(plan(*SHOP), "svg")


@given(st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=1, max_size=6))
def test_every_form_draws_the_same_edges(needs):
    components = [
        component(f"c{number}", sorted({f"c{need}" for need in wanted if need < number}))
        for number, wanted in enumerate(needs)
    ]
    found = plan(*components)
    edges = {(need, name) for name, step in found.steps.items() for need in step.needs}
    document = json.loads(draw(found, "json"))
    assert {(need, name) for name, one in document["components"].items() for need in one["depends_on"]} == edges
    dot = re.findall(r'"(c\d+)" -> "(c\d+)"', draw(found, "dot"))
    assert set(dot) == edges
    mermaid = re.findall(r"n(\d+) --> n(\d+)", draw(found, "mermaid"))
    assert {(f"c{need}", f"c{name}") for need, name in mermaid} == edges
