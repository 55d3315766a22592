"""dbmate's files: `20260131120000_users.sql` with `-- migrate:up` and `-- migrate:down` blocks.

The rules are those of dbmate's pkg/dbmate/migration.go.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.formats import BY_CONTENT
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.migrations.folder import Folder, Source

RANK = BY_CONTENT
APPLIES_LATE = True
FILLS_PLACEHOLDERS = False
OUTSIDE = "write `-- migrate:up transaction:false` in `{file}`"

_NAME = re.compile(r"(\d+).*\.sql", re.ASCII)
_MARKER = re.compile(r"^--[ \t]*migrate:(up|down)(?:[ \t]+(\S.*?))?[ \t]*\r?$", re.MULTILINE)
_HALF_MARKER = re.compile(
    r"^[ \t]*--[ \t]*migrate[ \t]*(?::[ \t]*\S*(?:[ \t]+\w+:\w*)*|[ \t_-](?:up|down))[ \t]*\r?$",
    re.MULTILINE | re.IGNORECASE,
)
_STATEMENT = re.compile(r"^[ \t]*(?!--)\S.*$", re.MULTILINE)


class _Block(NamedTuple):
    """One marker line and what follows it."""

    direction: str
    options: str
    text: str
    line: int


def sign(folder: Folder) -> str:
    """Return the first file that has one of the markers."""
    return next((source.name for source in folder.sources(folder.sql) if _MARKER.search(source.text)), "")


def order(migration: Migration) -> str:
    """Order by file name, as dbmate does."""
    return migration.name


def read(folder: Folder) -> Iterator[Migration]:
    """Read every file; several blocks of one direction are taken together, in their order."""
    for source in folder.sources(folder.sql):
        numbered = _NAME.fullmatch(source.name)
        blocks = list(_blocks(source.text))
        found = len(folder.problems)
        _refuse_mistakes(folder, source, blocks, named=bool(numbered))
        if numbered and len(folder.problems) == found:
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


def _refuse_mistakes(folder: Folder, source: Source, blocks: Sequence[_Block], *, named: bool) -> None:
    if not named:
        folder.refuse(source.name, "is no name of a migration", "begin it with a number")
    for half in _HALF_MARKER.finditer(source.text):
        if not _MARKER.match(half[0]):
            line, _ = source.place(half.start())
            hint = "write `-- migrate:up` or `-- migrate:down`, at the beginning of a line"
            folder.refuse(source.name, f"`{half[0].strip()}` is a half-written marker", hint, line)
    directions = [block.direction for block in blocks]
    for direction in ("up", "down"):
        if direction not in directions:
            folder.refuse(source.name, f"has no `-- migrate:{direction}`", f"add a line `-- migrate:{direction}`")
    if directions[:1] == ["down"] and "up" in directions:
        folder.refuse(source.name, "begins with `-- migrate:down`", "put the up block first", blocks[0].line)
    _refuse_stray(folder, source, blocks)


def _refuse_stray(folder: Folder, source: Source, blocks: Sequence[_Block]) -> None:
    """Note the statement that stands before the first marker: dbmate would not run it."""
    head = "\n".join(source.text.split("\n", blocks[0].line - 1)[: blocks[0].line - 1]) if blocks else ""
    stray = _STATEMENT.search(head)
    if stray:
        line = head.count("\n", 0, stray.start()) + 1
        folder.refuse(source.name, "holds a statement before `-- migrate:up`", "put it behind the marker", line)
