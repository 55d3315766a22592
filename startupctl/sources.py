"""Finds the files of a manifest and reads each into a tree."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from startupctl.errors import ManifestError, Mark, Problem
from startupctl.nodes import MappingNode, Source
from startupctl.strict_yaml import MAX_BYTES, read_tree
from startupctl.text_file import FileRefused, read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

STDIN = "-"
DEFAULT_FILES = ("startup.yaml", "startup.yml")
FILES_VARIABLE = "STARTUPCTL_FILE"


def choose_files(files: Sequence[str | Path], environ: Mapping[str, str]) -> list[str]:
    """Return the names of the files to read: those given, else of STARTUPCTL_FILE, else the default's.

    STARTUPCTL_FILE takes several, separated as in PATH. Raises ManifestError when there is none.
    """
    given = [str(file) for file in files] or environ.get(FILES_VARIABLE, "").split(os.pathsep)
    named = [name for name in given if name]
    if named.count(STDIN) > 1:
        raise ManifestError([Problem("stdin can be read only once", "--file")])
    found = named or [name for name in DEFAULT_FILES if Path(name).exists()][:1]
    if not found:
        what = f"there is no manifest: neither `{DEFAULT_FILES[0]}` nor `{DEFAULT_FILES[1]}` is in `{Path.cwd()}`"
        raise ManifestError(
            [Problem(what, hint="`-f` names one elsewhere, `startupctl kinds` lists what one can hold")]
        )
    return found


def read_trees(names: Sequence[str], stdin: TextIO | None = None) -> list[MappingNode]:
    """Return the root of each file; raises ManifestError with the problems of all of them."""
    roots, problems = [], []
    for name in names:
        source = Source("stdin", Path()) if name == STDIN else Source(name, Path(name).parent)
        try:
            root, found = read_tree(_read(name, stdin), source)
        except FileRefused as refused:
            root, found = None, [Problem(str(refused), mark=Mark(source.name))]
        if isinstance(root, MappingNode):
            roots.append(root)
        elif root:
            found.append(Problem("must be a mapping that begins with `version: 1`", mark=root.mark))
        problems += found
    if problems:
        raise ManifestError(problems)
    return roots


def _read(name: str, stdin: TextIO | None) -> bytes:
    if name != STDIN:
        return read_bytes(Path(name), MAX_BYTES)
    stream = stdin or sys.stdin
    raw = getattr(stream, "buffer", None)  # text that is not UTF-8 is for us to refuse
    return raw.read(MAX_BYTES + 1) if raw else stream.read(MAX_BYTES + 1).encode(errors="surrogateescape")
