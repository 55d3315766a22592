"""Variables that Kubernetes sets for a Service of the same name: they look like ours and are not."""

from __future__ import annotations

import re

# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_NAME = re.compile(r"_SERVICE_(HOST|PORT)|_PORT(_|$)")
_VALUE = re.compile(r"(tcp|udp|sctp)://")


def is_injected(name: str, value: str) -> bool:
    """Whether Kubernetes set this variable for a Service that happens to have such a name."""
    return bool(_VALUE.match(value) or _NAME.search(name))
