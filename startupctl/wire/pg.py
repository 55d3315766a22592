"""Reaching a PostgreSQL server: TLS as the sslmode says, login, and what is left to the driver."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.threads import in_thread
from startupctl.wire.pg_auth import MethodUnspoken
from startupctl.wire.pg_messages import GREETING, SSL_REQUEST, PgError, read_message, startup_packet
from startupctl.wire.pg_session import PgSession, session_parameters
from startupctl.wire.pg_target import SslMode, home_files
from startupctl.wire.pg_tls import tls_context
from startupctl.wire.stream import Stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from startupctl.addresses import Endpoint
    from startupctl.check import Run
    from startupctl.wire.pg_session import Session
    from startupctl.wire.pg_target import PgTarget

NOT_AUTHORIZED = "28000"


class TlsRefused(Exception):
    """The server has no TLS and the target wants it."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Keep the server."""
        self.endpoint = endpoint
        super().__init__(f"{endpoint} has no TLS")


class TlsDemanded(Exception):
    """The server refuses the role without TLS and would ask for its password with TLS."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Keep the server."""
        self.endpoint = endpoint
        super().__init__(f"{endpoint} wants TLS")


class Encryption(Enum):
    """How one connection is begun."""

    NEVER = 1
    IF_OFFERED = 2
    DEMANDED = 3


_PLANS = {
    SslMode.DISABLE: (Encryption.NEVER,),
    SslMode.ALLOW: (Encryption.NEVER, Encryption.DEMANDED),
    SslMode.PREFER: (Encryption.IF_OFFERED, Encryption.NEVER),
}


@asynccontextmanager
async def open_session(target: PgTarget, run: Run) -> AsyncIterator[Session]:
    """Connect and log in; the connection is closed at the end, whatever happens.

    What the speaker does not know is left to psycopg. Raises PgError, ConnectionBroken, NotThisProtocol,
    LoginRefused, TlsRefused, TlsDemanded, LocalTlsFile, DriverFailed.
    """
    async with AsyncExitStack() as stack:
        yield await _enter(stack, target, run)


async def _enter(stack: AsyncExitStack, target: PgTarget, run: Run) -> Session:
    if target.connect_timeout:
        run = replace(run, connect_timeout=min(run.connect_timeout, target.connect_timeout))
    if not target.unspoken:
        with suppress(MethodUnspoken):
            return await _speak(stack, target, run)
    from startupctl.wire.pg_driver import open_driver_session

    return await stack.enter_async_context(open_driver_session(target, run))


async def _speak(stack: AsyncExitStack, target: PgTarget, run: Run) -> Session:
    """Connect as the sslmode says; of two failures the one under TLS is told: it came further."""
    plan = _PLANS.get(target.sslmode, (Encryption.DEMANDED,)) if target.uses_tls else (Encryption.NEVER,)
    try:
        return await stack.enter_async_context(_conversation(target, run, plan[0]))
    except (PgError, ConnectionBroken) as error:
        first = error
    if len(plan) > 1 and _may_differ(first, plan[0]):
        try:
            return await stack.enter_async_context(_conversation(target, run, plan[1]))
        except (PgError, ConnectionBroken, TlsRefused) as second:
            raise (second if plan[0] is Encryption.NEVER and not isinstance(second, TlsRefused) else first) from None
    if _lacks_tls(first, target) and await _asks_under_tls(target, run):
        raise TlsDemanded(target.endpoint) from first
    raise first


def _may_differ(error: PgError | ConnectionBroken, tried: Encryption) -> bool:
    """Whether the other way may go better.

    libpq tries it after every refusal; a wrong password is not sent twice here, it may lock the role.
    """
    if isinstance(error, ConnectionBroken):
        return error.phase is Phase.TLS and not isinstance(error.cause, TimeoutError)
    return error.sqlstate == NOT_AUTHORIZED and error.encrypted is (tried is Encryption.IF_OFFERED)


def _lacks_tls(error: PgError | ConnectionBroken, target: PgTarget) -> bool:
    """Whether the role was refused before any password was asked for, on a connection that never tried TLS."""
    refused = isinstance(error, PgError) and error.sqlstate == NOT_AUTHORIZED and not error.asked
    return refused and target.sslmode is SslMode.DISABLE and not target.endpoint.path


async def _asks_under_tls(target: PgTarget, run: Run) -> bool:
    """Whether the server goes on to ask for a password when TLS is on; none is sent."""
    try:
        async with _encrypted(replace(target, sslmode=SslMode.REQUIRE), run, Encryption.DEMANDED) as stream:
            await stream.send(startup_packet(session_parameters(target)))
            kind, _ = await read_message(stream, GREETING)
    except (PgError, ConnectionBroken, NotThisProtocol, TlsRefused):
        return False
    return kind == b"R"


@asynccontextmanager
async def _conversation(target: PgTarget, run: Run, encryption: Encryption) -> AsyncIterator[PgSession]:
    async with _encrypted(target, run, encryption) as stream:
        session = PgSession(stream)
        await session.start(target)
        try:
            yield session
        finally:
            await session.terminate()


@asynccontextmanager
async def _encrypted(target: PgTarget, run: Run, encryption: Encryption) -> AsyncIterator[Stream]:
    async with Stream.open(target.endpoint, run) as stream:
        # only now: while nobody listens it would cost a thread per look; and before the server is asked
        context = await in_thread(_read_files, target, encryption)
        if context is not None:
            await _encrypt(stream, target, encryption, context)
        yield stream


def _read_files(target: PgTarget, encryption: Encryption) -> ssl.SSLContext | None:
    """Return the context for TLS, None when there shall be none; raises MethodUnspoken for files only libpq reads."""
    if home_files(target):
        raise MethodUnspoken
    return None if encryption is Encryption.NEVER else tls_context(target)


async def _encrypt(stream: Stream, target: PgTarget, encryption: Encryption, context: ssl.SSLContext) -> None:
    await stream.send(SSL_REQUEST)
    answer = await stream.read_some()
    if answer == b"S":
        await stream.start_tls(context, target.endpoint.host)
    elif answer[:1] == b"E" and answer.endswith(b"\0"):  # a server that cannot fork; its words are not to be trusted
        raise ConnectionBroken(stream.endpoint, stream.phase, EOFError(), received=stream.received)
    elif answer != b"N":  # also `S` with more behind it: nobody may slip in text before TLS (CVE-2021-23222)
        raise NotThisProtocol(stream.endpoint, "PostgreSQL", answer)
    elif encryption is Encryption.DEMANDED:
        raise TlsRefused(target.endpoint)
