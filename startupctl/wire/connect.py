"""Connecting: the name, the addresses, and a race of connects while nothing answers."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.addresses import Endpoint
    from startupctl.check import Run

STAGGER = 0.2  # seconds between connects while none is answered: a dropped SYN is re-sent only after 1, 3, 7 s
IN_FLIGHT = 3
QUEUE_POLL = 0.025  # seconds between looks at the full queue of a unix socket
MAX_SOCKET_PATH = 107  # bytes; sun_path of unix(7)

ANSWERED = (0, errno.EISCONN)
PENDING = (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN)

Address = tuple[int, Any]  # address family and the sockaddr of that family


async def connect(endpoint: Endpoint, run: Run) -> socket.socket:
    """Return a connected non-blocking socket, or raise ConnectionBroken (phase resolve or connect).

    While nothing answers a new connect is started every 200 ms, at most three in flight: the first
    stays, for peers that are far away, the younger ones replace each other.
    """
    started = time.monotonic()
    end = min(run.deadline, started + run.connect_timeout)
    addresses = [_socket_file(endpoint, run)] if endpoint.path else await _resolve(endpoint, end)
    try:
        return await _Race(addresses, end).winner()
    except OSError as error:
        raise ConnectionBroken(endpoint, Phase.CONNECT, error, seconds=time.monotonic() - started) from error


async def _resolve(endpoint: Endpoint, end: float) -> list[Address]:
    literal = _literal(endpoint)
    if literal:
        return [literal]
    started = time.monotonic()
    try:
        async with asyncio.timeout(max(0.0, end - started)):
            found = await in_thread(socket.getaddrinfo, endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # a name that cannot be sent to a resolver is a ValueError
        raise ConnectionBroken(endpoint, Phase.RESOLVE, error, seconds=time.monotonic() - started) from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _socket_file(endpoint: Endpoint, run: Run) -> Address:
    path = str(run.folder / endpoint.path)
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:  # Python's own error for it has no errno
        raise ConnectionBroken(endpoint, Phase.CONNECT, OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)))
    return socket.AF_UNIX, path


def _literal(endpoint: Endpoint) -> Address | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, endpoint.host)
            return family, (endpoint.host, endpoint.port)
    return None


class _Race:
    """The connects of one attempt: each address is tried, then again in turn, until one is answered."""

    def __init__(self, addresses: list[Address], end: float) -> None:
        self._addresses, self._end = addresses, end
        self._flying: list[asyncio.Task[socket.socket]] = []
        self._error: OSError = TimeoutError("no address answered")

    async def winner(self) -> socket.socket:
        """Return the first socket that is connected; raises an error when every address refused."""
        try:
            for number, address in enumerate(itertools.cycle(self._addresses), 1):
                connected = self._start(address) or await self._wait(untried=number < len(self._addresses))
                if connected:
                    return connected
                if not self._flying and number >= len(self._addresses):
                    break
        finally:
            _drop(*self._flying)
        raise self._error

    def _start(self, address: Address) -> socket.socket | None:
        """Begin a connect; return the socket when it is answered at once, as on this machine it mostly is."""
        try:
            sock = _open(address[0])
        except OSError as error:
            self._keep(error)
            return None
        number = _begin(sock, address)
        if number in ANSWERED:
            return sock
        if number in PENDING:
            self._flying.append(asyncio.ensure_future(_finish(sock, address)))
        else:
            sock.close()
            self._keep(OSError(number, os.strerror(number)))
        if len(self._flying) > IN_FLIGHT:
            _drop(self._flying.pop(1))
        return None

    async def _wait(self, *, untried: bool) -> socket.socket | None:
        """Return a connected socket, or None when it is time to start another connect."""
        while self._flying:
            left = self._end - time.monotonic()
            done, _ = await asyncio.wait(
                self._flying, timeout=max(0.0, min(STAGGER, left)), return_when=asyncio.FIRST_COMPLETED
            )
            for connected in self._landed(done):
                return connected
            if left <= 0:
                raise TimeoutError
            if untried or not done:
                return None
        return None

    def _landed(self, done: set[asyncio.Task[socket.socket]]) -> Iterator[socket.socket]:
        for task in done:
            self._flying.remove(task)
            error = task.exception()
            if error is None:
                yield task.result()
            elif isinstance(error, OSError):
                self._keep(error)
            else:
                raise error

    def _keep(self, error: OSError) -> None:
        """Keep the error that tells most: one address that refuses says more than another without a route."""
        if self._error.errno != errno.ECONNREFUSED:
            self._error = error


def _open(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _begin(sock: socket.socket, address: Address) -> int:
    """Begin to connect and return the errno; asked twice, for a loopback peer has answered by then."""
    number = sock.connect_ex(address[1])
    return sock.connect_ex(address[1]) if number == errno.EINPROGRESS else number


async def _finish(sock: socket.socket, address: Address) -> socket.socket:
    """Wait for a connect that has begun; the loop's own sock_connect takes it from there."""
    family, place = address
    try:
        if family == socket.AF_UNIX:
            await _queue(sock, place)
        else:
            await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


async def _queue(sock: socket.socket, place: str) -> None:
    """Ask again and again: a unix socket whose queue is full says EAGAIN, and no event tells when it no longer is."""
    while True:
        with suppress(BlockingIOError):
            return sock.connect(place)
        await asyncio.sleep(QUEUE_POLL)


def _drop(*tasks: asyncio.Task[socket.socket]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().close()  # two connects were answered in the same moment
        task.cancel()
