"""General signals: which code, class and phase each of them is; words that need no fact to be there."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from startupctl import network_codes as codes
from startupctl.addresses import Endpoint
from startupctl.diagnose import diagnose
from startupctl.diagnosis import Code, Diagnosis, FailureClass, Phase
from startupctl.failures import ConnectionBroken

DB = Endpoint("db.internal", 5432)
W, R, S, T, P = (
    FailureClass.WAITING,
    FailureClass.RESOLVING,
    FailureClass.SILENT,
    FailureClass.TRANSIENT,
    FailureClass.PERMANENT,
)
SESSION = (Phase.GREET, Phase.AUTH, Phase.QUERY)


def broken(cause, phase=Phase.CONNECT, **more):
    return ConnectionBroken(DB, phase, cause, **more)


def system_error(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "code", "failure"),
    [
        (errno.ECONNREFUSED, "NET001", W),
        (errno.ENOENT, "NET001", W),
        (errno.ETIMEDOUT, "NET002", S),
        (errno.EHOSTUNREACH, "NET004", W),
        (errno.EHOSTDOWN, "NET004", W),
        (errno.ENETUNREACH, "NET009", W),
        (errno.ENETDOWN, "NET009", W),
        (errno.EADDRNOTAVAIL, "NET009", W),
        (errno.EAFNOSUPPORT, "NET009", W),
        (errno.EACCES, "NET010", P),
        (errno.EPERM, "NET010", P),
        (errno.EINVAL, "NET010", P),
        (errno.ENOTDIR, "NET010", P),
        (errno.EPROTOTYPE, "NET010", P),
        (errno.EMFILE, "NET012", T),
        (errno.ENFILE, "NET012", T),
        (errno.ENAMETOOLONG, "CFG002", P),
    ],
)
def test_a_connect_is_classified_by_its_errno(number, code, failure):
    found = diagnose(broken(system_error(number)))
    assert (found.code.code, found.failure, found.phase) == (code, failure, Phase.CONNECT)
    assert found.signal == f"errno {number}"


@pytest.mark.parametrize("number", sorted(errno.errorcode))
@pytest.mark.parametrize("phase", Phase)
def test_no_errno_is_a_bug_of_ours(number, phase):
    found = diagnose(broken(system_error(number), phase))
    assert found is not None
    assert f"<{found.code.name}>" not in found.summary
    assert "<" not in found.summary + found.hint


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (socket.EAI_NONAME, "NET005"),
        (socket.EAI_AGAIN, "NET006"),
        (socket.EAI_FAIL, "NET006"),
        (socket.EAI_SYSTEM, "NET006"),
        (socket.EAI_MEMORY, "NET006"),
        (socket.EAI_NODATA, "NET007"),
        (socket.EAI_ADDRFAMILY, "NET007"),
        (socket.EAI_FAMILY, "NET007"),
    ],
)
def test_a_resolver_is_classified_by_its_code(number, code):
    found = diagnose(broken(socket.gaierror(number, "text"), Phase.RESOLVE))
    assert (found.code.code, found.failure, found.signal) == (code, R, f"EAI {number}")
    assert "db.internal" in found.summary


def test_a_name_that_cannot_be_one_is_permanent():
    found = diagnose(broken(UnicodeError("label too long"), Phase.RESOLVE))
    assert (found.code.code, found.failure) == ("NET008", P)


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (Phase.RESOLVE, "NET006"),
        (Phase.CONNECT, "NET002"),
        (Phase.TLS, "NET003"),
        (Phase.GREET, "NET003"),
        (Phase.AUTH, "NET003"),
        (Phase.QUERY, "NET003"),
    ],
)
@pytest.mark.parametrize("cause", [TimeoutError(), system_error(errno.ETIMEDOUT)], ids=["ours", "the kernel's"])
def test_silence_is_classified_by_its_phase(phase, code, cause):
    found = diagnose(broken(cause, phase, seconds=1.26))
    assert (found.code.code, found.phase) == (code, phase)
    assert found.facts["seconds"] == 1.3


@pytest.mark.parametrize(
    "cause",
    [EOFError(), system_error(errno.ECONNRESET), system_error(errno.EPIPE), ConnectionResetError("Connection lost")],
    ids=["end", "reset", "broken pipe", "asyncio's own reset"],
)
@pytest.mark.parametrize("phase", SESSION)
def test_an_end_is_a_balancers_mark_before_the_first_byte_and_a_lost_connection_after_it(cause, phase):
    before, after = diagnose(broken(cause, phase)), diagnose(broken(cause, phase, received=7))
    assert (before.code.code, before.failure) == ("LB004", W)
    assert (after.code.code, after.failure) == ("NET011", T)
    assert "after 7 bytes" in after.summary


@pytest.mark.parametrize("cause", [EOFError(), system_error(errno.ECONNRESET), ConnectionAbortedError()])
def test_an_end_of_the_handshake_is_one_of_tls(cause):
    found = diagnose(broken(cause, Phase.TLS))
    assert (found.code.code, found.failure) == ("TLS011", T)


def verify_error(number, text="the reason"):
    error = ssl.SSLCertVerificationError(1, "verify failed")
    error.verify_code, error.verify_message = number, text
    return error


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (9, "TLS003"),
        (10, "TLS002"),
        (18, "TLS005"),
        (19, "TLS001"),
        (20, "TLS001"),
        (21, "TLS001"),
        (62, "TLS004"),
        (64, "TLS004"),
        (26, "TLS001"),
    ],
)
def test_a_certificate_is_classified_by_its_verify_code(number, code):
    found = diagnose(broken(verify_error(number), Phase.TLS))
    assert (found.code.code, found.failure, found.signal) == (code, P, f"verify code {number}")
    assert found.said == "the reason"


def tls_error(reason):
    error = ssl.SSLError(1, "text nobody matches")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "phase", "code"),
    [
        ("WRONG_VERSION_NUMBER", Phase.TLS, "TLS006"),
        ("RECORD_LAYER_FAILURE", Phase.TLS, "TLS006"),
        ("HTTP_REQUEST", Phase.TLS, "TLS006"),
        ("UNSUPPORTED_PROTOCOL", Phase.TLS, "TLS009"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", Phase.TLS, "TLS009"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", Phase.GREET, "TLS008"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", Phase.TLS, "TLS011"),
        (None, Phase.TLS, "TLS011"),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", Phase.QUERY, "NET011"),
    ],
)
def test_openssl_is_classified_by_its_reason(reason, phase, code):
    assert diagnose(broken(tls_error(reason), phase)).code.code == code


@pytest.mark.parametrize("error", [ValueError("x"), OSError(5, "raw"), TimeoutError(), KeyError("x")])
def test_what_is_no_signal_of_the_world_is_not_known_here(error):
    assert diagnose(error) is None


def test_every_fact_a_general_text_names_is_there():
    for cause, phase in [(system_error(number), Phase.CONNECT) for number in (111, 110, 113, 101, 13, 24, 36)]:
        found = diagnose(broken(cause, phase))
        assert "<" not in found.summary + found.cause + found.hint


def test_a_missing_fact_is_shown_by_its_name_whatever_its_format():
    odd = Code("TST001", "odd", T, "{name} after {seconds:.1f} s, {count:>5d} of {total!r}", "", "{nothing}")
    found = Diagnosis(odd, {"name": "db"})
    assert found.summary.startswith("db after <seconds> s, <count> of ")
    assert found.hint == "<nothing>"


def test_words_from_outside_are_appended_once():
    plain, with_slot = Code("A", "a", T, "it failed"), Code("B", "b", T, "it said {said} and left")
    assert Diagnosis(plain, said="why").summary == "it failed: why"
    assert Diagnosis(with_slot, said="why").summary == "it said why and left"
    assert Diagnosis(plain).summary == "it failed"


def test_words_from_outside_are_no_template():
    assert Diagnosis(Code("A", "a", T, "it failed"), said="{host} {0} {").summary == "it failed: {host} {0} {"


def test_redaction_touches_words_from_outside_and_no_names_of_ours():
    found = Diagnosis(codes.REFUSED, {"endpoint": "secret:1", "signal": "x"}, said="secret")
    clean = found.redacted(lambda text: text.replace("secret", "***"))
    assert (clean.said, clean.facts) == ("***", found.facts)
