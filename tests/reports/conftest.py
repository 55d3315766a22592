"""Golden files: `UPDATE_GOLDEN=1` writes what a test compares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden():
    """Compare a text with the file of that name."""

    def compare(name, text):
        file = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """Outside of GitHub's runners and without a wish about colours, until a test says otherwise."""
    for name in ("GITHUB_ACTIONS", "NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
