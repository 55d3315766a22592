"""A lock that is a lease: whoever holds it shows life, and who shows none for too long loses it to the next.

The clock is the server's. A lease that has run out is not prolonged any more, not by its own holder
either: from then on another may take it, and both would go on.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple, Protocol

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.ledger import this_process
from startupctl.migrations.lock import HeldLock, Holder, kept, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from startupctl.check import Run

LENGTH = 30_000  # milliseconds without a sign of life until it is free
TRY = 10.0  # seconds a sign of life is tried again for: the lease outlives a broken connection
PAUSE = 0.5  # seconds between two tries


class Claim(NamedTuple):
    """Who has a lease, as it is written down; `token` tells it from every other one, times are in milliseconds."""

    token: str
    name: str
    since: int
    seen: int
    length: int

    def is_over(self, now: int) -> bool:
        """Whether another may take it."""
        return now - self.seen > self.length

    def holder(self, now: int) -> Holder:
        """Return the holder in words."""
        since = datetime.fromtimestamp(self.since / 1000, UTC).isoformat(sep=" ", timespec="seconds")
        silent = max(0.0, (now - self.seen) / 1000)
        return Holder(self.name or "somebody", since, silent, token=self.token)


class Looking(Protocol):
    """Where one lease is written down."""

    async def look(self) -> tuple[Claim | None, int]:
        """Return who has it, None when it is free, and the time of the server."""


class Leases(Looking, Protocol):
    """Where one lease is written down and changed, so that of two that change it at once one fails."""

    label: str

    async def swap(self, old: Claim | None, new: Claim | None) -> bool:
        """Put one claim in the place of another, None is free; False when `old` is no longer there."""


@asynccontextmanager
async def leased(leases: Leases, run: Run, patience: float) -> AsyncIterator[HeldLock]:
    """Hold a lease; `patience` is in seconds, 0 without limit. Raises Unhealthy (LCK001, LCK002) and StatementFailed."""
    token, one_at_a_time = token_hex(8), asyncio.Lock()

    async def beat() -> None:
        async with one_at_a_time:
            await _beat(leases, token)

    try:
        waited = await wait_for(partial(_take, leases, token), run, patience)
        async with kept(HeldLock(leases.label, waited, beat)) as held:
            yield held
    finally:  # also when waiting was broken off: it may just have been taken
        with suppress(StatementFailed):
            await _release(leases, token)


async def holder_of(leases: Looking) -> Holder | None:
    """Return who has the lease, None when it is free."""
    claim, now = await leases.look()
    return claim.holder(now) if claim else None


async def break_lease(leases: Leases, holder: Holder) -> bool:
    """Free the lease if this holder still has it; return whether it had."""
    claim, _ = await leases.look()
    return claim is not None and claim.token == holder.token and await leases.swap(claim, None)


async def _take(leases: Leases, token: str) -> Holder | None:
    """Try to take it; return who else has it. Whether a swap worked is seen by looking: its answer may get lost."""
    claim, now = await leases.look()
    if claim is None or claim.is_over(now):
        await leases.swap(claim, Claim(token, this_process(), now, now, LENGTH))
        claim, now = await leases.look()
    if claim is None:
        return Holder("somebody", silent=0.0)  # it was freed in this moment
    return None if claim.token == token else claim.holder(now)


async def _beat(leases: Leases, token: str) -> None:
    """Show life; a server that cannot be reached is asked again, for the lease goes on meanwhile."""
    end = time.monotonic() + TRY
    said = "it could not be prolonged"
    while time.monotonic() < end:
        try:
            if await _show_life(leases, token):
                return
        except StatementFailed as error:
            said = error.said
            if error.failure is FailureClass.PERMANENT:
                break
        await asyncio.sleep(PAUSE)
    raise ConnectionError(said)


async def _show_life(leases: Leases, token: str) -> bool:
    """Prolong the lease; raises ConnectionError when it is over, False when it changed meanwhile."""
    claim, now = await leases.look()
    if claim is None or claim.token != token:
        raise ConnectionError(f"the lease ended, it is held by {claim.holder(now) if claim else 'nobody'}")
    if claim.is_over(now):
        raise ConnectionError(f"the lease ended, this process showed no life for {(now - claim.seen) / 1000:.0f} s")
    return await leases.swap(claim, claim._replace(seen=now))


async def _release(leases: Leases, token: str) -> None:
    claim, _ = await leases.look()
    if claim and claim.token == token:
        await leases.swap(claim, None)
