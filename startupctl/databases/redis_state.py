"""What a Redis or Valkey server says of itself: INFO, ROLE and CLUSTER INFO."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from startupctl.addresses import Endpoint
from startupctl.wire.resp import RedisError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from startupctl.check import Facts
    from startupctl.wire.resp import Command, Resp

ASKED: tuple[Command, ...] = (("INFO",), ("ROLE",))
MAX_WAIT = 5.0  # seconds between two looks at a server that loads: its estimate is rough


class State(NamedTuple):
    """The answers; both are empty when the user may not ask."""

    info: Mapping[str, str] = MappingProxyType({})
    told_role: str = ""

    @property
    def version(self) -> str:
        """The server's own version; Valkey also claims to be a Redis 7.2.4."""
        return self.info.get("valkey_version") or self.info.get("redis_version", "")

    @property
    def role(self) -> str:
        """`master`, `replica`, `sentinel`, or empty when it is not known."""
        role = self.told_role or self.info.get("role", "")
        return "replica" if role == "slave" else role

    @property
    def master(self) -> str:
        """Where the master of a replica is."""
        host, port = self.info.get("master_host"), self.info.get("master_port")
        return str(Endpoint(host, int(port))) if host and port else "address unknown"

    @property
    def link_up(self) -> bool:
        """Whether a replica follows its master; a link that is down may be a failover going on."""
        return self.info.get("master_link_status", "up") == "up"

    @property
    def full(self) -> bool:
        """Whether writes that need memory are refused."""
        limit = self.number("maxmemory")
        return bool(limit) and self.number("used_memory") > limit and self.info["maxmemory_policy"] == "noeviction"

    @property
    def clustered(self) -> bool:
        """Whether the server is a node of a cluster."""
        return self.info.get("cluster_enabled") == "1"

    @property
    def percent(self) -> int:
        """How much of its data set a server that loads has read."""
        return int(float(self.info.get("loading_loaded_perc", 0)))

    @property
    def progress(self) -> str:
        """How far the loading is, in words."""
        percent, eta = self.info.get("loading_loaded_perc"), self.number("loading_eta_seconds")
        return f"{percent} % done, about {eta} s left" if percent else "it does not say how far it is"

    @property
    def next_look(self) -> float | None:
        """Seconds after which a look makes sense while it loads: half of what it estimates, at most 5."""
        eta = self.number("loading_eta_seconds")
        return min(eta / 2, MAX_WAIT) if eta > 1 else None

    @property
    def facts(self) -> Facts:
        """What a report keeps of it."""
        facts: Facts = {"server": self.info.get("server_name", "redis"), "version": self.version} if self.info else {}
        if self.role:
            facts["role"] = self.role
        mode = self.info.get("server_mode") or self.info.get("redis_mode")  # Valkey's name and Redis'
        if mode:
            facts["mode"] = mode
        return facts | {name: self.number(name) for name in ("used_memory", "maxmemory") if name in self.info}

    def number(self, name: str) -> int:
        """Return a whole number of INFO, 0 where there is none."""
        text = self.info.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else 0


async def read_state(resp: Resp) -> State:
    """Read the answers to `ASKED`; an error answer means the user may not ask, or that it is too early."""
    info, role = await _answer_or_none(resp), await _answer_or_none(resp)
    told_role = role[0] if isinstance(role, list) and role else ""
    return State(read_info(info), told_role if isinstance(told_role, str) else "")


async def slots_served(resp: Resp) -> int | None:
    """Return how many slots a cluster that is not ready serves, None when it is ready or may not be asked."""
    await resp.send(("CLUSTER", "INFO"))
    cluster = State(read_info(await _answer_or_none(resp)))
    return None if cluster.info.get("cluster_state", "ok") == "ok" else cluster.number("cluster_slots_ok")


def read_info(answer: object) -> dict[str, str]:
    """Read the `name:value` lines of an INFO answer; headings and what is no text give nothing."""
    lines = answer.splitlines() if isinstance(answer, str) else []
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


async def _answer_or_none(resp: Resp) -> object:
    try:
        return await resp.answer()
    except RedisError:
        return None
