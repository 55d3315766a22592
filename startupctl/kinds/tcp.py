"""The kind `tcp`: an address that accepts connections, and keeps them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pydantic import Field

from startupctl.addresses import Endpoint
from startupctl.check import Check, Facts
from startupctl.wire.stream import Stream

if TYPE_CHECKING:
    from startupctl.check import Run

LINGER = (0.008, 0.2)  # seconds, at the least and at the most
ROUND_TRIPS = 2  # a balancer closes when the connect has reached it: a round trip after we hear of it


class Tcp(Check):
    """A connection can be made and is not closed at once; nothing is said about what speaks there."""

    address: Endpoint = Field(description="`host:port`, `[::1]:80` or `unix:/path`")

    @property
    def target(self) -> str:
        """The address."""
        return str(self.address)

    async def check(self, run: Run) -> Facts:
        """Connect, and see whether the peer closes or resets at once."""
        started = time.monotonic()
        async with Stream.open(self.address, run) as stream:
            least, most = LINGER
            seconds = max(least, ROUND_TRIPS * (time.monotonic() - started))
            await _stays_open(stream, min(seconds, most, run.left() / 2))
            return {"peer": stream.peer}


async def _stays_open(stream: Stream, seconds: float) -> None:
    """Return when the peer sends something or stays silent; raises ConnectionBroken when it closes."""
    try:
        async with asyncio.timeout(seconds):
            await stream.read_some(1)
    except TimeoutError:
        return
