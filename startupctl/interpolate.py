"""Fills `${X}`, `${X:-default}`, `${X:?message}`, `${file:/path}` and `$$` in the text of a manifest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from startupctl.fields import is_secret_variable
from startupctl.near import shown
from startupctl.text_file import FileRefused, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_NESTING = 8
FILE = "file:"

_TOKEN = re.compile(r"\$\$|\$\{|\}")
_HEAD = re.compile(r"(file:)|([A-Za-z_][A-Za-z0-9_]*)(:-|:\?|(?=\}))")
_HOLE = "\0"  # stands for a variable where only the text around it matters; it cannot occur in a manifest
_USERINFO = re.compile(r"[A-Za-z\0][A-Za-z0-9+.\-\0]*://([^/]*)@")


class Missing(NamedTuple):
    """Why a place could not be filled, and what to do about it."""

    what: str
    hint: str = ""


class Unfilled(Exception):
    """A text has no value; `reasons` is empty when variables are not to be resolved."""

    def __init__(self, reasons: Sequence[Missing] = ()) -> None:
        """Keep every reason of one text."""
        self.reasons = tuple(reasons)
        super().__init__("; ".join(reason.what for reason in self.reasons))


class Variable(NamedTuple):
    """One `${...}`: the name, what follows it (`:-`, `:?` or nothing) and the text behind that."""

    name: str
    operator: str = ""
    operand: tuple[Part, ...] = ()


Part = str | Variable


def split_template(text: str) -> tuple[Part, ...]:
    """Split a text into literal parts and variables; raises Unfilled for a malformed `${`."""
    return _Scanner(text).parts(0)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parts(self, depth: int) -> tuple[Part, ...]:
        """Read up to the end of the text, or inside of a variable up to its brace."""
        parts: list[Part] = []
        while token := _TOKEN.search(self.text, self.at):
            parts.append(self.text[self.at : token.start()])
            self.at = token.end()
            if token[0] == "$$":
                parts.append("$")
            elif token[0] == "${":
                parts.append(self._variable(depth + 1))
            elif depth:
                return tuple(filter(None, parts))
            else:
                parts.append("}")
        if depth:
            raise Unfilled([Missing("`${` is not closed", "write `$$` for a dollar sign")])
        parts.append(self.text[self.at :])
        return tuple(filter(None, parts))

    def _variable(self, depth: int) -> Variable:
        head = _HEAD.match(self.text, self.at)
        if not head or depth > MAX_NESTING:
            forms = "use ${NAME}, ${NAME:-default}, ${NAME:?message}, ${file:/path}, and $$ for a dollar sign"
            raise Unfilled([Missing("malformed `${`", forms)])
        self.at = head.end()
        return Variable(head[1] or head[2], head[3] or "", self.parts(depth))


class Lookup:
    """Where values come from: variables and small files; `secrets` gathers those that must not be shown."""

    def __init__(self, environ: Mapping[str, str], *, resolve: bool = True) -> None:
        """With `resolve` false no variable is looked up and no file is read."""
        self.resolve = resolve
        self.secrets: set[str] = set()
        self._environ = environ

    def fill(self, text: str, folder: Path) -> str:
        """Return the text with every variable replaced; relative paths start in `folder`.

        In the userinfo of a URL (`scheme://...@`) values are inserted percent-encoded. Raises Unfilled.
        """
        if "$" not in text:
            return text
        parts = split_template(text)
        if not self.resolve and any(isinstance(part, Variable) for part in parts):
            raise Unfilled
        return self._join(parts, folder, _userinfo(parts))

    def read_secret(self, path: Path) -> str:
        """Return the text of a secret file and remember it; raises Unfilled."""
        if not self.resolve:
            raise Unfilled
        try:
            return self._remember(read_text(path))
        except FileRefused as refused:
            raise Unfilled([Missing(str(refused))]) from None

    def _join(self, parts: tuple[Part, ...], folder: Path, userinfo: range) -> str:
        filled: list[str] = []
        missing: list[Missing] = []
        at = 0
        for part in parts:
            try:
                value = part if isinstance(part, str) else self._value(part, folder)
            except Unfilled as unfilled:
                missing += unfilled.reasons
            else:
                escape = isinstance(part, Variable) and at in userinfo
                filled.append(quote(value, safe="") if escape else value)
            at += len(_skeleton(part))
        if missing:
            raise Unfilled(missing)
        return "".join(filled)

    def _value(self, variable: Variable, folder: Path) -> str:
        operand = variable.operand
        if variable.name == FILE:
            return self.read_secret(folder / self._join(operand, folder, range(0)))
        value = self._environ.get(variable.name)
        if value is None or (variable.operator and not value):
            if variable.operator == ":-":
                return self._join(operand, folder, range(0))
            state = "not set" if value is None else "empty"
            raise Unfilled([Missing(f"the variable `{shown(variable.name)}` is {state}", _message(operand))])
        if not _is_text(value):
            raise Unfilled([Missing(f"the variable `{shown(variable.name)}` is not UTF-8 text")])
        return self._remember(value) if is_secret_variable(variable.name) else value

    def _remember(self, secret: str) -> str:
        if secret:
            self.secrets.add(secret)
        return secret


def _skeleton(part: Part) -> str:
    return part if isinstance(part, str) else _HOLE


def _message(operand: tuple[Part, ...]) -> str:
    """Return the text behind `:?`; variables in it stay names, their values may be secret."""
    return "".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in operand)


def _userinfo(parts: tuple[Part, ...]) -> range:
    """Return where the userinfo of a URL stands in the skeleton of a template; empty when there is none."""
    found = _USERINFO.match("".join(map(_skeleton, parts)))
    return range(*found.span(1)) if found else range(0)


def _is_text(value: str) -> bool:
    """Whether a variable was valid UTF-8; Python keeps other bytes as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
