"""What the tests of manifests share: writing one, reading it, seeing its problems."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from startupctl import discover
from startupctl.errors import ManifestError
from startupctl.manifest import load_manifest

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "version: 1\ncomponents:\n"


@dataclass
class Desk:
    """A folder with manifests, and the variables they are read with."""

    folder: Path
    environ: dict = field(default_factory=dict)

    def write(self, text, name="startup.yaml"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    def load(self, text=None, **options):
        """Read a text, or the files already there."""
        files = options.pop("files", ["startup.yaml"])
        if text is not None:
            self.write(text)
        return load_manifest(files, environ=self.environ, **options)

    def one(self, keys, **options):
        """Read a component `it` of kind sample with these keys."""
        return self.load(self.sample(keys), **options).components["it"]

    def problems(self, text=None, **options):
        """Return the problems as lines."""
        with pytest.raises(ManifestError) as caught:
            self.load(text, **options)
        return [str(problem) for problem in caught.value.problems]

    def problem(self, keys, **options):
        """Return the only problem of a component `it` of kind sample, without its place."""
        lines = self.problems(self.sample(keys), **options)
        assert len(lines) == 1, lines
        return lines[0].split(": ", 1)[1]

    @staticmethod
    def sample(keys):
        return f"{HEAD}  it:\n    kind: sample\n" + textwrap.indent(textwrap.dedent(keys), "    ")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def sample_kinds(tmp_path_factory):
    """The kinds of `sample_kind`, installed as a third party's package would be."""
    site = tmp_path_factory.mktemp("site")
    package = site / "startupctl_sample-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: startupctl-sample\nVersion: 1\n")
    kinds = (
        "sample = sample_kind:Sample",
        "needy = sample_kind:Needy",
        "no-kind = pathlib:Path",
        "gone = nowhere:Gone",
    )
    (package / "entry_points.txt").write_text("\n".join(["[startupctl.kinds]", *kinds, ""]))
    sys.path.insert(0, str(site))
    discover._entry_points.cache_clear()
    yield
    sys.path.remove(str(site))
    discover._entry_points.cache_clear()
    discover.find_kind.cache_clear()
