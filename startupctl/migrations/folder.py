"""The files below a directory of migrations: their names first, their texts when a format asks for them."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from startupctl.errors import Mark, Problem
from startupctl.text_file import FileRefused, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 256 * 2**20  # of one file: it is held in memory, and sent as one message
UTF_8 = "utf-8-sig"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Source(NamedTuple):
    """A file as it was read, before a format makes sense of it; `name` is relative to the directory."""

    name: str
    path: Path
    text: str
    data: bytes

    @property
    def raw(self) -> str:
        """The sha256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def base(self) -> str:
        """Its name without folders."""
        return base_of(self.name)

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the column of a character, both from 1."""
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)


class Folder:
    """A directory of migrations as it lies on disk; hidden files and folders are left out.

    `problems` is what was wrong with reading. `database` is what it is for (`postgresql`, `clickhouse`,
    `sqlite`), empty when nobody knows; `placeholders` are values for names in the files. Raises OSError
    when the directory cannot be listed.
    """

    def __init__(self, path: Path, placeholders: Mapping[str, str] | None = None, database: str = "") -> None:
        """List the directory; blocks."""
        self.path = path
        self.placeholders, self.database = placeholders or {}, database
        self.problems: list[Problem] = []
        self.files, self.folders = _listed(path)
        self._read: dict[str, Source | None] = {}

    @cached_property
    def sql(self) -> list[str]:
        """The names of SQL in the directory itself; most formats know no others."""
        return [name for name in sorted([*self.files, *self.folders]) if is_sql(name)]

    @cached_property
    def everything(self) -> list[str]:
        """The relative names of all files, also in folders below; each folder is entered once, whatever links to it."""
        return sorted(self._below())

    def holds(self, name: str) -> bool:
        """Whether there is a file of this relative name."""
        return name in self._names

    def sources(self, names: Iterable[str]) -> Iterator[Source]:
        """Yield those of the files that can be read, once each; the others become problems."""
        for name in names:
            source = self.source(name)
            if source:
                yield source

    def source(self, name: str, encoding: str = UTF_8) -> Source | None:
        """Return a file, or None with a problem noted; it is read once."""
        if name not in self._read:
            self._read[name] = self._text_of(name, encoding)
        return self._read[name]

    def refuse(self, name: str, what: str, hint: str = "", line: int = 0, column: int = 1) -> None:
        """Note a problem of a file, `name` being relative; the directory itself has no name."""
        path = str(self.path / name).encode(errors="backslashreplace").decode()
        self.problems.append(Problem(what, hint=hint, mark=Mark(path, line, column)))

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.everything)

    def _text_of(self, name: str, encoding: str) -> Source | None:
        path = self.path / name
        if not _is_text(name):
            self.refuse(name, "has a name that is not UTF-8 text", "rename it")
            return None
        try:
            data = read_bytes(path, MAX_BYTES)
            text = data.decode(encoding)
        except FileRefused as refused:
            self.refuse(name, f"cannot be read: {refused}")
            return None
        except UnicodeDecodeError as error:
            self._refuse_text(name, data, error.start, encoding)
            return None
        if "\0" in text:
            self._refuse_text(name, data, data.find(b"\0"), encoding)
            return None
        return Source(name, path, text, data)

    def _refuse_text(self, name: str, data: bytes, position: int, encoding: str) -> None:
        if data.startswith(_UTF_16):
            self.refuse(name, "is UTF-16", "save it as UTF-8")
            return
        wanted = "UTF-8" if encoding == UTF_8 else encoding
        what = "holds a NUL character" if data[position : position + 1] == b"\0" else f"is not {wanted} text"
        self.refuse(name, what, f"save it as {wanted}", data.count(b"\n", 0, position) + 1)

    def _below(self) -> Iterator[str]:
        pending, seen = [""], set()
        while pending:
            prefix = pending.pop()
            try:
                status = (self.path / prefix).stat()
                identity = (status.st_dev, status.st_ino)
                files, folders = ([], []) if identity in seen else _listed(self.path / prefix)
            except OSError as error:
                self.refuse(prefix, f"cannot be read: {error.strerror}")
                continue
            seen.add(identity)
            yield from (prefix + name for name in files)
            pending += [f"{prefix}{name}/" for name in reversed(folders)]


def is_sql(name: str) -> bool:
    """Whether a file is SQL, by its name."""
    return name.lower().endswith(".sql")


def base_of(name: str) -> str:
    """Return a relative name without its folders."""
    return name.rpartition("/")[2]


def _is_text(name: str) -> bool:
    """Whether a name can be written down; of bytes that are not UTF-8 the system makes surrogates."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the folders in one, sorted."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (folders if _is_folder(entry) else files).append(entry.name)
    return sorted(files), sorted(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: reading it as a file says so
        return False
