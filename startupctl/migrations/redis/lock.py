"""The lock of a Redis or Valkey database: a key with an expiry, a lease that its holder prolongs.

It is the weaker of the two that can be lent: a holder that stands still for longer than the lease may
find that another has begun. A crash frees it when the lease ends, at most 30 seconds later.
https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/#correct-implementation-with-a-single-instance
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING

from startupctl.check import Unhealthy
from startupctl.databases.redis_bootstrap_codes import WRONG_TYPE
from startupctl.databases.redis_diagnosis import facts_of, refused
from startupctl.databases.redis_signals import PERMISSION_DENIED
from startupctl.diagnosis import Diagnosis
from startupctl.failures import ConnectionBroken
from startupctl.migrations.ledger import this_process
from startupctl.migrations.lock import HeldLock, Holder, kept, wait_for
from startupctl.wire.resp import RedisError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from startupctl.check import Run
    from startupctl.databases.redis_session import RedisSession

LABEL = "redis lease"
KEY = "startupctl:lock"
LEASE = 30.0  # seconds without a sign of life until it is free
TRY = 10.0  # seconds a sign of life is tried again for: the lease outlives a broken connection
PAUSE = 0.5  # seconds between two tries
RULES = "+set +get +pttl +eval +pexpire +del ~startupctl:*"

_PROLONG = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_DELETE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@asynccontextmanager
async def redis_lock(session: RedisSession, run: Run, patience: float) -> AsyncIterator[HeldLock]:
    """Hold the lock of a database; `patience` is in seconds, 0 without limit.

    Raises Unhealthy (LCK001, LCK002, RDS011 and what other answers mean) and ConnectionBroken.
    """
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    token = f"{token_hex(8)} {this_process()} {now}"
    try:
        waited = await wait_for(partial(_take, session, token), run, patience)
        async with kept(HeldLock(LABEL, waited, partial(_beat, session, token))) as held:
            yield held
    finally:  # also when waiting was broken off: it may just have been taken
        with suppress(RedisError, ConnectionBroken):
            await release(session, token)


async def holder_of(session: RedisSession) -> Holder | None:
    """Return who holds the lock, with its token; None when it is free. Raises RedisError and ConnectionBroken."""
    token, left = await session.call("GET", KEY), await session.call("PTTL", KEY)
    if token is None:
        return None
    name, _, since = token.partition(" ")[2].partition(" ")
    silent = max(0.0, LEASE - left / 1000) if left >= 0 else None
    return Holder(name or "somebody", since, silent, token=token)


async def release(session: RedisSession, token: str) -> bool:
    """Remove the lock if it is still the one of this token; return whether it was.

    The token is our own, or that of a holder who left it behind. Raises RedisError and ConnectionBroken.
    """
    return bool(await session.call("EVAL", _DELETE, 1, KEY, token))


async def _take(session: RedisSession, token: str) -> Holder | None:
    """Try to take the lock; return who else has it."""
    try:
        if await session.call("SET", KEY, token, "NX", "PX", _milliseconds(LEASE)):
            return None
        holder = await holder_of(session)
    except RedisError as error:
        raise Unhealthy(_refusal(error, session)) from error
    if holder is None:
        return Holder("somebody", silent=0.0)  # it was freed in this moment
    return None if holder.token == token else holder


async def _beat(session: RedisSession, token: str) -> None:
    """Prolong the lease; a server that cannot be reached is asked again, for the lease goes on meanwhile."""
    end = time.monotonic() + TRY
    while True:
        try:
            if await session.call("EVAL", _PROLONG, 1, KEY, token, _milliseconds(LEASE)):
                return
            holder = await holder_of(session)
        except (RedisError, ConnectionBroken) as error:
            if time.monotonic() >= end:
                raise ConnectionError(str(error)) from error
            await asyncio.sleep(PAUSE)
        else:
            raise ConnectionError(f"the lease ended, it is held by {holder or 'nobody'}")


def _refusal(error: RedisError, session: RedisSession) -> Diagnosis:
    place = session.place
    if error.word == "WRONGTYPE":
        facts = {"key": KEY, "found": "key of another type", "wanted": "string"}
        return Diagnosis(WRONG_TYPE, facts_of(place) | facts)
    found = refused(error, place)
    advice = f"run `ACL SETUSER {place.user or 'default'} {RULES}` on the server"
    said = f"for the lock: {found.said}"
    return replace(found, said=said, advice=advice if found.code is PERMISSION_DENIED else "")


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
