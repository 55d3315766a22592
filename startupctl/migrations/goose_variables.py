r"""Puts environment variables into a line of a goose file, as `-- +goose ENVSUB ON` asks for.

`$V` and `${V}` are the value or nothing; `${V:-text}` text instead of an empty one, `${V-text}` instead of
none, `${V?text}` an error without one; `${V:1}`, `${V:1:2}` a part of it; `\$` and `$$` a dollar, `$(` itself.
Texts may hold variables. The rules are those of github.com/mfridman/interpolate.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES = {r"\\": r"\\", r"\$": "$", "$$": "$", "$(": "$("}
_WHOLE_NUMBER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


class NotFilled(Exception):
    """A line cannot be filled; the text says why, never with a value."""


def filled(line: str, environ: Mapping[str, str]) -> str:
    """Return the line with the values in it; raises NotFilled."""
    return _Filling(line, environ).text("", live=True) if "$" in line or "\\" in line else line


class _Filling:
    """A line on its way through a recursive descent; what is not `live` is read over."""

    def __init__(self, line: str, environ: Mapping[str, str]) -> None:
        self._line, self._environ, self._at = line, environ, 0

    def text(self, stop: str, *, live: bool) -> str:
        """Return what comes up to a sign or the end."""
        found = []
        while self._at < len(self._line) and (not stop or self._line[self._at] != stop):
            two = self._line[self._at : self._at + 2]
            if two in _ESCAPES:
                found.append(_ESCAPES[two])
                self._at += 2
            elif two[0] == "$" and len(two) > 1:
                self._at += 1
                found.append(self._braced(live=live) if two[1] == "{" else self._environ.get(self._name(), ""))
            else:
                found.append(two[0])
                self._at += 1
        return "".join(found)

    def _braced(self, *, live: bool) -> str:
        self._at += 1
        name = self._name()
        value = self._environ.get(name)
        sign = self._take(":-") or self._take("-") or self._take("?") or self._take(":")
        if sign == ":":
            result = self._part(value or "")
        elif sign == "?":
            message = self.text("}", live=live and value is None)
            if live and value is None:
                raise NotFilled(f"`{name}` is not set" + (f": {message}" if message else ""))
            result = value or ""
        else:
            wanted = bool(sign) and (value is None or (sign == ":-" and not value))
            default = self.text("}", live=live and wanted) if sign else ""
            result = default if wanted else value or ""
        if not self._take("}"):
            raise NotFilled(f"`${{{name}` is followed by something that goose does not know")
        return result

    def _part(self, value: str) -> str:
        """Return the part between two numbers; those below zero count from the end."""
        numbers = self._upto_brace().split(":", 1)
        if not all(map(_WHOLE_NUMBER.fullmatch, numbers)):
            raise NotFilled("behind the `:` of a variable stands no number")
        begin, *length = map(int, numbers)
        begin = min(max(begin + len(value), 0) if begin < 0 else begin, len(value))
        if not length:
            return value[begin:]
        end = begin + length[0] if length[0] >= 0 else max(len(value) + length[0], begin)
        return value[begin:end]

    def _upto_brace(self) -> str:
        end = self._line.find("}", self._at)
        begin, self._at = self._at, len(self._line) if end < 0 else end
        return self._line[begin : self._at]

    def _take(self, sign: str) -> str:
        if not self._line.startswith(sign, self._at):
            return ""
        self._at += len(sign)
        return sign

    def _name(self) -> str:
        begin = self._at
        if not self._line[begin : begin + 1].isalpha():
            raise NotFilled("a `$` is followed by no name; write `$$` for a dollar")
        while self._line[self._at : self._at + 1] == "_" or self._line[self._at : self._at + 1].isalnum():
            self._at += 1
        return self._line[begin : self._at]
