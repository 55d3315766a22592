"""Exceptions of the network, the resolver and OpenSSL -> Diagnosis, by structured codes and never by text."""

from __future__ import annotations

import errno
import socket
import ssl
from datetime import datetime
from typing import TYPE_CHECKING, Any

from startupctl import network_codes as codes
from startupctl.diagnoses import INVALID_VALUE
from startupctl.diagnosis import Diagnosis, Phase
from startupctl.failures import ConnectionBroken, LocalTlsFile

if TYPE_CHECKING:
    from startupctl.diagnosis import Code

BY_ERRNO: dict[int, Code] = {
    errno.ECONNREFUSED: codes.REFUSED,
    errno.ENOENT: codes.REFUSED,
    errno.EHOSTUNREACH: codes.HOST_UNREACHABLE,
    errno.EHOSTDOWN: codes.HOST_UNREACHABLE,
    errno.ENETUNREACH: codes.NET_UNREACHABLE,
    errno.ENETDOWN: codes.NET_UNREACHABLE,
    errno.EADDRNOTAVAIL: codes.NET_UNREACHABLE,
    errno.EAFNOSUPPORT: codes.NET_UNREACHABLE,
    errno.EACCES: codes.BLOCKED_HERE,
    errno.EPERM: codes.BLOCKED_HERE,
    errno.EINVAL: codes.BLOCKED_HERE,
    errno.ENAMETOOLONG: INVALID_VALUE,
    errno.EMFILE: codes.NO_DESCRIPTORS,
    errno.ENFILE: codes.NO_DESCRIPTORS,
}
BY_EAI: dict[int, Code] = {
    socket.EAI_NONAME: codes.NAME_NOT_FOUND,
    socket.EAI_AGAIN: codes.RESOLVER_UNAVAILABLE,
    socket.EAI_FAIL: codes.RESOLVER_UNAVAILABLE,
    socket.EAI_NODATA: codes.NAME_WITHOUT_ADDRESS,
    socket.EAI_ADDRFAMILY: codes.NAME_WITHOUT_ADDRESS,
    socket.EAI_FAMILY: codes.NAME_WITHOUT_ADDRESS,
}
BY_SILENT_PHASE: dict[Phase, Code] = {
    Phase.RESOLVE: codes.RESOLVER_UNAVAILABLE,
    Phase.CONNECT: codes.CONNECT_TIMEOUT,
}  # in the others somebody had accepted
# X509_V_ERR_* of openssl/x509_vfy.h
BY_VERIFY_CODE: dict[int, Code] = {
    9: codes.TLS_NOT_YET,
    10: codes.TLS_EXPIRED,
    18: codes.TLS_SELF_SIGNED,
    19: codes.TLS_UNTRUSTED,
    20: codes.TLS_UNTRUSTED,
    21: codes.TLS_UNTRUSTED,
    62: codes.TLS_WRONG_NAME,
    64: codes.TLS_WRONG_NAME,
}
BY_TLS_REASON: dict[str, Code] = {
    "WRONG_VERSION_NUMBER": codes.TLS_NOT_TLS,
    "RECORD_LAYER_FAILURE": codes.TLS_NOT_TLS,
    "HTTP_REQUEST": codes.TLS_NOT_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": codes.TLS_CLIENT_CERTIFICATE,
    "TLSV1_ALERT_PROTOCOL_VERSION": codes.TLS_VERSION,
    "UNSUPPORTED_PROTOCOL": codes.TLS_VERSION,
}


def diagnose(error: BaseException) -> Diagnosis | None:
    """Classify a general signal; None when the error is no signal of the world known here."""
    if isinstance(error, LocalTlsFile):
        return Diagnosis(codes.TLS_LOCAL_FILE, {"path": str(error.path)}, said=_os_text(error.cause))
    if isinstance(error, ConnectionBroken):
        return _broken(error)
    return None


def _broken(error: ConnectionBroken) -> Diagnosis:
    code, signal, said = _read(error)
    facts: dict[str, Any] = {
        "endpoint": str(error.endpoint),
        "host": error.endpoint.host,
        "seconds": round(error.seconds, 1),
        "phase": error.phase,
        "received": error.received,
        "signal": signal,
    }
    if code is INVALID_VALUE:
        facts["what"] = f"{error.endpoint} is longer than a socket's path may be (107 bytes)"
    if error.phase is Phase.TLS:
        facts["now"] = datetime.now().astimezone().isoformat(timespec="seconds")
    return Diagnosis(code, facts, said=said, phase=error.phase, signal=signal)


def _read(error: ConnectionBroken) -> tuple[Code, str, str]:
    """Return code, signal and the words from outside that belong to it."""
    cause = error.cause
    number = getattr(cause, "errno", None)
    match cause:
        case ssl.SSLCertVerificationError():
            code = BY_VERIFY_CODE.get(cause.verify_code, codes.TLS_UNTRUSTED)
            return code, f"verify code {cause.verify_code}", cause.verify_message
        case ssl.SSLError(reason=str(reason)) if reason in BY_TLS_REASON:
            return BY_TLS_REASON[reason], reason, ""
        case socket.gaierror():
            return BY_EAI.get(number or 0, codes.RESOLVER_UNAVAILABLE), f"EAI {number}", ""
        case ValueError() if error.phase is Phase.RESOLVE:
            return codes.BAD_NAME, "invalid name", ""
        case TimeoutError():
            signal = f"errno {number}" if number else "timeout"
            return BY_SILENT_PHASE.get(error.phase, codes.READ_TIMEOUT), signal, ""
    return _ended(error)


def _ended(error: ConnectionBroken) -> tuple[Code, str, str]:
    """Read an end, a reset or an errno; before the first byte an end is a balancer's mark."""
    cause = error.cause
    number = getattr(cause, "errno", None)
    unnumbered = (
        "end of stream" if isinstance(cause, EOFError) else "reset" if isinstance(cause, OSError) else str(cause)
    )
    signal = f"errno {number}" if number else unnumbered
    if error.phase is Phase.TLS:
        return codes.TLS_BROKEN, getattr(cause, "reason", None) or signal, ""
    if isinstance(cause, EOFError | ConnectionResetError | BrokenPipeError):  # asyncio's own resets have no errno
        return (codes.RESET if error.received else codes.CLOSED_AT_ONCE), signal, ""
    if isinstance(cause, ssl.SSLError):
        return codes.RESET, cause.reason or "TLS", ""
    unlisted = codes.BLOCKED_HERE if error.phase is Phase.CONNECT else codes.RESET
    return BY_ERRNO.get(number or 0, unlisted), signal, ""


def _os_text(error: Exception) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
