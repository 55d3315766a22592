"""Reads a goose file as goose does: its directives, its two sections, and how they are cut into statements.

The rules are those of goose's internal/sqlparser/parser.go: a statement ends with a line whose last word
before `--` ends with `;`, or at StatementEnd; comments before a statement are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.formats.goose import is_directive
from startupctl.migrations.goose_variables import NotFilled, filled
from startupctl.migrations.lexer import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTIVES = ("Up", "Down", "StatementBegin", "StatementEnd", "NO TRANSACTION", "ENVSUB ON", "ENVSUB OFF")
_BY_WORDS = {directive.upper(): directive for directive in DIRECTIVES}
_HALF_DIRECTIVE = re.compile(
    r"--[ \t]*(?:\+[ \t]+goose\b|goose[ \t:]+(?:up|down|statement[ \t]*(?:begin|end)|no[ \t]+transaction|envsub)\b)",
    re.IGNORECASE,
)
_ONLY = f"goose knows {', '.join(DIRECTIVES)}, each as `-- +goose Up` at the beginning of a line"
_FINISH = (
    "end it with `;` at the end of a line, or put it between `-- +goose StatementBegin` and `-- +goose StatementEnd`"
)


class NotRead(Exception):
    """A file that goose could not read either."""

    def __init__(self, what: str, hint: str, line: int) -> None:
        """Keep what is wrong, the cure, and the line, 0 for the file as a whole."""
        super().__init__(what)
        self.what, self.hint, self.line = what, hint, line


class Section(NamedTuple):
    """One direction: its text with the line numbers of the file, as written and as sent, and its statements."""

    written: str
    text: str
    parts: tuple[Statement, ...]


class Sections(NamedTuple):
    """A whole file; `obstacle` says which value is missing."""

    up: Section
    down: Section | None
    transaction: bool
    obstacle: str


def sections(text: str, environ: Mapping[str, str]) -> Sections:
    """Read a file; `environ` are the values for ENVSUB. Raises NotRead."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    reading = _Reading(len(lines), environ)
    for number, line in enumerate(lines):
        reading.take(number, line)
    return reading.end()


class _Draft:
    """A section while it is read: lines stand where the file has them, statements are first and last lines."""

    def __init__(self, length: int) -> None:
        self.written, self.sent = [""] * length, [""] * length
        self.bounds: list[tuple[int, int]] = []

    def finish(self) -> Section:
        offsets, offset = [], 0
        for line in self.sent:
            offsets.append(offset)
            offset += len(line) + 1
        parts = []
        for first, last in self.bounds:
            whole = "\n".join(self.sent[first : last + 1])
            if whole.strip():
                parts.append(Statement(whole.strip(), offsets[first] + len(whole) - len(whole.lstrip())))
        return Section("\n".join(self.written), "\n".join(self.sent), tuple(parts))


class _Reading:
    """The state of goose's parser between two lines."""

    def __init__(self, length: int, environ: Mapping[str, str]) -> None:
        self._length, self._environ = length, environ
        self._drafts: list[_Draft] = []  # up, then down
        self._began = -1  # the first line of the open statement
        self._marked = -1  # the line of an open StatementBegin
        self._spent = False  # behind a marked statement that holds nothing
        self._transaction, self._fills, self._obstacle = True, False, ""

    def take(self, number: int, line: str) -> None:
        """Read the next line, counted from 0."""
        if is_directive(line):
            self._obey(number, line)
        elif self._began < 0 and (not line or line.lstrip().startswith("--")):
            if _HALF_DIRECTIVE.match(line.strip()):
                raise NotRead(f"`{line.strip()}` is a half-written directive", _ONLY, number + 1)
        elif self._drafts:
            self._keep(number, line)
        elif line.strip():
            raise NotRead("holds a statement before `-- +goose Up`", "put it behind the directive", number + 1)

    def end(self) -> Sections:
        """Return the file; raises NotRead when something is left open.

        The last statement of the way back may lack its `;`: goose finds that only when it goes back.
        """
        if len(self._drafts) > 1 and self._marked < 0:
            self._close(self._length - 1)
        self._require_finished()
        if not self._drafts:
            raise NotRead("has no `-- +goose Up`", "add a line `-- +goose Up`", 0)
        up, *down = (draft.finish() for draft in self._drafts)
        return Sections(up, down[0] if down else None, self._transaction, self._obstacle)

    def _obey(self, number: int, line: str) -> None:
        directive = _directive(line)
        if directive in ("Up", "Down"):
            self._open_section(number, directive)
        elif directive == "StatementBegin":
            if not self._drafts or self._marked >= 0:
                raise NotRead(f"`{line.strip()}` stands where no statement can begin", _ONLY, number + 1)
            self._marked, self._spent = number, False
        elif directive == "StatementEnd":
            self._end_marked(number, line)
        elif directive == "NO TRANSACTION":
            self._transaction = False
        elif directive:
            self._fills = directive == "ENVSUB ON"
        else:
            raise NotRead(f"`{line.strip()}` is no directive of goose", _ONLY, number + 1)

    def _open_section(self, number: int, directive: str) -> None:
        self._require_finished()
        wanted = ("Up", "Down")[len(self._drafts)] if len(self._drafts) < 2 else ""  # noqa: PLR2004  (up and down)
        if directive != wanted:
            what = f"has a `-- +goose {directive}` " + (
                "before the `Up`" if not self._drafts else "that is one too many"
            )
            raise NotRead(what, "one `-- +goose Up` comes first, at most one `-- +goose Down` after it", number + 1)
        self._drafts.append(_Draft(self._length))
        self._spent = False

    def _end_marked(self, number: int, line: str) -> None:
        if self._marked < 0:
            raise NotRead(f"`{line.strip()}` ends nothing", "put `-- +goose StatementBegin` before it", number + 1)
        self._spent = self._began < 0
        self._marked = -1
        self._close(number - 1)

    def _keep(self, number: int, line: str) -> None:
        if self._spent and line.strip():
            hint = "remove the empty StatementBegin and StatementEnd"
            raise NotRead("holds a line that goose loses: it follows an empty marked statement", hint, number + 1)
        self._spent = False
        draft = self._drafts[-1]
        draft.written[number] = draft.sent[number] = line
        self._began = number if self._began < 0 else self._began
        if self._fills:
            draft.sent[number] = line = self._filled(number, line)
        if self._marked < 0 and _ends_statement(line):
            self._close(number)

    def _close(self, last: int) -> None:
        if self._began >= 0:
            self._drafts[-1].bounds.append((self._began, last))
        self._began = -1

    def _filled(self, number: int, line: str) -> str:
        try:
            return filled(line, self._environ)
        except NotFilled as error:
            self._obstacle = self._obstacle or f"line {number + 1} cannot be filled: {error}"
            return line

    def _require_finished(self) -> None:
        if self._marked >= 0:
            what = "holds a `-- +goose StatementBegin` without `-- +goose StatementEnd`"
            raise NotRead(what, "add it behind the statement", self._marked + 1)
        if self._began >= 0 and "".join(self._drafts[-1].sent[self._began :]).strip():
            raise NotRead("holds a statement that does not end: missing semicolon?", _FINISH, self._began + 1)
        self._began = -1


def _directive(line: str) -> str:
    """Return which directive a line is, nothing for one that goose refuses."""
    if line[:1] in (" ", "\t"):
        return ""
    return _BY_WORDS.get(line.replace("--", "").replace("+goose", "", 1).strip().upper(), "")


def _ends_statement(line: str) -> bool:
    words = line.split()
    comment = next((number for number, word in enumerate(words) if word.startswith("--")), len(words))
    return comment > 0 and words[comment - 1].endswith(";")
