"""HTTP answers that mean not ready, and refusals of proxies -> Diagnosis, by status and headers."""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from startupctl.addresses import Url
from startupctl.diagnosis import Diagnosis, FailureClass, Phase
from startupctl.wire import http_codes as codes

if TYPE_CHECKING:
    from startupctl.diagnosis import Code
    from startupctl.wire.http_message import HttpAnswer
    from startupctl.wire.proxy import ProxyFailed

EXCERPT = 200  # characters of a body that are repeated
_BALANCER = {502: codes.BAD_GATEWAY, 503: codes.NO_BACKEND, 504: codes.GATEWAY_TIMEOUT}
_CLASSES = {
    408: FailureClass.TRANSIENT,
    425: FailureClass.TRANSIENT,
    429: FailureClass.CONTENTION,
    501: FailureClass.PERMANENT,
    503: FailureClass.WARMING,
    505: FailureClass.PERMANENT,
}
_ADVICE = {
    401: "give the credentials it asks for: user and password in `url`, or an Authorization header",
    403: "it knows the caller or the address and refuses: check credentials and allow lists",
    404: "check the path of `url`; the service is up and has nothing there",
    405: "use a `method` that this path allows",
    429: "it limits how often it is asked: raise its limit or ask less often",
    503: "the service is up and says itself that it is not ready: its answer and its log tell why",
}


def diagnose_status(asked: str, endpoint: str, answer: HttpAnswer, expected: str = "2xx") -> Diagnosis:
    """Classify an answer by its status.

    `asked` is method and URL without secrets, `endpoint` the address. Retry-After is kept. A JSON body is the service's own word; every other 502, 503 and 504 is taken
    for a balancer's.
    """
    code = codes.UNHEALTHY_ANSWER if is_json(answer) else _BALANCER.get(answer.status, codes.UNHEALTHY_ANSWER)
    facts = {"asked": asked, "endpoint": endpoint, "got": phrase(answer.status), "expected": expected}
    return Diagnosis(
        code,
        facts,
        said=said_by(answer),
        phase=Phase.QUERY,
        signal=f"HTTP {answer.status}",
        failure_class=_class_of(answer.status),
        retry_after=retry_after(answer),
        advice=_advice(answer) if code is codes.UNHEALTHY_ANSWER else "",
    )


def diagnose_proxy(error: ProxyFailed) -> Diagnosis:
    """Classify what came of a proxy."""
    facts = {
        "origin": error.origin,
        "proxy": str(error.proxy),
        "host": error.wanted.host,
        "port": error.wanted.port,
        "status": error.status,
        "signal": _signal(error),
    }
    return Diagnosis(_proxy_code(error), facts, phase=Phase.CONNECT, signal=_signal(error))


def phrase(status: int) -> str:
    """Return status and its standard phrase: the server's own would be text from outside."""
    with suppress(ValueError):
        return f"{status} {HTTPStatus(status).phrase}"
    return str(status)


def said_by(answer: HttpAnswer) -> str:
    """Return who answered and how the answer begins; a page for people is left out."""
    parts = [f"{name} `{answer.headers[name]}`" for name in ("Server", "Via", "X-Cache") if name in answer.headers]
    if "html" not in answer.headers.get("Content-Type", ""):
        parts += [text] if (text := excerpt(answer.body)) else []
    return ", ".join(_redirect(answer) + parts)


def excerpt(body: bytes) -> str:
    """Return the beginning of a body on one line."""
    text = " ".join(body[: 4 * EXCERPT].decode(errors="replace").split())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def is_json(answer: HttpAnswer) -> bool:
    """Whether the body says that it is JSON, as `application/problem+json` does too."""
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower().endswith("json")


def retry_after(answer: HttpAnswer) -> float | None:
    """Return the seconds that Retry-After asks for, given as a number or a date (RFC 9110, 10.2.3)."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _class_of(status: int) -> FailureClass:
    by_range = FailureClass.TRANSIENT if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureClass.PERMANENT
    return _CLASSES.get(status, by_range)


def _advice(answer: HttpAnswer) -> str:
    if _redirect(answer):
        return "redirects are not followed: give the final address as `url`, or declare the status in `expect`"
    return _ADVICE.get(answer.status, "")


def _redirect(answer: HttpAnswer) -> list[str]:
    """Name the place a redirect leads to, without its query: that may hold a token."""
    place = answer.headers.get("Location")
    if place is None:
        return []
    with suppress(ValueError):
        return [f"redirects to `{Url.parse(place)}`"]
    return [f"redirects to `{place.partition('?')[0]}`"]


def _proxy_code(error: ProxyFailed) -> Code:
    if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return codes.PROXY_AUTHENTICATION
    if error.status:
        lasting = _class_of(error.status) is FailureClass.PERMANENT
        return codes.PROXY_DENIED if lasting else codes.PROXY_UPSTREAM
    return codes.PROXY_BAD_URL if isinstance(error.cause, ValueError) else codes.PROXY_UNREACHABLE


def _signal(error: ProxyFailed) -> str:
    if error.status:
        return f"HTTP {error.status}"
    number = getattr(error.cause, "errno", None)
    return f"errno {number}" if number else type(error.cause).__name__
