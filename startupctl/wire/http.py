"""One HTTP request, bounded as a whole: urllib3 on a thread of its own, whose socket is shut down at the deadline.

A timeout of a socket bounds each read, so a server that trickles would outlive it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from startupctl import __version__
from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.threads import in_thread
from startupctl.wire.connect import connect
from startupctl.wire.proxy import ENVIRONMENT, ProxyFailed, find_proxy, open_tunnel, reach_proxy
from startupctl.wire.stream import Stream
from startupctl.wire.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from startupctl.check import Run
    from startupctl.fields import Endpoint, Url
    from startupctl.wire.proxy import Proxy

MAX_BODY = 1 << 20
PROXY_AUTHENTICATION_REQUIRED = 407
DEFAULT_PORTS = {"http": 80, "https": 443}
_HEAD = 64
_GREETING = b"HTTP/"
_TLS_ALERT = b"\x15\x03"


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
        return str(self.endpoint).removesuffix(f":{DEFAULT_PORTS[self.scheme]}")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What was answered; the headers' names match in any case, a longer body is cut at 1 MiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def request(run: Run, wanted: HttpRequest) -> HttpAnswer:
    """Send one request within `run.left()` and return the answer, whatever its status.

    No redirect is followed and nothing is tried again. Raises ConnectionBroken, NotThisProtocol for a
    peer that speaks no HTTP, ProxyFailed, LocalTlsFile.
    """
    proxy = find_proxy(wanted.proxy, wanted.scheme, wanted.endpoint)
    if proxy is None:
        return await _directly(run, wanted)
    if wanted.scheme == "https":
        return await _converse(run, _Exchange(await open_tunnel(run, proxy, wanted.endpoint), wanted))
    answer = await _converse(run, _Exchange(await reach_proxy(run, proxy, wanted.endpoint), wanted, proxy))
    if answer.status == PROXY_AUTHENTICATION_REQUIRED:
        raise ProxyFailed(proxy.origin, wanted.endpoint, proxy.endpoint, status=answer.status)
    return answer


def request_target(url: Url) -> str:
    """Return path and query of a URL as they go on the wire: as written, the fragment cut off."""
    tail = url.tail.partition("#")[0]
    return quote(tail if tail.startswith("/") else f"/{tail}", safe="/%?:@!$&'()*+,;=~[]")


def merge_headers(*layers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of all layers; a later one replaces an earlier one whatever the case of its name."""
    merged = {name.lower(): (name, value) for layer in layers for name, value in layer.items()}
    return dict(merged.values())


async def speaks_tls(run: Run, endpoint: Endpoint) -> bool:
    """Whether a server completes a TLS handshake; its certificate is not looked at."""
    try:
        async with Stream.open(endpoint, run) as stream:
            await stream.start_tls(client_context(verify=False), "")
    except ConnectionBroken:
        return False
    return True


async def _directly(run: Run, wanted: HttpRequest) -> HttpAnswer:
    exchange = _Exchange(await connect(wanted.endpoint, run), wanted)
    try:
        return await _converse(run, exchange)
    except ConnectionBroken as error:
        mute = error.phase is Phase.GREET and not error.received and not isinstance(error.cause, TimeoutError)
        if mute and wanted.scheme == "http" and await speaks_tls(run, wanted.endpoint):
            raise NotThisProtocol(wanted.endpoint, "HTTP", _TLS_ALERT) from error
        raise


async def _converse(run: Run, exchange: _Exchange) -> HttpAnswer:
    started = time.monotonic()
    with exchange.handle() as handle:
        try:
            async with asyncio.timeout(run.left()):
                return await in_thread(exchange.perform)
        except TimeoutError as error:
            raise exchange.explain(error, time.monotonic() - started) from error
        finally:
            with suppress(OSError):  # the peer was faster
                handle.shutdown(socket.SHUT_RDWR)


class _Exchange:
    """One request and its answer on a connected socket, which it owns and closes."""

    def __init__(self, connected: socket.socket, wanted: HttpRequest, proxy: Proxy | None = None) -> None:
        connected.setblocking(True)
        self._sock: _CountedSocket | _CountedTlsSocket = _CountedSocket(fileno=connected.detach())
        self._wanted, self._proxy = wanted, proxy
        self._phase = Phase.GREET

    def handle(self) -> socket.socket:
        """Return a second handle on the connection: shutting it down ends a read that another thread waits in."""
        return self._sock.dup()

    def perform(self) -> HttpAnswer:
        """Do it all, blocking, and close the socket."""
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError

        try:
            if self._wanted.scheme == "https":
                self._start_tls()
            return self._ask()
        except (OSError, HTTPException, HTTPError) as error:
            raise self.explain(error) from error
        finally:
            self._sock.close()

    def explain(self, error: Exception, seconds: float = 0) -> ConnectionBroken | NotThisProtocol:
        """Return what an error of the socket or of urllib3 means, by how far it came and what was received."""
        endpoint, sock = self._proxy.endpoint if self._proxy else self._wanted.endpoint, self._sock
        if self._phase is Phase.GREET and sock.head[: len(_GREETING)] != _GREETING[: len(sock.head)]:
            return NotThisProtocol(endpoint, "HTTP", sock.head)
        return ConnectionBroken(endpoint, self._phase, _cause(error), received=sock.received, seconds=seconds)

    def _start_tls(self) -> None:
        context = self._wanted.tls()
        context.sslsocket_class = _CountedTlsSocket
        self._phase = Phase.TLS
        name = self._wanted.server_name or self._wanted.endpoint.host.partition("%")[0].rstrip(".")
        wrapped = context.wrap_socket(self._sock, server_hostname=name, do_handshake_on_connect=False)
        assert isinstance(wrapped, _CountedTlsSocket)
        self._sock = wrapped
        self._sock.do_handshake()
        self._phase = Phase.GREET

    def _ask(self) -> HttpAnswer:
        from urllib3.connection import HTTPConnection

        wanted = self._wanted
        connection = HTTPConnection(wanted.endpoint.host, wanted.endpoint.port)
        connection.sock = self._sock
        with suppress(ConnectionError, ssl.SSLError):  # what the peer said before it closed is still to be read
            connection.request(
                wanted.method, self._target(), body=wanted.body or None, headers=self._headers(), preload_content=False
            )
        response = connection.getresponse()
        self._phase = Phase.QUERY
        try:
            return HttpAnswer(response.status, response.headers, response.read(MAX_BODY))
        finally:
            response.close()

    def _target(self) -> str:
        """Return the request target; a proxy wants the absolute form (RFC 9112, 3.2.2)."""
        wanted = self._wanted
        return f"{wanted.scheme}://{wanted.authority}{wanted.target}" if self._proxy else wanted.target

    def _headers(self) -> dict[str, str]:
        own = {"Host": self._wanted.authority, "User-Agent": f"startupctl/{__version__}", "Connection": "close"}
        return merge_headers(own, self._proxy.headers() if self._proxy else {}, self._wanted.headers)


class _Counted:
    """Remembers how many bytes a socket received and how they began."""

    received = 0
    head = b""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive and count."""
        count: int = super().recv_into(buffer, nbytes or 0, flags)  # type: ignore[misc]
        if len(self.head) < _HEAD:
            self.head += bytes(memoryview(buffer)[:count])[: _HEAD - len(self.head)]
        self.received += count
        return count


class _CountedSocket(_Counted, socket.socket):
    """A plain connection."""


class _CountedTlsSocket(_Counted, ssl.SSLSocket):
    """A connection inside TLS."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive; Python 3.11 wraps a socket that was reset already, looks by this call and leaks it."""
        try:
            return super().recv(buflen, flags)
        except ConnectionResetError:
            self.close()
            raise


def _cause(error: Exception) -> Exception:
    """Return the socket's own error; what http.client and urllib3 add to it is that the answer ended early."""
    from http.client import RemoteDisconnected

    inner = error if isinstance(error, OSError) else error.__cause__
    return inner if isinstance(inner, OSError) and not isinstance(inner, RemoteDisconnected) else EOFError()
