"""A logged-in conversation with a PostgreSQL server: statements and rows by the simple protocol."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.wire.pg_auth import Login
from startupctl.wire.pg_messages import (
    ANSWER,
    GREETING,
    TERMINATE,
    Expected,
    PgError,
    Row,
    cstring,
    error_of,
    packet,
    read_message,
    row_of,
    startup_packet,
)

if TYPE_CHECKING:
    from startupctl.wire.pg_target import PgTarget
    from startupctl.wire.stream import Stream


class Session(Protocol):
    """What a check needs of a connection; the speaker and the driver both have it."""

    @property
    def tls(self) -> str | bool:
        """The version of TLS where it is known, else whether there is TLS."""

    async def rows(self, sql: str) -> list[Row]:
        """Execute statements; return the rows of the last one that has any, as text. Raises PgError, ConnectionBroken."""


class DriverFailed(Exception):
    """libpq could not connect, and nothing tells why but its text."""

    def __init__(self, target: PgTarget, text: str, *, invalid: bool = False) -> None:
        """Keep the text, which is from outside; `invalid` means that libpq refused the parameters themselves."""
        self.target, self.text, self.invalid = target, text, invalid
        super().__init__(text)


class PgSession:
    """One logged-in conversation."""

    def __init__(self, stream: Stream) -> None:
        """Speak on a connected stream."""
        self._stream = stream

    @property
    def tls(self) -> str | bool:
        """The version of TLS, False without."""
        return self._stream.tls_version or False

    async def start(self, target: PgTarget) -> None:
        """Send the start-up packet and log in."""
        login = Login(target, encrypted=self._stream.encrypted)
        await self._stream.send(startup_packet(session_parameters(target)))
        while True:
            kind, body = await self._next(GREETING, asked=login.asked)
            self._stream.phase = Phase.AUTH
            if kind == b"Z":
                return
            if kind == b"R":
                await self._stream.send(await login.answer(body))

    async def rows(self, sql: str) -> list[Row]:
        """Execute statements; return the rows of the last one that has any, as text.

        Raises PgError of the first statement that failed, and ConnectionBroken.
        """
        self._stream.phase = Phase.QUERY
        await self._stream.send(packet(b"Q", cstring(sql)))
        rows: list[Row] = []
        failed: PgError | None = None
        while True:
            try:
                kind, body = await self._next(ANSWER)
            except PgError as error:
                if error.ends_session:
                    raise
                failed = error
                continue
            match kind:
                case b"T":
                    rows = []
                case b"D":
                    rows.append(self._row(body))
                case b"G":
                    await self._stream.send(packet(b"f", cstring("nothing to copy")))
                case b"Z" if failed:
                    raise failed
                case b"Z":
                    return rows

    async def terminate(self) -> None:
        """Say goodbye, so that the server does not log a lost client."""
        with suppress(ConnectionBroken):
            await self._stream.send(TERMINATE)

    async def _next(self, expected: Expected, *, asked: bool = True) -> tuple[bytes, bytes]:
        kind, body = await read_message(self._stream, expected)
        if kind == b"E":
            raise error_of(body, self._stream, asked=asked)
        return kind, body

    def _row(self, body: bytes) -> Row:
        try:
            return row_of(body)
        except struct.error:
            raise NotThisProtocol(self._stream.endpoint, "PostgreSQL", b"D" + body) from None


def session_parameters(target: PgTarget) -> dict[str, str]:
    """Return what the start-up packet says."""
    found = {
        "user": target.user,
        "database": target.database,
        "application_name": target.application_name,
        "client_encoding": "UTF8",
    }
    return {**found, "options": target.options} if target.options else found
