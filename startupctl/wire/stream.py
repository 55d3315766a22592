"""A connection that remembers how far it came: TLS, and reads bounded by the attempt."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from startupctl.addresses import Endpoint
from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken
from startupctl.wire.connect import connect
from startupctl.wire.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable
    from typing import TypeVar

    from startupctl.check import Run

    T = TypeVar("T")

MAX_LINE = 1 << 20
HANDSHAKE = 1.0  # seconds


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
        timeout = self._run.left() + 1  # asyncio's own would call a mute peer an aborted connection
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
        """Close without waiting for the peer, who may not read what is still to be sent."""
        transport = self._writer.transport
        unsent = transport.get_write_buffer_size()
        transport.abort() if self.encrypted or unsent else transport.close()

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


async def speaks_tls(endpoint: Endpoint, run: Run) -> bool:
    """Whether a server completes a TLS handshake within a second; its certificate is not looked at.

    Such a server resets, or answers with nothing, a client that speaks plain text.
    """
    try:
        async with asyncio.timeout(HANDSHAKE), Stream.open(endpoint, run) as stream:
            await stream.start_tls(client_context(verify=False), endpoint.host)
    except (ConnectionBroken, TimeoutError):
        return False
    return True
