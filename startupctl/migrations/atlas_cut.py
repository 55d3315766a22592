"""Cuts an Atlas file that names its own delimiter into statements, as Atlas does.

Quotes, parentheses and comments hide a delimiter; a comment takes the end of its line with it. The rules are
those of sql/migrate/lex.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.migrations.lexer import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE = re.compile(r"-- atlas:delimiter +(.+)")
_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t"}
_COMMENT = r"--[^\n]*\n|/\*.*?\*/"
_BEFORE = re.compile(rf"\s+|{_COMMENT}", re.DOTALL)
_QUOTED = r"""(?<!\w)[eE]'(?:[^'\\]|\\.)*'|'[^']*'|"[^"]*"|`[^`]*`"""
_DOLLARS = r"(\$(?:[^\W\d]\w*)?\$).*?(?:\1|\Z)"


class NotCut(Exception):
    """A quote or a parenthesis stays open; `position` counts characters from 0."""

    def __init__(self, what: str, position: int) -> None:
        """Keep what is wrong and where."""
        super().__init__(what)
        self.what, self.position = what, position


def delimiter_of(text: str) -> str:
    r"""Return the delimiter that the first line names, with `\n` and the like read; nothing when it names none."""
    found = _DIRECTIVE.match(text)
    delimiter = found[1].rstrip("\r") if found else ""
    for escape, meant in _ESCAPES.items():
        delimiter = delimiter.replace(escape, meant)
    return delimiter


def cut(text: str, delimiter: str) -> Iterator[Statement]:
    """Yield the statements below the first line; raises NotCut."""
    hiding = rf"{_DOLLARS}|(?P<opening>\()|(?P<closing>\))|{_QUOTED}|(?P<open>['\"`])"
    inside = re.compile(rf"{hiding}|{_COMMENT}", re.DOTALL)
    outside = re.compile(rf"{hiding}|(?P<delimiter>{re.escape(delimiter)})|{_COMMENT}", re.DOTALL)
    at = text.find("\n") + 1 or len(text)
    while at < len(text):
        begin = _beginning(text, at, delimiter)
        end, at = _end(text, begin, inside, outside)
        statement = text[begin:end].rstrip()
        if statement:
            yield Statement(statement, begin)


def _beginning(text: str, at: int, delimiter: str) -> int:
    """Return where a statement begins: behind space and comments, unless a comment is the delimiter."""
    while (found := _BEFORE.match(text, at)) and not (found[0].strip() and text.startswith(delimiter, at)):
        at = found.end()
    return at


def _end(text: str, begin: int, inside: re.Pattern[str], outside: re.Pattern[str]) -> tuple[int, int]:
    """Return where a statement ends, and where the next may begin."""
    at = begin
    opened: list[int] = []
    while found := (inside if opened else outside).search(text, at):
        at = found.end()
        if found.lastgroup == "delimiter":
            return found.start(), at
        if found.lastgroup == "opening":
            opened.append(found.start())
        elif found.lastgroup == "closing":
            if not opened:
                raise NotCut("a `)` closes nothing", found.start())
            opened.pop()
        elif found.lastgroup == "open":
            raise NotCut(f"a `{found[0]}` stays open", found.start())
    if opened:
        raise NotCut("a `(` stays open", opened[0])
    return len(text), len(text)
