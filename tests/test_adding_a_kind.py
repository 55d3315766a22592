"""The walk through a new kind in the documentation, walked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "adding-a-kind.md"
FOUND_BESIDE_THE_OTHERS = """
import pathlib
from startupctl import kinds
kinds.__path__.append(str(pathlib.Path(__file__).parent / "kinds"))
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with the kind and the test of the page, and a module that puts the kind beside the others."""
    kind, test = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "memcached.py").write_text(kind)
    (tmp_path / "test_memcached.py").write_text(test)
    (tmp_path / "beside.py").write_text(FOUND_BESIDE_THE_OTHERS)
    return tmp_path


def run_python(folder, *words, cwd=None):
    """Run Python where the kind is found; returns its output."""
    paths = os.pathsep.join([str(folder), str(ROOT / "tests")])
    command = [sys.executable, *map(str, words)]
    environ = os.environ | {"PYTHONPATH": paths}
    return subprocess.run(command, env=environ, cwd=cwd or folder, capture_output=True, text=True, check=False).stdout


def test_the_kind_passes_its_test(folder):
    options = ["-q", "-c", ROOT / "pyproject.toml", "-p", "beside", "-p", "conftest"]
    assert "4 passed" in run_python(folder, "-m", "pytest", *options, folder)


def test_the_kind_is_found_by_its_name(folder):
    program = "import beside; from startupctl.discover import find_kind; print(find_kind('memcached').__name__)"
    assert run_python(folder, "-c", program) == "Memcached\n"


def test_the_kind_keeps_the_house_style(folder):
    options = ["--ignore", "INP001", "--no-cache", "--config", ROOT / "pyproject.toml"]
    assert run_python(folder, "-m", "ruff", "check", *options, folder / "kinds", cwd=ROOT) == "All checks passed!\n"
