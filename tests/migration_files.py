"""What tests of migration files share: reading them, being refused, and what holds for every script."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from startupctl.check import Unhealthy
from startupctl.migrations.files import read_directory
from startupctl.migrations.formats import format_name

UP = "-- migrate:up\nSELECT 1;\n\n-- migrate:down\nSELECT 2;\n"
GOOSE = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n"


def refused(folder, wanted="auto", **keys):
    """Return what MIG008 says, with names relative to the directory."""
    with pytest.raises(Unhealthy) as caught:
        read_directory(folder, wanted, **keys)
    assert caught.value.diagnosis.code.code == "MIG008"
    return caught.value.diagnosis.summary.replace(f"{folder}/", "")


def form_of(folder):
    return format_name(read_directory(folder, "auto").format)


@contextmanager
def directory_of(files):
    """A directory outside of fixtures, for laws that are tried on many."""
    with TemporaryDirectory() as place:
        for name, data in files.items():
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        yield Path(place)


def assert_keeps_lines(migration):
    """Every line of a script is the file's line of that number; its parts stand in it, in order."""
    for script in filter(None, (migration.up, migration.down)):
        lines = script.path.read_bytes().decode("utf-8-sig").split("\n")
        written = (script.text if script.written is None else script.written).split("\n")
        for line, mine in zip(lines, written, strict=False):
            assert mine.removesuffix("\r") in ("", line.removesuffix("\r"))
        end = 0
        for part in script.parts or ():
            assert part.start >= end
            end = part.start + len(part.text)
            assert script.text[part.start : end] == part.text


def digest(*texts):
    return b64encode(hashlib.sha256("".join(texts).encode()).digest()).decode()


def with_sum(files):
    """Return files with the `atlas.sum` that Atlas counts for them."""
    names = sorted(files)
    state, lines = "", []
    for name in names:
        state += name
        if not files[name].startswith("-- atlas:sum ignore"):
            state += files[name]
            lines.append((name, digest(state)))
    header = digest(*(word for line in lines for word in line))
    return {**files, "atlas.sum": f"h1:{header}\n" + "".join(f"{name} h1:{sum_}\n" for name, sum_ in lines)}
