"""dbmate's files: `20260131120000_users.sql` with `-- migrate:up` and `-- migrate:down` blocks.

The rules are those of dbmate's pkg/dbmate/migration.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from startupctl.errors import Mark, Problem
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.migrations.folder import Folder, Source

RANK = 10
APPLIES_LATE = True

_NAME = re.compile(r"(\d+).*\.sql", re.ASCII)
_MARKER = re.compile(r"^--[ \t]*migrate:(up|down)(?:[ \t]+(\S.*?))?[ \t]*\r?$", re.MULTILINE)
_HALF_MARKER = re.compile(
    r"^[ \t]*--[ \t]*migrate[ \t]*(?::[ \t]*\S*(?:[ \t]+\w+:\w*)*|[ \t_-](?:up|down))[ \t]*\r?$",
    re.MULTILINE | re.IGNORECASE,
)
_STATEMENT = re.compile(r"^[ \t]*(?!--)\S.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Block:
    """One marker line and what follows it."""

    direction: str
    options: str
    text: str
    line: int


def recognises(folder: Folder) -> bool:
    """Whether a file has one of the markers."""
    return any(_MARKER.search(source.text) for source in folder.sources(folder.top))


def order(migration: Migration) -> str:
    """Order by file name, as dbmate does."""
    return migration.name


def read(folder: Folder) -> Iterator[Migration]:
    """Read every file; several blocks of one direction are taken together, in their order."""
    for source in folder.sources(folder.top):
        numbered = _NAME.fullmatch(source.name)
        blocks = list(_blocks(source.text))
        found = list(_mistakes(source, blocks, named=bool(numbered)))
        folder.problems += found
        if not found and numbered:
            up, down = (_script(source, blocks, direction) for direction in ("up", "down"))
            yield Migration(numbered[1], source.name, "dbmate", source.raw, up, down)


def _blocks(text: str) -> Iterator[_Block]:
    markers = list(_MARKER.finditer(text))
    bounds = pairwise([*(marker.start() for marker in markers), len(text)])
    for marker, (begin, end) in zip(markers, bounds, strict=True):
        yield _Block(marker[1], marker[2] or "", text[begin:end], text.count("\n", 0, begin) + 1)


def _script(source: Source, blocks: Sequence[_Block], direction: str) -> Script:
    """Join the blocks of one direction; empty lines stand for all else, so that line numbers are the file's."""
    mine = [block for block in blocks if block.direction == direction]
    parts = [block.text if block in mine else "\n" * block.text.count("\n") for block in blocks]
    text = "\n" * (blocks[0].line - 1) + "".join(parts).rstrip("\n") + "\n"
    outside = any("transaction:false" in block.options.split() for block in mine)
    return Script(source.path, text, transaction=not outside)


def _mistakes(source: Source, blocks: Sequence[_Block], *, named: bool) -> Iterator[Problem]:
    path, text = str(source.path), source.text
    if not named:
        yield Problem("is no name of a migration", hint="begin it with a number", mark=Mark(path))
    for half in _HALF_MARKER.finditer(text):
        if not _MARKER.match(half[0]):
            line = text.count("\n", 0, half.start()) + 1
            hint = "write `-- migrate:up` or `-- migrate:down`, at the beginning of a line"
            yield Problem(f"`{half[0].strip()}` is a half-written marker", hint=hint, mark=Mark(path, line, 1))
    directions = [block.direction for block in blocks]
    for direction in ("up", "down"):
        if direction not in directions:
            hint = f"add a line `-- migrate:{direction}`"
            yield Problem(f"has no `-- migrate:{direction}`", hint=hint, mark=Mark(path))
    if directions[:1] == ["down"] and "up" in directions:
        hint = "put the up block first"
        yield Problem("begins with `-- migrate:down`", hint=hint, mark=Mark(path, blocks[0].line, 1))
    yield from _stray(path, text, blocks)


def _stray(path: str, text: str, blocks: Sequence[_Block]) -> Iterator[Problem]:
    """Yield the statement that stands before the first marker: dbmate would not run it."""
    head = "\n".join(text.split("\n")[: blocks[0].line - 1]) if blocks else ""
    stray = _STATEMENT.search(head)
    if stray:
        line = head.count("\n", 0, stray.start()) + 1
        yield Problem(
            "holds a statement before `-- migrate:up`", hint="put it behind the marker", mark=Mark(path, line, 1)
        )
