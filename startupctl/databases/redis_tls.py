"""TLS towards a Redis or Valkey server: why a server closes or stays silent."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.wire.resp import RedisError, Resp
from startupctl.wire.stream import Stream

if TYPE_CHECKING:
    from startupctl.addresses import Endpoint
    from startupctl.check import Run

LISTEN = 1.0  # seconds


async def speaks_plain(endpoint: Endpoint, run: Run) -> bool:
    """Whether PING is answered without TLS: such a server waits in silence for the end of a TLS greeting."""
    try:
        async with Stream.open(endpoint, run) as stream:
            await Resp(stream).call("PING")
    except RedisError:
        return True
    except (ConnectionBroken, NotThisProtocol):
        return False
    return True


async def late_alert(endpoint: Endpoint, run: Run, context: ssl.SSLContext) -> ConnectionBroken | None:
    """Connect again, say nothing and return the alert that comes, None when none does.

    In TLS 1.3 a missing client certificate is refused after the client's handshake has ended (RFC 8446,
    4.4.2.4); when the client has sent a command by then, the reset of the connection overtakes the alert.
    """
    try:
        async with Stream.open(endpoint, run) as stream, asyncio.timeout(min(LISTEN, run.left() / 2)):
            await stream.start_tls(context, endpoint.host)
            await stream.read_some(1)
    except TimeoutError:
        return None
    except ConnectionBroken as error:
        return error if isinstance(error.cause, ssl.SSLError) else None
    return None
