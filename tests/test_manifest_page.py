"""The page of the manifest: its examples are right, or give exactly the mistakes printed below them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from startupctl.components import RESERVED
from startupctl.manifest import TOP_KEYS
from startupctl.model import Settings
from startupctl.settings import POLICIES, VARIABLES

PAGE = (Path(__file__).parents[1] / "docs" / "manifest.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```\n(?:\n```text\n(.*?)```)?", PAGE, re.DOTALL)


@pytest.mark.parametrize(("text", "mistakes"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_right_or_gives_the_mistakes_below_it(desk, text, mistakes):
    if mistakes:
        assert desk.problems(text, resolve=False) == mistakes.splitlines()
    else:
        assert desk.load(text, resolve=False).components


@pytest.mark.parametrize("key", sorted({*RESERVED, *TOP_KEYS, *Settings.model_fields}))
def test_every_key_is_on_the_page(key):
    assert re.search(rf"`{key}[`.]", PAGE)


@pytest.mark.parametrize("variable", sorted({*VARIABLES, *POLICIES}))
def test_every_variable_is_on_the_page(variable):
    assert f"`{variable}`" in PAGE


def test_every_link_inside_the_page_leads_somewhere():
    anchors = {
        re.sub(r"[^a-z -]", "", line[3:].lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\(#([a-z-]+)\)", PAGE)) <= anchors
