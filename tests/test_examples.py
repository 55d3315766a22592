"""The examples are valid, and do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from startupctl.embedded.shop import CHECKED_OUT

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("manifest", sorted(EXAMPLES.rglob("startup.yaml")), ids=lambda path: path.parent.name)
def test_every_example_is_valid(startupctl, manifest):
    ran = startupctl("validate", "-f", manifest)
    assert ran.code == 0, ran.err


def test_the_minimal_example_is_ready_at_once(startupctl):
    assert startupctl("check", cwd=EXAMPLES / "minimal").code == 0


def test_the_demo_runs_the_shop_of_the_examples():
    assert CHECKED_OUT == EXAMPLES / "shop"
    assert (CHECKED_OUT / "startup.yaml").is_file()
