"""What is asked over HTTP and what is answered, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from startupctl.wire.proxy import ENVIRONMENT, authority
from startupctl.wire.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from startupctl.addresses import Endpoint, Url

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is asked: `target` is path and query, percent-encoded where needed; headers are latin-1 text.

    `tls` makes the context when `scheme` is https; it is called on the thread, as it reads files.
    `server_name` is what the certificate must name instead of the host; `proxy` is `env`, `none` or
    the URL of a proxy.
    """

    scheme: str
    endpoint: Endpoint
    target: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    tls: Callable[[], ssl.SSLContext] = client_context
    server_name: str = ""
    proxy: str | Url = ENVIRONMENT

    @property
    def authority(self) -> str:
        """The Host header: the port is left out where it is the scheme's own."""
        return authority(self.endpoint).removesuffix(f":{DEFAULT_PORTS[self.scheme]}")


class HttpAnswer(NamedTuple):
    """What was answered; the headers' names match in any case, a longer body is cut at 1 MiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request_target(url: Url) -> str:
    """Return path and query of a URL as they go on the wire: as written, the fragment cut off."""
    tail = url.tail.partition("#")[0]
    return quote(tail if tail.startswith("/") else f"/{tail}", safe="/%?:@!$&'()*+,;=~[]")


def merge_headers(*layers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of all layers; a later one replaces an earlier one whatever the case of its name."""
    merged = {name.lower(): (name, value) for layer in layers for name, value in layer.items()}
    return dict(merged.values())
