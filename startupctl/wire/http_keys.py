"""Manifest keys of HTTP: what an answer must be, headers that can be sent, a proxy."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from startupctl.addresses import Url
from startupctl.fields import Secret
from startupctl.keys import Keys
from startupctl.wire.http_status import excerpt
from startupctl.wire.proxy import ENVIRONMENT, NO_PROXY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.wire.http_message import HttpAnswer

Mismatch = tuple[str, str]
"""What was expected, in our words, and what was found, in words from outside."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS = re.compile(r"[1-5](\d\d|xx)", re.ASCII)
_NOTHING = object()


def _read_statuses(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    found = tuple(str(part).strip().lower() for part in parts)
    if not found or not all(_STATUS.fullmatch(part) for part in found):
        raise ValueError("not a status such as 200 or 2xx, or a list of them")
    return found


def _read_proxy(value: object) -> object:
    return value if value in (ENVIRONMENT, NO_PROXY) or not isinstance(value, str) else Url.parse(value)


def _can_be_sent(headers: dict[str, Secret]) -> dict[str, Secret]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError("the name of a header holds a character that HTTP does not allow")
        if not _VALUE.fullmatch(value.reveal()):
            raise ValueError(f"the value of header `{name}` holds a character that HTTP does not allow")
    return headers


Statuses = Annotated[
    tuple[str, ...], BeforeValidator(_read_statuses, json_schema_input_type=int | str | list[int | str])
]
Headers = Annotated[dict[str, Secret], AfterValidator(_can_be_sent)]
ProxyChoice = Annotated[Literal["env", "none"] | Url, BeforeValidator(_read_proxy, json_schema_input_type=str)]


class HttpExpect(Keys):
    """What the answer must be; everything that is given must hold."""

    status: Statuses = Field(default=("2xx",), description="`200`, `2xx` or a list of them")
    header: dict[str, re.Pattern[str]] = Field(
        default_factory=dict, description="a regular expression for each header that must be there"
    )
    body: str | None = Field(default=None, description="text that the body must contain")
    regex: re.Pattern[str] | None = Field(default=None, description="a regular expression found in the body")
    json_values: dict[str, Any] = Field(
        default_factory=dict, alias="json", description="the value at each JSON pointer, as `/status`"
    )

    @property
    def statuses(self) -> str:
        """The expected statuses, in words."""
        return " or ".join(self.status)

    def admits(self, status: int) -> bool:
        """Whether a status is among the expected ones."""
        return str(status) in self.status or f"{status // 100}xx" in self.status

    def mismatch(self, answer: HttpAnswer) -> Mismatch | None:
        """Return the first thing that is not as expected in headers and body, None when all is."""
        return next(self._mismatches(answer), None)

    def _mismatches(self, answer: HttpAnswer) -> Iterator[Mismatch]:
        for name, pattern in self.header.items():
            if not pattern.search(answer.headers.get(name, "")):
                yield f"header `{name}` to match `{pattern.pattern}`", f"`{answer.headers.get(name, 'no such header')}`"
        text = answer.body.decode(errors="replace")
        if self.body is not None and self.body not in text:
            yield f"a body with `{self.body}`", excerpt(answer.body)
        if self.regex and not self.regex.search(text):
            yield f"a body that matches `{self.regex.pattern}`", excerpt(answer.body)
        if self.json_values:
            yield from self._unequal(text)

    def _unequal(self, text: str) -> Iterator[Mismatch]:
        try:
            document = json.loads(text)
        except ValueError:
            yield "a JSON body", excerpt(text.encode())
            return
        for pointer, wanted in self.json_values.items():
            found = look_up(document, pointer)
            if not _same(found, wanted):
                shown = "nothing there" if found is _NOTHING else json.dumps(found)
                yield f"`{pointer}` to be `{json.dumps(wanted)}`", excerpt(shown.encode())


def look_up(document: Any, pointer: str) -> Any:
    """Return the value a JSON pointer leads to (RFC 6901), or a mark that equals nothing."""
    for raw in pointer.split("/")[1:]:
        step = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return _NOTHING
    return document


def _same(found: Any, wanted: Any) -> bool:
    """Compare as JSON does: true is not 1; text is also held against the JSON of what is no text."""
    if found is _NOTHING:
        return False
    if isinstance(wanted, str) and not isinstance(found, str):
        return wanted == json.dumps(found)
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)
