"""Where things are: endpoints and connection URLs, taken apart as the drivers do it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from startupctl.fields import MAX_PORT, Parsed, Secret, is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}", re.ASCII)  # a name may begin like that too


@dataclass(frozen=True, slots=True)
class Endpoint(Parsed):
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


@dataclass(frozen=True, slots=True, repr=False)
class Url(Parsed):
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
