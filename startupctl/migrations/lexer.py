"""Cuts SQL into tokens and statements without losing a character.

One lexicon per dialect says what its words, quotes and comments are.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMMENT_MARK = re.compile(r"/\*|\*/")


class Part(Enum):
    """What a token is."""

    SPACE = auto()
    COMMENT = auto()
    QUOTED = auto()
    WORD = auto()
    SIGN = auto()


class Token(NamedTuple):
    """A piece of the text; `start` counts characters from 0."""

    part: Part
    text: str
    start: int

    @property
    def counts(self) -> bool:
        """Whether the server sees it."""
        return self.part is not Part.SPACE and self.part is not Part.COMMENT


class Statement(NamedTuple):
    """A statement without its closing `;`; `start` is where it stands in the file, in characters from 0."""

    text: str
    start: int


class Lexicon:
    """How a dialect writes its tokens, as regular expressions without groups that capture.

    `heredoc` is the mark that opens and closes a quoted text; one that is never closed is none, unless
    `heredoc_stays_open`. `nested` says whether `/*` counts inside a comment. All that is repeated is
    possessive, so that a long text takes neither memory nor a second look.
    """

    def __init__(
        self,
        *,
        space: str,
        word: str,
        quoted: tuple[str, ...],
        line_comments: tuple[str, ...] = (r"--[^\n]*+",),
        nested: bool = False,
        heredoc: str = "",
        heredoc_stays_open: bool = False,
    ) -> None:
        self._space, self._comment = space, "|".join(line_comments)
        self._word, self._quoted = word, "|".join(quoted)
        self._opening = rf"/\*|{heredoc}" if heredoc else r"/\*"
        self._nested, self._stays_open = nested, heredoc_stays_open

    def tokens(self, sql: str) -> Iterator[Token]:
        """Yield the tokens of a text in order; joined they are the text. What is never closed goes on to the end."""
        return self._cut(sql, self._fine)

    def pieces(self, sql: str) -> Iterator[Statement]:
        """Yield what stands before, between and behind `;` outside of quotes and comments, where anything counts."""
        start, end = -1, 0
        for token in chain(self._cut(sql, self._coarse), [Token(Part.SIGN, ";", len(sql))]):
            if token.text == ";":
                if start >= 0:
                    yield Statement(sql[start:end], start)
                start = -1
            elif token.counts:
                start, end = token.start if start < 0 else start, token.start + len(token.text)

    def counting(self, sql: str) -> Iterator[str]:
        """Yield the texts of the tokens that count: what `tokens` would say, several times faster."""
        for token in self._cut(sql, self._coarse):
            if token.part is Part.WORD:
                yield from self._counting.findall(token.text)
            elif token.counts:
                yield token.text

    @cached_property
    def _fine(self) -> re.Pattern[str]:
        named = {"SPACE": self._space, "COMMENT": self._comment, "QUOTED": self._quoted, "WORD": self._word}
        return self._pattern({**named, "SIGN": "."})

    @cached_property
    def _coarse(self) -> re.Pattern[str]:
        """Few and long tokens: blanks, all else up to a `;` or something that opens, `;`."""
        blank = f"{self._space}|{self._comment}"
        counting = repeated(f"{self._quoted}|{self._word}|(?!{self._opening}|{blank})[^;]", "{1,1000}")
        run = counting + repeated(repeated(blank, "+") + counting, "{0,1000}")  # bounded, as its tokens are listed
        return self._pattern({"SPACE": repeated(blank, "+"), "WORD": run, "SIGN": ";"})

    @cached_property
    def _counting(self) -> re.Pattern[str]:
        blanks = repeated(f"{self._space}|{self._comment}")
        return re.compile(f"{blanks}({self._quoted}|{self._word}|.)", re.DOTALL)

    def _pattern(self, parts: dict[str, str]) -> re.Pattern[str]:
        named = "|".join(f"(?P<{name}>{pattern})" for name, pattern in parts.items())
        return re.compile(rf"(?P<OPENING>{self._opening})|{named}", re.DOTALL)

    def _cut(self, sql: str, pattern: re.Pattern[str]) -> Iterator[Token]:
        position = 0
        while match := pattern.match(sql, position):
            name = match.lastgroup or ""
            part, end = self._closed(sql, match) if name == "OPENING" else (Part[name], match.end())
            yield Token(part, sql[position:end], position)
            position = end

    def _closed(self, sql: str, opening: re.Match[str]) -> tuple[Part, int]:
        """Return what was opened, and where it ends."""
        mark, behind = opening[0], opening.end()
        if mark == "/*":
            return Part.COMMENT, self._comment_end(sql, behind)
        closing = sql.find(mark, behind)
        if closing < 0 and not self._stays_open:
            return Part.SIGN, opening.start() + 1
        return Part.QUOTED, closing + len(mark) if closing >= 0 else len(sql)

    def _comment_end(self, sql: str, position: int) -> int:
        depth = 1
        for mark in _COMMENT_MARK.finditer(sql, position):
            if mark[0] == "*/":
                depth -= 1
            elif self._nested:
                depth += 1
            if not depth:
                return mark.end()
        return len(sql)


def repeated(pattern: str, times: str = "*") -> str:
    """Return the pattern of a possessive repetition.

    Behind an attempt that failed half-way, Python before 3.11.5 goes on from there (gh-106052), unless
    another alternative begins again; the one added here matches nothing.
    """
    return f"(?:{pattern}|(?!)){times}+"


def doubled(quote: str) -> str:
    """Return the pattern of text between two quotes, in which a doubled quote stands for itself."""
    plain = f"[^{quote}]*+"
    return quote + plain + repeated(quote * 2 + plain) + rf"(?:{quote}|\Z)"


def escaped(quote: str, joint: str = "(?!)") -> str:
    """Return the pattern of text between two quotes, in which a backslash takes the next character with it.

    `joint` is the pattern of what stands between two parts of one text, with their quotes.
    """
    plain = rf"[^{quote}\\]*+"
    return quote + plain + repeated(rf"(?:{quote}{quote}|\\.|{joint}){plain}") + rf"(?:{quote}|\\?\Z)"


def words(sql: str, lexicon: Lexicon, count: int) -> tuple[str, ...]:
    """Return the first `count` tokens that count: words in upper case, quoted names and signs as written.

    Only the beginning of the text is read.
    """
    seen = (token for token in lexicon.tokens(sql) if token.counts)
    return tuple(upper(token) for token in islice(seen, count))


def upper(token: Token) -> str:
    """Return the text of a token, a word in upper case; letters that no keyword has stay as they are."""
    return token.text.upper() if token.part is Part.WORD and token.text.isascii() else token.text


def normalised(sql: str, lexicon: Lexicon) -> str:
    """Return the text without comments and with one space between tokens, so that layout does not count."""
    return " ".join(lexicon.counting(sql)).replace("\r\n", "\n")


def cut_statements(
    sql: str, lexicon: Lexicon, body_of: Callable[[str], Callable[[str], bool] | None]
) -> Iterator[Statement]:
    """Yield the statements of a file.

    `body_of` is given the piece a statement begins with. For one with a body that holds `;` it returns what
    says of each further piece whether the statement goes on behind it.
    """
    pieces = lexicon.pieces(sql)
    for first in pieces:
        goes_on, last = body_of(first.text), first
        while goes_on and (piece := next(pieces, None)):
            last = piece
            if not goes_on(piece.text):
                break
        yield first if last is first else Statement(sql[first.start : last.start + len(last.text)], first.start)


def before_end(piece: str) -> bool:
    """Whether a body goes on behind a piece: END right behind a `;` closes it, that of a CASE stands elsewhere."""
    return piece.upper() != "END"
