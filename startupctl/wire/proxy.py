"""The HTTP proxy on the way to a server: which one, and how a connection through it is asked for."""

from __future__ import annotations

import asyncio
import os
import re
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from startupctl.addresses import Endpoint, Url
from startupctl.failures import ConnectionBroken
from startupctl.wire.connect import connect
from startupctl.wire.no_proxy import is_exempt

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from startupctl.check import Run

ENVIRONMENT = "env"
NO_PROXY = "none"
DEFAULT_PORT = 80
MAX_HEAD = 1 << 16
HTTP_OK = 200
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and where it was named: a variable or the key `proxy`."""

    endpoint: Endpoint
    origin: str
    authorization: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Return what the proxy itself wants to read of a request."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


class ProxyFailed(Exception):
    """A proxy cannot be used; `status` is what it answered, 0 when there was no answer.

    `proxy` is None when the address of the proxy itself cannot be read. The text names variable and
    host, never the userinfo.
    """

    def __init__(
        self,
        origin: str,
        wanted: Endpoint,
        proxy: Endpoint | None = None,
        *,
        status: int = 0,
        cause: BaseException | None = None,
    ) -> None:
        """Keep who was asked, for what, and what came of it."""
        self.origin, self.wanted, self.proxy = origin, wanted, proxy
        self.status, self.cause = status, cause
        super().__init__(f"proxy {proxy or ''} of `{origin}`: {status or type(cause).__name__}")


def find_proxy(
    choice: str | Url, scheme: str, wanted: Endpoint, environ: Mapping[str, str] = os.environ
) -> Proxy | None:
    """Return the proxy for a server, None for a direct connection.

    `choice` is `env`, `none` or the URL of a proxy. Of the environment `http_proxy`/`https_proxy`
    count first and `all_proxy` after them, lower case before upper case, as in curl; one that is set
    and empty means none. Raises ProxyFailed for an address that is no `http://` proxy.
    """
    if isinstance(choice, Url):
        return _read_proxy(choice, "proxy", wanted)
    if choice == NO_PROXY:
        return None
    name = _first_set(environ, f"{scheme}_proxy", "all_proxy")
    if not environ.get(name) or is_exempt(wanted, environ.get(_first_set(environ, "no_proxy"), "")):
        return None
    return _read_variable(name, environ[name], wanted)


async def open_tunnel(run: Run, proxy: Proxy, wanted: Endpoint) -> socket.socket:
    """Return a connection to a server through CONNECT (RFC 9110, 9.3.6); raises ProxyFailed."""
    sock = await reach_proxy(run, proxy, wanted)
    with ExitStack() as unused:
        unused.enter_context(sock)
        status = await _tunnel_status(run, sock, proxy, wanted)
        if status != HTTP_OK:
            raise ProxyFailed(proxy.origin, wanted, proxy.endpoint, status=status)
        unused.pop_all()
    return sock


async def reach_proxy(run: Run, proxy: Proxy, wanted: Endpoint) -> socket.socket:
    """Return a connection to the proxy itself; raises ProxyFailed."""
    try:
        return await connect(proxy.endpoint, run)
    except ConnectionBroken as error:
        raise ProxyFailed(proxy.origin, wanted, proxy.endpoint, cause=error.cause) from error


async def _tunnel_status(run: Run, sock: socket.socket, proxy: Proxy, wanted: Endpoint) -> int:
    loop = asyncio.get_running_loop()
    headers = {"Host": authority(wanted), **proxy.headers()}
    lines = [f"CONNECT {authority(wanted)} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    try:
        async with asyncio.timeout(run.left()):
            await loop.sock_sendall(sock, "\r\n".join(lines).encode())
            return await _read_status(sock)
    except (OSError, EOFError, ValueError) as error:  # TimeoutError is an OSError
        raise ProxyFailed(proxy.origin, wanted, proxy.endpoint, cause=error) from error


async def _read_status(sock: socket.socket) -> int:
    """Read to the end of the answer's headers; what follows them belongs to the tunnel."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < MAX_HEAD:
        data = await asyncio.get_running_loop().sock_recv(sock, 4096)
        head += data
        if not b"HTTP/".startswith(head[:5]):
            raise ValueError("not an HTTP proxy")
        if not data:
            raise EOFError
    match = _STATUS_LINE.match(head)
    if not match:
        raise ValueError("not an HTTP proxy")
    return int(match[1])


def authority(endpoint: Endpoint) -> str:
    """Return host and port as HTTP writes them: a name beyond ASCII in its IDNA form."""
    host = endpoint.host if endpoint.host.isascii() else endpoint.host.encode("idna").decode()
    return str(Endpoint(host, endpoint.port))


def _first_set(environ: Mapping[str, str], *names: str) -> str:
    return next((name for lower in names for name in (lower, lower.upper()) if name in environ), "")


def _read_variable(name: str, text: str, wanted: Endpoint) -> Proxy:
    try:
        url = Url.parse(text if "://" in text else f"http://{text}")
    except ValueError as error:
        raise ProxyFailed(name, wanted, cause=error) from None
    return _read_proxy(url, name, wanted)


def _read_proxy(url: Url, origin: str, wanted: Endpoint) -> Proxy:
    if url.scheme != "http" or not url.host:
        raise ProxyFailed(origin, wanted, cause=ValueError("not an http:// proxy"))
    return Proxy(Endpoint(url.host, url.port or DEFAULT_PORT), origin, basic_authorization(url))


def basic_authorization(url: Url) -> str:
    """Return the userinfo of a URL as a Basic credential, empty when there is none."""
    if url.user is None and url.password is None:
        return ""
    return basic_credential(url.user or "", url.password.reveal() if url.password else "")


def basic_credential(user: str, password: str) -> str:
    """Return the value of an Authorization header (RFC 7617), in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
