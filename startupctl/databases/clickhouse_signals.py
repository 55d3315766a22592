"""Answers of ClickHouse, and of what stands in its place -> Diagnosis, by number, status and port."""

from __future__ import annotations

import re
import ssl
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from startupctl.databases import clickhouse_codes as codes
from startupctl.databases.session import StatementFailed
from startupctl.diagnose import BY_TLS_REASON
from startupctl.diagnosis import Diagnosis, Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.network_codes import TLS_NOT_TLS
from startupctl.wire.clickhouse import ClickHouseError
from startupctl.wire.http_status import diagnose_proxy, diagnose_status, excerpt
from startupctl.wire.proxy import ProxyFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = re.compile(r"Code: \d+(\. DB::Exception: |, e\.displayText\(\) = DB::Exception: )")
_OTHER_PORTS = {
    9000: "9000 is the port of the native protocol, HTTP is spoken on 8123",
    9440: "9440 is the port of the native protocol with TLS, HTTPS is spoken on 8443",
    9004: "9004 is the port of the MySQL protocol, HTTP is spoken on 8123",
    9005: "9005 is the port of the PostgreSQL protocol, HTTP is spoken on 8123",
    9009: "9009 is the port between replicas, HTTP for clients is spoken on 8123",
}


def diagnose(error: BaseException, facts: Mapping[str, Any]) -> Diagnosis | None:
    """Classify what came of a statement; `facts` are endpoint, user and database. None for general signals."""
    if isinstance(error, ClickHouseError):
        return _refused(error, facts)
    if isinstance(error, StatementFailed):
        return diagnose_number(int(error.code or 0), error.said, facts)
    if isinstance(error, ProxyFailed):
        return diagnose_proxy(error)
    if isinstance(error, NotThisProtocol):
        return _other_protocol(error, facts)
    if isinstance(error, ConnectionBroken) and _is_plain(error):
        return _wrong_port(facts, "it speaks plain text, not TLS", "use clickhouse:// (usually port 8123)", error.phase)
    return None


def diagnose_number(number: int, said: str, facts: Mapping[str, Any]) -> Diagnosis:
    """Classify an exception of the server by its number."""
    return Diagnosis(
        codes.BY_NUMBER.get(number, codes.SERVER_ERROR),
        {**facts, "number": number, "signal": f"code {number}"},
        said=excerpt(_PREFIX.sub("", said, count=1).encode()),
        phase=Phase.AUTH if codes.BY_NUMBER.get(number) is codes.AUTHENTICATION_FAILED else Phase.QUERY,
        signal=f"code {number}",
        failure_class=codes.CLASS_OF_NUMBER.get(number),
    )


def _refused(error: ClickHouseError, facts: Mapping[str, Any]) -> Diagnosis:
    if error.code is not None:
        return diagnose_number(error.code, error.text, facts)
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        signal = f"HTTP {error.status}"
        return Diagnosis(codes.AUTHENTICATION_FAILED, {**facts, "signal": signal}, phase=Phase.AUTH, signal=signal)
    assert error.answer is not None  # only the embedded engine has none, and its errors have numbers
    return diagnose_status(f"POST {facts['endpoint']}", facts["endpoint"], error.answer)


def _other_protocol(error: NotThisProtocol, facts: Mapping[str, Any]) -> Diagnosis:
    if error.looks_like == "TLS":
        return _wrong_port(facts, "it speaks TLS", "use clickhouses:// (usually port 8443), or `secure: true`")
    what = "a web server that is no ClickHouse" if error.looks_like == "HTTP" else error.looks_like
    return _wrong_port(facts, f"{what} answers", _OTHER_PORTS.get(error.endpoint.port, ""))


def not_clickhouse(facts: Mapping[str, Any], said: str) -> Diagnosis:
    """Return the diagnosis of an answer with status 200 that is no version: text from outside."""
    return replace(_wrong_port(facts, "what answers SELECT version() is no version", ""), said=said, phase=Phase.QUERY)


def _wrong_port(facts: Mapping[str, Any], seen: str, advice: str, phase: Phase = Phase.GREET) -> Diagnosis:
    return Diagnosis(codes.NOT_HTTP_PORT, {**facts, "seen": seen}, phase=phase, signal=seen, advice=advice)


def _is_plain(error: ConnectionBroken) -> bool:
    return isinstance(error.cause, ssl.SSLError) and BY_TLS_REASON.get(error.cause.reason) is TLS_NOT_TLS


def for_lack_of(diagnosis: Diagnosis, *, create: bool) -> Diagnosis:
    """Return a diagnosis in which a missing database is mendable only where `create` lets `init-db` create it."""
    if diagnosis.code is not codes.DATABASE_MISSING or create:
        return diagnosis
    advice = f"create the database `{diagnosis.facts['database']}`, or add `create: true` and run `startupctl init-db`"
    return replace(diagnosis, mendable=False, advice=advice)
