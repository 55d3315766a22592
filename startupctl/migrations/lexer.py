"""Cuts SQL into tokens without losing a character: comments, space, quoted text, words, signs.

One lexicon per dialect says which quotes and comments it has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMMENT_MARK = re.compile(r"/\*|\*/")


class Part(Enum):
    """What a token is."""

    SPACE = auto()
    COMMENT = auto()
    QUOTED = auto()
    WORD = auto()
    SIGN = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text; `start` counts characters from 0."""

    part: Part
    text: str
    start: int

    @property
    def counts(self) -> bool:
        """Whether the server sees it."""
        return self.part not in (Part.SPACE, Part.COMMENT)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement without its closing `;`; `start` is where it stands in the file, in characters from 0."""

    text: str
    start: int


@dataclass(frozen=True)
class Lexicon:
    r"""How a dialect writes quoted text and comments, as regular expressions tried in this order.

    `quoted` and `line_comments` begin a token of their kind; `nested` says whether `/*` counts inside a comment.
    """

    quoted: tuple[str, ...]
    line_comments: tuple[str, ...] = ("--[^\n]*",)
    nested: bool = True

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        quoted, comments = "|".join(self.quoted), "|".join(self.line_comments)
        return re.compile(
            rf"(?P<SPACE>\s+)|(?P<COMMENT>{comments})|(?P<OPENED>/\*)|(?P<QUOTED>{quoted})|(?P<WORD>\w[\w$]*)|(?P<SIGN>.)",
            re.DOTALL,
        )

    def tokens(self, sql: str) -> Iterator[Token]:
        """Yield the tokens of a text in order; joined they are the text. What is never closed reaches to the end."""
        position = 0
        while match := self._pattern.match(sql, position):
            name, end = match.lastgroup or "", match.end()
            if name == "OPENED":
                name, end = "COMMENT", self._comment_end(sql, end)
            yield Token(Part[name], sql[position:end], position)
            position = end

    def _comment_end(self, sql: str, position: int) -> int:
        depth = 1
        for mark in _COMMENT_MARK.finditer(sql, position):
            if mark[0] == "*/":
                depth -= 1
            elif self.nested:
                depth += 1
            if not depth:
                return mark.end()
        return len(sql)


def doubled(quote: str) -> str:
    """Return the pattern of text between two quotes, in which a doubled quote stands for itself."""
    return rf"{quote}(?:[^{quote}]|{quote}{quote})*(?:{quote}|\Z)"


def escaped(quote: str) -> str:
    """Return the pattern of text between two quotes, in which a backslash takes the next character with it."""
    return rf"{quote}(?:[^{quote}\\]|\\.|{quote}{quote}|\\\Z)*(?:{quote}|\Z)"


def cut_statements(sql: str, lexicon: Lexicon, ends: Iterable[int]) -> Iterator[Statement]:
    """Yield the statements between ends, which are the offsets of closing signs; those without a token are none."""
    seen: list[Token] = []
    marks = set(ends)
    for token in lexicon.tokens(sql):
        if token.start in marks:
            yield from _statement(sql, seen)
            seen = []
        elif token.counts:
            seen.append(token)
    yield from _statement(sql, seen)


def _statement(sql: str, tokens: list[Token]) -> Iterator[Statement]:
    if tokens:
        begin, last = tokens[0].start, tokens[-1]
        yield Statement(sql[begin : last.start + len(last.text)], begin)


def normalised(sql: str, lexicon: Lexicon) -> str:
    """Return the text without comments and with one space between tokens, so that layout does not count."""
    return " ".join(token.text.replace("\r\n", "\n") for token in lexicon.tokens(sql) if token.counts)
