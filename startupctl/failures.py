"""How a conversation with a server can break, as exceptions that keep the phase and the bytes seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from startupctl.addresses import Endpoint
    from startupctl.diagnosis import Phase


class ConnectionBroken(Exception):
    """A conversation ended before its purpose.

    `cause` is the operating system's, resolver's or OpenSSL's own exception, `EOFError` when the
    peer closed, `TimeoutError` when nothing came in time. `received` counts the bytes the peer had
    sent on this connection; 0 with an end or a reset is the mark of a balancer without a backend.
    """

    def __init__(
        self, endpoint: Endpoint, phase: Phase, cause: BaseException, *, received: int = 0, seconds: float = 0
    ) -> None:
        """Say where, when and why; `seconds` is how long it was waited."""
        self.endpoint, self.phase, self.cause = endpoint, phase, cause
        self.received, self.seconds = received, seconds
        super().__init__(f"{endpoint}: {phase}: {str(cause) or type(cause).__name__}")


class NotThisProtocol(Exception):
    """The peer answered with bytes of another protocol; `answer` is how they began."""

    def __init__(self, endpoint: Endpoint, wanted: str, answer: bytes) -> None:
        """Keep the first bytes: they tell what is there instead."""
        self.endpoint, self.wanted, self.answer = endpoint, wanted, answer[:64]
        super().__init__(f"{endpoint} does not speak {wanted}")

    @property
    def looks_like(self) -> str:
        """What the bytes look like, in words: `HTTP`, `TLS`, `Redis`, `PostgreSQL` or `something else`."""
        for mark, name in (
            (b"HTTP/", "HTTP"),
            (b"\x15\x03", "TLS"),
            (b"\x16\x03", "TLS"),
            (b"-ERR", "Redis"),
            (b"-NOAUTH", "Redis"),
            (b"-DENIED", "Redis"),
            (b"E\x00\x00", "PostgreSQL"),
            (b"R\x00\x00", "PostgreSQL"),
            (b"SSH-", "SSH"),
        ):
            if self.answer.startswith(mark):
                return name
        return "something else"


class LocalTlsFile(Exception):
    """A CA, certificate or key file of ours that cannot be used; `path` names it."""

    def __init__(self, path: Path, cause: Exception) -> None:
        """Keep the file and the reason."""
        self.path, self.cause = path, cause
        super().__init__(f"{path}: {cause}")
