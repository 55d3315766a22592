"""Which servers a `NO_PROXY` list exempts from the proxy."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from startupctl.addresses import split_host_port

if TYPE_CHECKING:
    from startupctl.addresses import Endpoint


def is_exempt(wanted: Endpoint, entries: str) -> bool:
    """Whether a `NO_PROXY` list names a server.

    An entry is `*`, a host, a suffix (with or without a leading dot), either with a port, or a network
    such as 10.0.0.0/8.
    """
    return any(_names(entry.lower(), wanted) for entry in re.split(r"[,\s]+", entries) if entry)


def _names(entry: str, wanted: Endpoint) -> bool:
    host = wanted.host.lower().rstrip(".")
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(entry, host)
    name, port = _host_and_port(entry)
    suffix = name.removeprefix("*").strip(".")
    return port in (None, wanted.port) and bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _host_and_port(entry: str) -> tuple[str, int | None]:
    with suppress(ValueError):
        return split_host_port(entry)
    return entry, None  # an IPv6 address without brackets


def _in_network(entry: str, host: str) -> bool:
    import ipaddress

    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    return False
