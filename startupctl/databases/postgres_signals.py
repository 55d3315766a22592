"""What a failure of PostgreSQL means: SQLSTATE, phase and PgBouncer's words -> code, class and facts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from startupctl import network_codes as network
from startupctl.databases import postgres_codes as codes
from startupctl.databases.session import StatementFailed
from startupctl.diagnoses import INVALID_VALUE
from startupctl.diagnosis import Diagnosis, FailureClass, Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.wire.pg import TlsDemanded, TlsRefused
from startupctl.wire.pg_auth import LoginRefused, Refusal
from startupctl.wire.pg_messages import PgError
from startupctl.wire.pg_session import DriverFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from startupctl.check import Facts
    from startupctl.diagnosis import Code

# PgBouncer gives one SQLSTATE to everything it says itself, so only here the text decides; it is never translated
POOLER_STATE = "08P01"
POOLER_WORDS: tuple[tuple[str, Code], ...] = (
    ("no such database", codes.DATABASE_MISSING),
    ('database "', codes.DATABASE_MISSING),
    ("no more connections allowed", codes.POOLER_FULL),
    ("query_wait_timeout", codes.POOLER_FULL),
    ("SASL authentication failed", codes.AUTHENTICATION_FAILED),
    ("password authentication failed", codes.AUTHENTICATION_FAILED),
    ("no such user", codes.AUTHENTICATION_FAILED),
    ("auth failed", codes.AUTHENTICATION_FAILED),
    ("SSL required", network.TLS_REQUIRED),
    ("server login has been failing", codes.POOLER_UPSTREAM),
    ("server_login_retry", codes.POOLER_UPSTREAM),
    ("server conn crashed", codes.POOLER_UPSTREAM),
    ("server_connect_timeout", codes.POOLER_UPSTREAM),
    ("connect failed", codes.POOLER_UPSTREAM),
    ("pgbouncer cannot connect to server", codes.POOLER_UPSTREAM),
)
# the DETAIL of 57P03 that never passes; a translated one stays warming
STANDBY_CLOSED = "Hot standby mode is disabled."

# whose limit 53300 is, by the C function that reports it: miscinit.c, postinit.c
LIMIT_OF_ROLE, LIMIT_OF_DATABASE = "InitializeSessionUserId", "CheckMyDatabase"
LIMIT_SETTINGS = {LIMIT_OF_ROLE: "the role's CONNECTION LIMIT", LIMIT_OF_DATABASE: "the database's CONNECTION LIMIT"}

CLASSES = {
    "08": "a connection exception",
    "0A": "a feature that is not supported",
    "22": "a data exception",
    "23": "an integrity constraint violation",
    "25": "an invalid transaction state",
    "26": "an invalid statement name",
    "28": "an invalid authorization",
    "42": "a syntax error or access rule violation",
    "53": "insufficient resources",
    "54": "a program limit exceeded",
    "55": "an object not in the state it must be in",
    "57": "an operator intervention",
    "58": "a system error",
    "F0": "an error in its configuration file",
    "P0": "a PL/pgSQL error",
    "XX": "an internal error",
}
NEVER_BETTER = ("0A", "22", "23", "26", "42", "F0")  # the same request fails again


def code_of(error: PgError) -> Code:
    """Return the code of an error of the server."""
    if error.sqlstate == POOLER_STATE:
        return next((code for words, code in POOLER_WORDS if error.message.startswith(words)), codes.SERVER_ERROR)
    if error.sqlstate == "55000" and error.phase is Phase.AUTH:
        return codes.DATABASE_CLOSED
    return codes.BY_SQLSTATE.get(error.sqlstate, codes.SERVER_ERROR)


def class_of(error: PgError) -> FailureClass:
    """Return how an error of the server behaves in time."""
    code = code_of(error)
    if code is codes.STARTING_UP and error.detail == STANDBY_CLOSED:
        return FailureClass.PERMANENT
    if code is codes.DATABASE_MISSING and error.sqlstate == POOLER_STATE:
        return FailureClass.PERMANENT
    if code is codes.SERVER_ERROR and error.sqlstate[:2] in NEVER_BETTER:
        return FailureClass.PERMANENT
    return code.failure


def diagnose_postgres(error: BaseException, facts: Facts) -> Diagnosis | None:
    """Classify what the speaker, the driver and a session raise; None for what the general table knows.

    `facts` are the names and numbers of the component that the templates show.
    """
    reader = next((read for kind, read in _READERS if isinstance(error, kind)), None)
    return reader(error, facts) if reader else None


def _refused(error: PgError, facts: Facts) -> Diagnosis:
    code = code_of(error)
    found = {
        **facts,
        "sqlstate": error.sqlstate or "none",
        "condition": CLASSES.get(error.sqlstate[:2], "an error"),
        "protection": "with TLS" if error.encrypted else "without TLS",
        "limited": _limited(error, facts),
        "setting": LIMIT_SETTINGS.get(error.routine, "`max_connections`"),
        "grant": "what the message names",
        "why": "it refused a write",
        "signal": error.sqlstate,
    }
    return Diagnosis(
        code,
        found,
        said=". ".join(filter(None, (error.message, error.detail))),
        phase=error.phase,
        signal=error.sqlstate,
        failure_class=class_of(error),
        advice=_advice(error, code, facts),
    )


def shut_by_limit(error: PgError, facts: Facts) -> Diagnosis:
    """Diagnose a connection limit of 0: it is no contention, somebody closed the door."""
    what, name = ("ROLE", facts["user"]) if error.routine == LIMIT_OF_ROLE else ("DATABASE", facts["database"])
    advice = f"the limit is 0; ALTER {what} {name} CONNECTION LIMIT -1 lifts it"
    return replace(_refused(error, facts), failure_class=FailureClass.PERMANENT, advice=advice)


def _limited(error: PgError, facts: Facts) -> str:
    return {
        LIMIT_OF_ROLE: f"role `{facts['user']}`",
        LIMIT_OF_DATABASE: f"database `{facts['database']}`",
    }.get(error.routine, f"the server {facts['endpoint']}")


def _advice(error: PgError, code: Code, facts: Facts) -> str:
    """Return the hint of a variant; empty where the code's own one is right."""
    if code is codes.STARTING_UP and class_of(error) is FailureClass.PERMANENT:
        return "this standby never serves queries: set `hot_standby = on` there, or connect to the primary"
    if code is codes.DATABASE_MISSING and class_of(error) is FailureClass.PERMANENT:
        return f"add `{facts['database']}` (or `*`) to [databases] of pgbouncer.ini"
    if code is codes.PERMISSION_DENIED and error.phase is Phase.AUTH:
        return f"GRANT CONNECT ON DATABASE {facts['database']} TO {facts['user']}"
    if code is network.TLS_REQUIRED:
        return "set `sslmode: require`"
    return ""


def _foreign(error: NotThisProtocol, facts: Facts) -> Diagnosis:
    found = {**facts, "looks_like": error.looks_like}
    return Diagnosis(codes.NOT_POSTGRESQL, found, phase=Phase.GREET, signal="foreign bytes")


def _broken_off(error: LoginRefused, facts: Facts) -> Diagnosis:
    if error.reason is Refusal.NO_PASSWORD:
        advice = f"give the password of `{facts['user']}` in `url`, in `password` or in PGPASSWORD"
        said = "a password is wanted and none was given"
        return Diagnosis(
            codes.AUTHENTICATION_FAILED, facts, said=said, phase=Phase.AUTH, signal="no password", advice=advice
        )
    what = {
        Refusal.CLEAR_TEXT: "asks for the password in clear text and the connection has no TLS",
        Refusal.NOT_PROVEN: "could not prove that it knows the password of the role",
    }[error.reason]
    return Diagnosis(codes.UNSAFE_LOGIN, {**facts, "what": what}, phase=Phase.AUTH, signal=error.reason)


def _tls(error: TlsRefused | TlsDemanded, facts: Facts) -> Diagnosis:
    if isinstance(error, TlsRefused):
        code, signal = network.TLS_NOT_TLS, "it answered N to the request for TLS"
        advice = "turn TLS on at the server (`ssl = on`), or set `sslmode: prefer`"
    else:
        code, signal = network.TLS_REQUIRED, "28000 without TLS, a login with TLS"
        advice = "set `sslmode: require`: pg_hba.conf admits this role by `hostssl` only"
    return Diagnosis(code, {**facts, "signal": signal}, phase=Phase.TLS, signal=signal, advice=advice)


def _unconnected(error: DriverFailed, facts: Facts) -> Diagnosis:
    """Diagnose what only libpq's words tell: they are shown and decide nothing."""
    if error.invalid:
        return Diagnosis(INVALID_VALUE, {**facts, "what": "libpq refuses the connection parameters"}, said=error.text)
    found = {**facts, "sqlstate": "none", "condition": "no SQLSTATE"}
    return Diagnosis(codes.SERVER_ERROR, found, said=error.text, phase=Phase.CONNECT, signal="libpq")


def _statement(error: StatementFailed, facts: Facts) -> Diagnosis | None:
    if error.code:
        return _refused(PgError({"C": error.code, "M": error.said}, phase=Phase.QUERY), facts)
    if error.lost:
        return Diagnosis(codes.CONNECTION_LOST, facts, said=error.said, phase=Phase.QUERY, signal="end of stream")
    return None


def _lost(error: ConnectionBroken, facts: Facts) -> Diagnosis | None:
    if error.phase is Phase.QUERY and isinstance(error.cause, EOFError | ConnectionResetError):
        return Diagnosis(codes.CONNECTION_LOST, facts, phase=error.phase, signal="end of stream")
    return None


_READERS: tuple[tuple[type[BaseException], Callable[[Any, Facts], Diagnosis | None]], ...] = (
    (PgError, _refused),
    (StatementFailed, _statement),
    (NotThisProtocol, _foreign),
    (LoginRefused, _broken_off),
    (TlsRefused, _tls),
    (TlsDemanded, _tls),
    (DriverFailed, _unconnected),
    (ConnectionBroken, _lost),
)
