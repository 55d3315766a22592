"""Messages of the PostgreSQL protocol 3.0: how they are framed, and the error among them.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, NamedTuple

from startupctl.failures import ConnectionBroken, NotThisProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from startupctl.diagnosis import Phase
    from startupctl.wire.stream import Stream

Row = tuple[str | None, ...]

PROTOCOL = 196608  # 3.0
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
TERMINATE = b"X\0\0\0\4"
OLD_ERROR_LENGTH = 30000  # libpq takes a longer error for the text of one before 7.4 or of a failed fork
SHORTEST = 4  # bytes: the length counts itself
PEEK = 0.05  # seconds to wait for more of an answer that is no PostgreSQL


class Expected(NamedTuple):
    """What may come now: the kinds of messages, and their length in bytes."""

    kinds: frozenset[int]
    limit: int


GREETING = Expected(frozenset(b"EKNRSZv"), 1 << 16)  # before the server is ready
ANSWER = Expected(frozenset(b"123ACDEGHINSTVWZcdnst"), 1 << 26)


class PgError(Exception):
    """An ErrorResponse of the server, by its fields.

    `sqlstate` is empty for the plain text that a server sends when it cannot fork. `severity` is not
    localised (`FATAL`, `ERROR`); `routine` is the server's C function, the one thing that tells
    apart errors of the same SQLSTATE in any language. `asked`: the server had asked for a password
    before, or taken the role without one; `encrypted`: TLS protected the connection.
    """

    def __init__(
        self, fields: Mapping[str, str], *, phase: Phase | None = None, asked: bool = False, encrypted: bool = False
    ) -> None:
        """Keep the fields under their names in the manual."""
        self.fields, self.phase, self.asked, self.encrypted = dict(fields), phase, asked, encrypted
        self.sqlstate = fields.get("C", "")
        self.message = fields.get("M", "")
        self.detail = fields.get("D", "")
        self.severity = fields.get("V") or fields.get("S", "")
        self.routine = fields.get("R", "")
        super().__init__(f"{self.sqlstate} {self.message}".strip())

    @property
    def ends_session(self) -> bool:
        """Whether the server closes the connection after it."""
        return self.severity in ("FATAL", "PANIC")


def startup_packet(parameters: Mapping[str, str]) -> bytes:
    """Return the first packet: the protocol version and the parameters of the session."""
    body = struct.pack("!i", PROTOCOL) + b"".join(cstring(text) for pair in parameters.items() for text in pair) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def packet(kind: bytes, body: bytes) -> bytes:
    """Return one message to the server."""
    return kind + struct.pack("!i", len(body) + 4) + body


def cstring(text: str) -> bytes:
    """Return the text as the protocol carries it; raises ValueError for one with a NUL."""
    if "\0" in text:
        raise ValueError("a text for PostgreSQL holds a NUL character")
    return text.encode() + b"\0"


def text_of(data: bytes) -> str:
    """Return text of the server; before a database is chosen it may be in any encoding."""
    return data.decode("utf-8", "replace")


async def read_message(stream: Stream, expected: Expected) -> tuple[bytes, bytes]:
    """Read one message: its kind and its body.

    Raises NotThisProtocol for bytes that are none, PgError for the bare text of a server that could
    not even fork, ConnectionBroken.
    """
    kind = await stream.read_exactly(1)
    if kind[0] not in expected.kinds:
        raise await not_postgresql(stream, kind)
    head = await stream.read_exactly(SHORTEST)
    (length,) = struct.unpack("!i", head)
    if kind == b"E" and not SHORTEST <= length <= OLD_ERROR_LENGTH:
        raise await _bare_error(stream, head)
    if not SHORTEST <= length <= expected.limit:
        raise await not_postgresql(stream, kind + head)
    return kind, await stream.read_exactly(length - SHORTEST)


def error_of(body: bytes, stream: Stream, *, asked: bool = True) -> PgError:
    """Read the body of an ErrorResponse."""
    fields = {part[:1].decode("ascii", "replace"): text_of(part[1:]) for part in body.split(b"\0") if part}
    return PgError(fields, phase=stream.phase, asked=asked, encrypted=stream.encrypted)


def row_of(body: bytes) -> Row:
    """Read the body of a DataRow, its values in text form."""
    return tuple(_values(body))


async def not_postgresql(stream: Stream, begun: bytes) -> NotThisProtocol:
    """Return the error for an answer that began like this, with a little more of it."""
    return NotThisProtocol(stream.endpoint, "PostgreSQL", begun + await _more(stream))


async def _bare_error(stream: Stream, begun: bytes) -> PgError | NotThisProtocol:
    text, end, _ = (begun + await _more(stream)).partition(b"\0")
    if not end:
        return NotThisProtocol(stream.endpoint, "PostgreSQL", b"E" + text)
    return PgError({"M": text_of(text).strip(), "V": "FATAL"}, phase=stream.phase, encrypted=stream.encrypted)


async def _more(stream: Stream) -> bytes:
    try:
        async with asyncio.timeout(PEEK):
            return await stream.read_some()
    except (TimeoutError, ConnectionBroken):
        return b""


def _values(body: bytes) -> Iterator[str | None]:
    (count,) = struct.unpack_from("!h", body)
    at = 2
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        yield None if size < 0 else text_of(body[at : at + size])
        at += max(size, 0)
