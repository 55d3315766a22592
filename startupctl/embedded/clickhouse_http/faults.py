"""Faults that a test injects: the next queries hang, break off or are refused."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from startupctl.embedded.clickhouse_http.refusal import Refusal

if TYPE_CHECKING:
    from startupctl.embedded.clickhouse_http.engine import Engine

KINDS = ("none", "hang", "slow", "rst", "drop", "truncate", "status", "code")


class BrokenOff(Exception):
    """The connection is to be closed without an answer."""


class WrongStatus(Exception):
    """The query is to be answered as something before the server would, with this status."""

    def __init__(self, status: int) -> None:
        """Keep the HTTP status."""
        self.status = status
        super().__init__(str(status))


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault; `argument` is seconds, an HTTP status or an error number."""

    kind: str
    argument: str = ""


class Faults:
    """What happens to the next queries."""

    def __init__(self, engine: Engine) -> None:
        """Begin without a fault; the engine knows the names of error numbers."""
        self._engine = engine
        self._guard = threading.Lock()
        self._fault = Fault("none")
        self._left = 0

    def inject(self, arguments: str) -> None:
        """Read `kind=…&arg=…&count=…`; raises Refusal for a kind that does not exist."""
        given = {key: values[0] for key, values in parse_qs(arguments).items()}
        if given.get("kind") not in KINDS:
            raise Refusal.of(36, "BAD_ARGUMENTS", f"Unknown fault, use one of {', '.join(KINDS)}")
        with self._guard:
            self._fault = Fault(given["kind"], given.get("arg", ""))
            self._left = int(given.get("count", 1))

    def strike(self, connection: socket.socket) -> bool:
        """Let the fault act on one query; return whether its answer is to be cut.

        Raises BrokenOff, WrongStatus or Refusal.
        """
        fault = self._next()
        if fault.kind in ("hang", "slow"):
            time.sleep(float(fault.argument))
        if fault.kind == "rst":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault.kind in ("hang", "rst", "drop"):
            raise BrokenOff
        if fault.kind == "status":
            raise WrongStatus(int(fault.argument))
        if fault.kind == "code":
            number = int(fault.argument)
            raise Refusal.of(number, self._engine.ask(f"SELECT errorCodeToName({number})"), "injected fault")
        return fault.kind == "truncate"

    def _next(self) -> Fault:
        with self._guard:
            if not self._left:
                return Fault("none")
            self._left -= 1
            return self._fault
