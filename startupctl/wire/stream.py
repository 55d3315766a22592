"""A connection that remembers how far it came: resolving, connecting, TLS, and reads bounded by the attempt."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken
from startupctl.fields import Endpoint
from startupctl.threads import in_thread

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable
    from typing import TypeVar

    from startupctl.check import Run

    T = TypeVar("T")

STAGGER = 0.2  # seconds between connects while none is answered: a dropped SYN is re-sent only after 1, 3, 7 s
IN_FLIGHT = 3
MAX_LINE = 1 << 20

Address = tuple[int, Any]  # address family and the sockaddr of that family


class Stream:
    """One conversation; every error leaves as `ConnectionBroken` with the phase and the bytes received."""

    def __init__(
        self, endpoint: Endpoint, run: Run, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Wrap a connected pair; use `open` to make one."""
        self.endpoint, self.phase, self.received = endpoint, Phase.GREET, 0
        self._run, self._reader, self._writer = run, reader, writer

    @classmethod
    @asynccontextmanager
    async def open(cls, endpoint: Endpoint, run: Run) -> AsyncIterator[Stream]:
        """Connect within `run.connect_timeout` and close at the end, whatever happens."""
        connected = await connect(endpoint, run)
        reader, writer = await asyncio.open_connection(sock=connected, limit=MAX_LINE)
        stream = cls(endpoint, run, reader, writer)
        try:
            yield stream
        finally:
            stream.close()

    @property
    def encrypted(self) -> bool:
        """Whether TLS protects what is sent."""
        return self._writer.get_extra_info("ssl_object") is not None

    @property
    def tls_version(self) -> str | None:
        """The version of TLS that protects what is sent, as `TLSv1.3`; None without TLS."""
        protection = self._writer.get_extra_info("ssl_object")
        return protection.version() if protection else None

    @property
    def peer(self) -> str:
        """The address the connection ended up at, as the operating system names it."""
        address = self._writer.get_extra_info("peername")
        return str(Endpoint(*address[:2])) if isinstance(address, tuple) else str(self.endpoint)

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Turn the connection into a TLS one; the certificate is checked as the context says."""
        self.phase = Phase.TLS
        timeout = max(0.001, self._run.left())
        await self._bounded(
            self._writer.start_tls(context, server_hostname=server_name or None, ssl_handshake_timeout=timeout)
        )
        self.phase = Phase.GREET

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        self._writer.write(data)
        await self._bounded(self._writer.drain())

    async def read_exactly(self, count: int) -> bytes:
        """Read that many bytes; a peer that closes before is `ConnectionBroken` with `EOFError`."""
        return self._count(await self._bounded(self._reader.readexactly(count)))

    async def read_line(self) -> bytes:
        """Read up to and with a line feed."""
        return self._count(await self._bounded(self._reader.readuntil(b"\n")))

    async def read_some(self, limit: int = 65536) -> bytes:
        """Read what comes first, at least one byte."""
        data = await self._bounded(self._reader.read(limit))
        if not data:
            raise self._broken(EOFError())
        return self._count(data)

    def close(self) -> None:
        """Close without waiting for the peer."""
        transport = self._writer.transport
        transport.abort() if self.encrypted else transport.close()

    def _count(self, data: bytes) -> bytes:
        self.received += len(data)
        return data

    async def _bounded(self, work: Awaitable[T]) -> T:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._run.left()):
                return await work
        except asyncio.IncompleteReadError as error:
            self.received += len(error.partial)
            raise self._broken(EOFError()) from error
        except asyncio.LimitOverrunError as error:
            raise self._broken(ValueError("an endless line")) from error
        except (OSError, EOFError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            raise self._broken(error, time.monotonic() - started) from error

    def _broken(self, cause: BaseException, seconds: float = 0) -> ConnectionBroken:
        return ConnectionBroken(self.endpoint, self.phase, cause, received=self.received, seconds=seconds)


async def connect(endpoint: Endpoint, run: Run) -> socket.socket:
    """Return a connected non-blocking socket, or raise ConnectionBroken (phase resolve or connect).

    While nothing answers a new connect is started every 200 ms, at most three in flight: the first
    stays, for peers that are far away, the younger ones replace each other.
    """
    end = min(run.deadline, time.monotonic() + run.connect_timeout)
    addresses = [_socket_file(endpoint, run)] if endpoint.path else await _resolve(endpoint, end)
    try:
        return await _race(addresses, end)
    except OSError as error:
        seconds = run.connect_timeout if isinstance(error, TimeoutError) else 0
        raise ConnectionBroken(endpoint, Phase.CONNECT, error, seconds=seconds) from error


async def _resolve(endpoint: Endpoint, end: float) -> list[Address]:
    literal = _literal(endpoint)
    if literal:
        return [literal]
    try:
        async with asyncio.timeout(max(0.0, end - time.monotonic())):
            found = await in_thread(socket.getaddrinfo, endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectionBroken(endpoint, Phase.RESOLVE, error) from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _socket_file(endpoint: Endpoint, run: Run) -> Address:
    return socket.AF_UNIX, str(run.folder / endpoint.path)


def _literal(endpoint: Endpoint) -> Address | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, endpoint.host)
        except (OSError, ValueError):
            continue
        return family, (endpoint.host, endpoint.port)
    return None


async def _race(addresses: list[Address], end: float) -> socket.socket:
    flying: list[asyncio.Task[socket.socket]] = []
    error: OSError = TimeoutError("no address answered")
    try:
        for tried, address in enumerate(itertools.cycle(addresses), 1):
            flying.append(asyncio.ensure_future(_dial(address)))
            if len(flying) > IN_FLIGHT:
                _drop(flying.pop(1))
            while flying:
                left = end - time.monotonic()
                done, _ = await asyncio.wait(
                    flying, timeout=max(0.0, min(STAGGER, left)), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    flying.remove(task)
                    if task.exception() is None:
                        return task.result()
                    error = _as_os_error(task.exception())
                if left <= 0:
                    raise TimeoutError
                if not done or tried < len(addresses):
                    break
            if not flying and tried >= len(addresses):
                raise error
    finally:
        _drop(*flying)
    raise error


async def _dial(address: Address) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


def _drop(*tasks: asyncio.Task[socket.socket]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().close()  # two connects were answered in the same moment
        task.cancel()


def _as_os_error(error: BaseException | None) -> OSError:
    return error if isinstance(error, OSError) else OSError(str(error))
