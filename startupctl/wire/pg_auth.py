"""Logging in to PostgreSQL: SCRAM-SHA-256 (RFC 5802, 7677), MD5 and clear text.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import unicodedata
from base64 import b64decode, b64encode
from enum import IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING

from startupctl.failures import NotThisProtocol
from startupctl.threads import in_thread
from startupctl.wire.pg_messages import cstring, packet

if TYPE_CHECKING:
    from startupctl.addresses import Endpoint
    from startupctl.wire.pg_target import PgTarget

MECHANISM = "SCRAM-SHA-256"
NO_CHANNEL_BINDING = "n,,"
FEW_ROUNDS = 10_000  # of PBKDF2, some milliseconds; PostgreSQL's default is 4096


class Method(IntEnum):
    """What an authentication request asks for."""

    OK = 0
    CLEAR_TEXT = 3
    MD5 = 5
    SASL = 10
    SASL_CONTINUE = 11
    SASL_FINAL = 12


class Refusal(StrEnum):
    """Why this side ends a login."""

    NO_PASSWORD = "no-password"  # noqa: S105  (a reason)
    CLEAR_TEXT = "clear-text"
    NOT_PROVEN = "not-proven"


class LoginRefused(Exception):
    """A login that this side does not go on with; `reason` says why."""

    def __init__(self, endpoint: Endpoint, reason: Refusal) -> None:
        """Keep the reason."""
        self.endpoint, self.reason = endpoint, reason
        super().__init__(f"{endpoint}: {reason}")


class MethodUnspoken(Exception):
    """The login needs what only libpq knows: a method as GSSAPI, files of the user."""


class Login:
    """One login; `answer` takes a request of the server and returns what to send."""

    def __init__(self, target: PgTarget, *, encrypted: bool) -> None:
        """Log in to the target; `encrypted` says that TLS protects what is sent."""
        self._target, self._encrypted = target, encrypted
        self._scram: Scram | None = None
        self.asked = False

    async def answer(self, body: bytes) -> bytes:
        """Return the answer to an authentication request, empty when there is none.

        Raises LoginRefused when going on would be unsafe or impossible, MethodUnspoken,
        NotThisProtocol.
        """
        self.asked = True
        method, data = int.from_bytes(body[:4]), body[4:]
        match method:
            case Method.OK:
                return self._accepted()
            case Method.CLEAR_TEXT:
                return packet(b"p", cstring(self._clear_text()))
            case Method.MD5:
                return packet(b"p", cstring(md5_answer(self._target.user, self._password(), data)))
            case Method.SASL:
                return self._start_scram(data)
            case Method.SASL_CONTINUE | Method.SASL_FINAL:
                return await self._go_on(method, data)
        raise MethodUnspoken(f"authentication method {method}")

    def _accepted(self) -> bytes:
        if self._scram and not self._scram.proven:
            raise LoginRefused(self._target.endpoint, Refusal.NOT_PROVEN)
        return b""

    def _clear_text(self) -> str:
        if not (self._encrypted or self._target.endpoint.is_local):
            raise LoginRefused(self._target.endpoint, Refusal.CLEAR_TEXT)
        return self._password()

    def _password(self) -> str:
        if not self._target.password:
            raise LoginRefused(self._target.endpoint, Refusal.NO_PASSWORD)
        return self._target.password.reveal()

    def _start_scram(self, data: bytes) -> bytes:
        if MECHANISM.encode() not in data.split(b"\0"):
            raise MethodUnspoken("SASL mechanisms other than SCRAM-SHA-256")
        self._scram = Scram(self._password())
        first = self._scram.first()
        return packet(b"p", cstring(MECHANISM) + struct.pack("!i", len(first)) + first)

    async def _go_on(self, method: int, data: bytes) -> bytes:
        if not self._scram:
            raise NotThisProtocol(self._target.endpoint, "PostgreSQL", data)
        try:
            if method == Method.SASL_CONTINUE:
                return packet(b"p", await self._scram.final(data.decode()))
            self._scram.verify(data.decode())
        except (ValueError, KeyError, OverflowError):
            raise LoginRefused(self._target.endpoint, Refusal.NOT_PROVEN) from None
        return b""


class Scram:
    """A SCRAM-SHA-256 exchange without channel binding; the role stands in the start-up packet."""

    def __init__(self, password: str, nonce: str = "") -> None:
        """Take the password as it was written; a nonce is given by tests only."""
        self._password = prepared(password)
        self._bare = f"n=,r={nonce or secrets.token_urlsafe(24)}"
        self._server_signature = b""
        self.proven = False

    def first(self) -> bytes:
        """Return the first message of the client."""
        return f"{NO_CHANNEL_BINDING}{self._bare}".encode()

    async def final(self, server_first: str) -> bytes:
        """Return the proof; raises ValueError or KeyError for an answer that is none."""
        fields = _fields(server_first)
        if not fields["r"].startswith(self._bare.partition(",r=")[2]):
            raise ValueError("the nonce is not ours")
        salt, rounds = b64decode(fields["s"], validate=True), int(fields["i"])
        salted = await self._salt(salt, rounds)
        binding = b64encode(NO_CHANNEL_BINDING.encode()).decode()
        without_proof = f"c={binding},r={fields['r']}"
        signed = f"{self._bare},{server_first},{without_proof}".encode()
        client_key = _hmac(salted, b"Client Key")
        proof = _xor(client_key, _hmac(hashlib.sha256(client_key).digest(), signed))
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), signed)
        return f"{without_proof},p={b64encode(proof).decode()}".encode()

    async def _salt(self, salt: bytes, rounds: int) -> bytes:
        """Return the salted password; what takes longer than starting a thread gets one."""
        work = partial(hashlib.pbkdf2_hmac, "sha256", self._password.encode(), salt, rounds)
        return work() if rounds <= FEW_ROUNDS else await in_thread(work)

    def verify(self, server_final: str) -> None:
        """Check that the server knows the password too; raises ValueError or KeyError when it does not."""
        signature = b64decode(_fields(server_final)["v"], validate=True)
        self.proven = bool(self._server_signature) and hmac.compare_digest(signature, self._server_signature)
        if not self.proven:
            raise ValueError("the signature is wrong")


def md5_answer(user: str, password: str, salt: bytes) -> str:
    """Return what the method MD5 sends instead of the password."""
    inner = hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
    return "md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()


def prepared(password: str) -> str:
    """Return the password after SASLprep (RFC 4013); one that cannot be prepared is used as it stands, as PostgreSQL does."""
    if password.isascii():
        return password
    import stringprep

    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    text = unicodedata.normalize("NFKC", mapped)
    return password if not text or _is_prohibited(text) else text


def _is_prohibited(text: str) -> bool:
    import stringprep

    tables = (
        stringprep.in_table_a1,
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    if any(table(char) for char in text for table in tables):
        return True
    right = [stringprep.in_table_d1(char) for char in text]
    mixed = any(stringprep.in_table_d2(char) for char in text) or not (right[0] and right[-1])
    return any(right) and mixed


def _fields(message: str) -> dict[str, str]:
    return {part[0]: part[2:] for part in message.split(",") if part[1:2] == "="}


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
