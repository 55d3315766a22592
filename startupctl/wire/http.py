"""One HTTP request, bounded as a whole: it runs on a thread of its own, and its connection is shut down at the deadline.

A timeout of a socket bounds each read, so a server that trickles would outlive it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.threads import in_thread
from startupctl.wire.connect import connect
from startupctl.wire.http_exchange import Exchange
from startupctl.wire.proxy import ProxyFailed, find_proxy, open_tunnel, reach_proxy
from startupctl.wire.stream import speaks_tls

if TYPE_CHECKING:
    from startupctl.check import Run
    from startupctl.wire.http_message import HttpAnswer, HttpRequest

_TLS_ALERT = b"\x15\x03"


async def request(run: Run, wanted: HttpRequest) -> HttpAnswer:
    """Send one request within `run.left()` and return the answer, whatever its status.

    No redirect is followed and nothing is tried again. Raises ConnectionBroken, NotThisProtocol for a
    peer that speaks no HTTP, ProxyFailed, LocalTlsFile.
    """
    proxy = find_proxy(wanted.proxy, wanted.scheme, wanted.endpoint)
    if proxy is None:
        return await _directly(run, wanted)
    if wanted.scheme == "https":
        return await _converse(run, Exchange(await open_tunnel(run, proxy, wanted.endpoint), wanted))
    answer = await _converse(run, Exchange(await reach_proxy(run, proxy, wanted.endpoint), wanted, proxy))
    if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise ProxyFailed(proxy.origin, wanted.endpoint, proxy.endpoint, status=answer.status)
    return answer


async def _directly(run: Run, wanted: HttpRequest) -> HttpAnswer:
    exchange = Exchange(await connect(wanted.endpoint, run), wanted)
    try:
        return await _converse(run, exchange)
    except ConnectionBroken as error:
        mute = error.phase is Phase.GREET and not error.received and not isinstance(error.cause, TimeoutError)
        if mute and wanted.scheme == "http" and await speaks_tls(wanted.endpoint, run):
            raise NotThisProtocol(wanted.endpoint, "HTTP", _TLS_ALERT) from error
        raise


async def _converse(run: Run, exchange: Exchange) -> HttpAnswer:
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
