"""The vocabulary of the manifest: durations, sizes, ports, addresses, secrets, URLs.

The type of a field decides what a scalar means, never its looks; a message about a value that may
hold a secret never repeats it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import unquote

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

_SECOND_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTE_UNITS = {"": 1, "B": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("KMGT", 1)
    for base, suffix in ((1000, "B"), (1024, "iB"))
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")
_SECRET_NAME = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|DSN", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}", re.ASCII)  # a name may begin like that too
MAX_PORT = 65535


def is_secret_name(name: str) -> bool:
    """Whether a variable or parameter of this name holds a secret, by the words in it."""
    return bool(_SECRET_NAME.search(name))


def parse_seconds(value: object) -> float:
    """Read `500ms`, `5s`, `1m30s`, `2h` or a bare number of seconds.

    Raises ValueError for anything else, also for negative numbers, NaN and unknown units.
    """
    text = str(value).strip()
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECOND_UNITS[unit] for number, unit in parts)
    return _bare_number(text, "a duration such as 500ms, 5s, 1m30s or 2h")


def parse_bytes(value: object) -> int:
    """Read `512MiB`, `2GB` or a bare number of bytes; raises ValueError otherwise."""
    match = _SIZE.fullmatch(str(value).strip())
    if not match or match[2] not in _BYTE_UNITS:
        message = "not a size such as 512MiB or 2GB"
        raise ValueError(message)
    return int(float(match[1]) * _BYTE_UNITS[match[2]])


def _bare_number(text: str, wanted: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or "_" in text:
        message = f"not {wanted}"
        raise ValueError(message)
    return number


Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    WithJsonSchema(
        {"type": ["string", "number"], "description": "a duration: 500ms, 5s, 1m30s, 2h; a bare number is seconds"}
    ),
]
PositiveSeconds = Annotated[Seconds, Field(gt=0)]
Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema({"type": ["string", "integer"], "description": "a size: 512MiB, 2GB; a bare number is bytes"}),
]
Port = Annotated[int, Field(ge=1, le=MAX_PORT)]


class Priority(IntEnum):
    """How much a component matters; a higher value matters more."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def parse(cls, value: object) -> Priority:
        """Read a priority in any case; raises ValueError naming the four."""
        try:
            return value if isinstance(value, Priority) else cls[str(value).strip().upper()]
        except KeyError:
            message = f"not a priority, use one of {', '.join(p.name for p in reversed(cls))}"
            raise ValueError(message) from None

    def __str__(self) -> str:
        """Return the name as the manifest writes it."""
        return self.name


PriorityField = Annotated[
    Priority,
    BeforeValidator(Priority.parse),
    WithJsonSchema({"type": "string", "pattern": "^(?i:critical|high|medium|low)$"}),
]


class _Parsed:
    """A value read from one string; gives pydantic and the JSON Schema what they need."""

    @classmethod
    def parse(cls, text: str) -> Self:
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._read)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string"}

    @classmethod
    def _read(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            message = "must be text"
            raise ValueError(message)  # noqa: TRY004  (pydantic turns only ValueError into a finding)
        return cls.parse(value)


@dataclass(frozen=True, slots=True)
class Endpoint(_Parsed):
    """Where to connect: a host and a port, or the path of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `host:port`, `[::1]:80` or `unix:/path`; raises ValueError saying which part is wrong."""
        if text.startswith("unix:") and len(text) > len("unix:"):
            return cls(path=text.removeprefix("unix:"))
        host, port = split_host_port(text)
        if not host or port is None:
            message = "not an address such as host:port, [::1]:80 or unix:/path"
            raise ValueError(message)
        return cls(host, port)

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine: a unix socket or a loopback address."""
        return bool(self.path) or self.host in ("localhost", "::1") or bool(_LOOPBACK.fullmatch(self.host))

    def __str__(self) -> str:
        """Return the form `parse` reads."""
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Secret(_Parsed):
    """Text that is never shown; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    @classmethod
    def parse(cls, text: str) -> Secret:
        """Take the text as it stands."""
        return cls(text)

    def reveal(self) -> str:
        """Return the text, to be sent and never to be printed."""
        return self._text

    def __repr__(self) -> str:
        """Return stars."""
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare the texts."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self._text)

    def __bool__(self) -> bool:
        """Whether there is any text."""
        return bool(self._text)


@dataclass(frozen=True, slots=True, repr=False)
class Url(_Parsed):
    """A connection URL, taken apart as the drivers do it.

    The userinfo ends at the last `@` before the first `/`, so a password may hold `#`, `?` and `@`.
    `hosts` has several entries only for `host1:1,host2:2`; `path` is decoded and has no leading `/`;
    `query` keeps order and repetitions. `str()` shows neither the password nor the query. `tail` is
    path and query as they were written, for HTTP, where decoding and encoding again would change them.
    """

    scheme: str
    user: str | None = None
    password: Secret | None = None
    hosts: tuple[tuple[str, int | None], ...] = ()
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    malformed_escape: bool = False
    tail: str = ""

    @classmethod
    def parse(cls, text: str) -> Url:
        """Take a URL apart; raises ValueError whose text holds nothing of the URL but its scheme."""
        scheme, colon, rest = text.strip().partition("://")
        if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
            message = "not a URL such as scheme://user:password@host:port/name"
            raise ValueError(message)
        before_path = rest.partition("/")[0]
        userinfo, at, _ = before_path.rpartition("@")
        location, question, raw_query = rest[len(userinfo) + len(at) :].partition("?")
        authority, _, path = location.partition("/")
        user, password = _split_userinfo(userinfo if at else None)
        return cls(
            scheme=scheme.lower(),
            user=user,
            password=password,
            hosts=tuple(_split_hosts(authority)),
            path=unquote(path),
            query=tuple(_split_query(raw_query)) if question else (),
            malformed_escape=bool(_BAD_ESCAPE.search(text)),
            tail=rest[len(userinfo) + len(at) + len(authority) :],
        )

    @property
    def host(self) -> str:
        """The first host, empty when the URL names none."""
        return self.hosts[0][0] if self.hosts else ""

    @property
    def port(self) -> int | None:
        """The first host's port, None when the URL names none."""
        return self.hosts[0][1] if self.hosts else None

    def param(self, name: str) -> str | None:
        """Return the last value of a query parameter, None when it is not there."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def secrets(self) -> Iterator[str]:
        """Yield what must not be shown: the password and the parameters that are named like one."""
        if self.password:
            yield self.password.reveal()
        yield from (value for key, value in self.query if value and is_secret_name(key))

    def __str__(self) -> str:
        """Return a form that is safe to print."""
        user = f"{self.user or ''}{':***' if self.password else ''}@" if self.user or self.password else ""
        hosts = ",".join(str(Endpoint(host, port)) if port else _bracketed(host) for host, port in self.hosts)
        return f"{self.scheme}://{user}{hosts}{'/' + self.path if self.path else ''}"

    __repr__ = __str__


def split_host_port(text: str) -> tuple[str, int | None]:
    """Split `host:port`, `[::1]:port` or a bare host; raises ValueError for a port that is no port."""
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            message = "an IPv6 address must be closed with `]`"
            raise ValueError(message)
        return host, _port(tail[1:]) if tail else None
    if text.count(":") > 1:
        message = "an IPv6 address needs brackets, as in [::1]:5432"
        raise ValueError(message)
    host, colon, port = text.partition(":")
    return host, _port(port) if colon and port else None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MAX_PORT:
        message = "the port is not a number from 1 to 65535 (percent-encode special characters of a password: / is %2F, : is %3A)"
        raise ValueError(message)
    return int(text)


def _split_userinfo(userinfo: str | None) -> tuple[str | None, Secret | None]:
    if userinfo is None:
        return None, None
    user, colon, password = userinfo.partition(":")
    return unquote(user) or None, Secret(unquote(password)) if colon else None


def _split_hosts(authority: str) -> Iterator[tuple[str, int | None]]:
    for part in authority.split(",") if authority else ():
        host, port = split_host_port(part)
        yield unquote(host), port


def _split_query(text: str) -> Iterator[tuple[str, str]]:
    for pair in text.split("&"):
        key, _, value = pair.partition("=")
        if key:
            yield unquote(key), unquote(value)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def text_list(separator: str = ",") -> Callable[[object], object]:
    """Return a validator that reads `a,b` as a list, for settings that come from the environment."""

    def read(value: object) -> object:
        return [part.strip() for part in value.split(separator) if part.strip()] if isinstance(value, str) else value

    return read
