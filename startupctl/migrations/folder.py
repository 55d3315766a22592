"""The files below a directory of migrations: their names first, their texts when a format asks for them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from startupctl.errors import Mark, Problem
from startupctl.text_file import FileRefused, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_BYTES = 256 * 2**20  # of one file: it is held in memory, and sent as one message
MAX_DEPTH = 8  # folders below folders


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read, before a format makes sense of it; `name` is relative to the directory."""

    name: str
    path: Path
    text: str
    raw: str


class Folder:
    """A directory of migrations as it lies on disk.

    `names` are the relative names of everything in it that is no folder, sorted, hidden ones left out;
    `problems` is what was wrong with reading. Raises OSError when the directory cannot be listed.
    """

    def __init__(self, path: Path) -> None:
        """List the directory; blocks."""
        self.path = path
        self.problems: list[Problem] = []
        self.names = tuple(sorted(_names_below(path, "", MAX_DEPTH)))
        self._read: dict[str, Source | None] = {}

    @property
    def top(self) -> list[str]:
        """The names of the files that are in no folder below, and of SQL; most formats know no others."""
        return [name for name in self.names if "/" not in name and name.endswith(".sql")]

    def sources(self, names: Iterable[str]) -> Iterator[Source]:
        """Yield those of the files that can be read, once each; the others become problems."""
        for name in names:
            source = self.source(name)
            if source:
                yield source

    def source(self, name: str) -> Source | None:
        """Return a file, or None with a problem noted; it is read once."""
        if name not in self._read:
            self._read[name] = self._text_of(name)
        return self._read[name]

    def _text_of(self, name: str) -> Source | None:
        path = self.path / name
        try:
            data = read_bytes(path, MAX_BYTES)
            text = data.decode("utf-8-sig")
        except FileRefused as refused:
            self.problems.append(Problem(f"cannot be read: {refused}", mark=Mark(str(path))))
            return None
        except UnicodeDecodeError as error:
            self._refuse_text(path, "is not UTF-8 text", data[: error.start].count(b"\n"))
            return None
        if "\0" in text:
            self._refuse_text(path, "holds a NUL character", text.count("\n", 0, text.index("\0")))
            return None
        return Source(name, path, text, hashlib.sha256(data).hexdigest())

    def _refuse_text(self, path: Path, what: str, lines_before: int) -> None:
        mark = Mark(str(path), lines_before + 1, 1)
        self.problems.append(Problem(what, hint="save it as UTF-8", mark=mark))


def _names_below(folder: Path, prefix: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir() and not entry.name.endswith(".sql"):
                yield from _names_below(folder / entry.name, f"{prefix}{entry.name}/", depth - 1) if depth else ()
            else:
                yield prefix + entry.name
