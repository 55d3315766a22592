"""What a Redis or Valkey server answers as a diagnosis, with its names and numbers."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from startupctl import network_codes
from startupctl.databases import redis_signals as signals
from startupctl.databases.redis_state import State
from startupctl.diagnosis import Diagnosis, Phase
from startupctl.failures import NotThisProtocol
from startupctl.wire.resp import RedisError

if TYPE_CHECKING:
    from startupctl.databases.redis_place import Place
    from startupctl.diagnosis import Code

MAX_SAID = 200  # characters kept of an error answer; protected mode explains itself in 900


def explain(error: BaseException, place: Place) -> Diagnosis | None:
    """Classify error answers and answers that are no Redis'."""
    if isinstance(error, RedisError):
        return refused(error, place)
    if isinstance(error, NotThisProtocol):
        return foreign(error, place)
    return None


def refused(error: RedisError, place: Place, state: State = State()) -> Diagnosis:  # noqa: B008  (a constant)
    """Classify an error answer."""
    return Diagnosis(
        signals.code_of(error),
        facts_of(place, state) | {"command": error.command.lower()},
        said=textwrap.shorten(error.text, MAX_SAID, placeholder=" ..."),  # between words: no half secrets
        phase=Phase.AUTH if error.command in ("AUTH", "SELECT") else Phase.QUERY,
        signal=error.word,
        retry_after=state.next_look,
    )


def seen(code: Code, place: Place, state: State, **facts: Any) -> Diagnosis:
    """Return a diagnosis of what the server says of itself."""
    return Diagnosis(code, facts_of(place, state) | facts, phase=Phase.QUERY)


def foreign(error: NotThisProtocol, place: Place) -> Diagnosis:
    """Classify bytes that are no RESP."""
    if error.looks_like == "TLS":
        return mixed_up(network_codes.TLS_REQUIRED, "it answers with a TLS alert", place)
    facts = facts_of(place) | {"looks_like": error.looks_like}
    return Diagnosis(signals.NOT_REDIS, facts, phase=Phase.GREET)


def mixed_up(code: Code, signal: str, place: Place) -> Diagnosis:
    """Return the diagnosis of TLS where there is none, or of none where there is TLS."""
    turn = "on" if code is network_codes.TLS_REQUIRED else "off"
    advice = f"turn TLS {turn}: `{'rediss' if turn == 'on' else 'redis'}://` in the URL, or the key `tls`"
    return Diagnosis(code, facts_of(place) | {"signal": signal}, phase=Phase.TLS, signal=signal, advice=advice)


def facts_of(place: Place, state: State = State()) -> dict[str, Any]:  # noqa: B008  (a constant)
    """Return the names and numbers that diagnoses show."""
    return {
        "endpoint": str(place.endpoint),
        "user": place.user or "default",
        "db": place.database,
        "role": state.role or "replica",
        "link": "up" if state.link_up else "down",
        "master": state.master,
        "progress": state.progress,
        "used": state.number("used_memory"),
        "limit": state.number("maxmemory"),
        "policy": state.info.get("maxmemory_policy", "unknown"),
        "slots": "not all",
    }
