"""One HTTP exchange on a connected socket, blocking: urllib3 speaks, the socket remembers how far it came."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from startupctl import __version__
from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.threads import load
from startupctl.wire.http_message import HttpAnswer, merge_headers

if TYPE_CHECKING:
    from startupctl.wire.http_message import HttpRequest
    from startupctl.wire.proxy import Proxy

MAX_BODY = 1 << 20
_HEAD = 64
_GREETING = b"HTTP/"


class Exchange:
    """One request and its answer on a connected socket, which it owns and closes."""

    def __init__(self, connected: socket.socket, wanted: HttpRequest, proxy: Proxy | None = None) -> None:
        connected.setblocking(True)
        self._sock: _CountedSocket | _CountedTlsSocket = _CountedSocket(fileno=connected.detach())
        self._wanted, self._proxy = wanted, proxy
        self._phase = Phase.GREET

    def handle(self) -> socket.socket:
        """Return a second handle on the connection: shutting it down ends a read that another thread waits in."""
        try:
            return self._sock.dup()
        except OSError as error:  # no descriptor is left
            self._sock.close()
            raise self.explain(error) from error

    def perform(self) -> HttpAnswer:
        """Do it all, blocking, and close the socket."""
        from http.client import HTTPException

        load("urllib3.connection")
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
        count: int = super().recv_into(buffer, nbytes or 0, flags)  # type: ignore[misc]  # of the socket class beside it
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
