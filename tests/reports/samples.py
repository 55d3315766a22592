"""Reports of every shape, as an engine would hand them over."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta, timezone

from startupctl.diagnosis import Code, Diagnosis, FailureClass, Phase
from startupctl.fields import Priority
from startupctl.outcome import Outcome, Report, Status, Verdict, Warned

WRONG_PASSWORD = Code(
    "PG002",
    "authentication-failed",
    FailureClass.PERMANENT,
    "the server refuses user `{user}` ({signal})",
    "The password is wrong, or the role is unknown or expired: the server does not say which.",
    "check the password of `{user}` in DATABASE_URL",
)
REFUSED = Code(
    "NET001",
    "refused",
    FailureClass.WAITING,
    "nothing listens on {endpoint} ({signal})",
    "The port is closed.",
    "start the server or check host and port; a firewall that rejects with a reset looks the same",
)
MUTE = Code("NET003", "read-timeout", FailureClass.SILENT, "{endpoint} accepts connections but does not speak")
FUNCTION_FAILED = Code(
    "RUN005",
    "function-failed",
    FailureClass.TRANSIENT,
    "{kind}",
    "The function raised.",
    "look at the function `{target}`",
)
RESERVATION = Code("RUN007", "works-with-reservation", FailureClass.NOTE, "{said}")
INTERNAL = Code(
    "RUN900",
    "internal",
    FailureClass.PERMANENT,
    "{kind}",
    hint="this is a bug in startupctl: please report it with the traceback",
)
STARTED_AT = datetime(2026, 3, 1, 13, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
HOSTILE = (
    "\x1b[31mred\x1b[0m [bold]tag[/] \x07\t tab\r\n::error file=a.py::gotcha\n##[error]old "
    "\u202eevil\u202c \u2028 \udc80 caf\xe9 \u5b57"
)


def outcome(name, status=Status.SUCCESS, **more):
    """Return an outcome that says as little as it can, with what is given on top."""
    usable = status is Status.SUCCESS
    base = {
        "kind": "tcp",
        "target": f"{name}.internal:80",
        "priority": Priority.HIGH,
        "effective_priority": Priority.HIGH,
        "usable": usable,
        "started": 0.0,
        "duration": 0.0123456,
        "attempts": 1,
    }
    return Outcome(name=name, status=status, **{**base, **more})


def report(*outcomes, verdict=Verdict.READY, exit_code=0, **more):
    """Return a report of these outcomes."""
    base = {
        "manifest": "startup.yaml",
        "name": "shop",
        "profile": None,
        "command": "check",
        "started_at": STARTED_AT,
        "duration": 30.1234567,
        "critical_path": tuple(one.name for one in outcomes[:2]),
    }
    return Report(
        verdict=verdict, exit_code=exit_code, outcomes={one.name: one for one in outcomes}, **{**base, **more}
    )


def refused(endpoint):
    """Return the diagnosis of a closed port."""
    return Diagnosis(REFUSED, {"endpoint": endpoint, "signal": "errno 111"}, phase=Phase.CONNECT, signal="errno 111")


def _skipped(name, root, **more):
    return outcome(
        name,
        Status.SKIPPED,
        started=None,
        duration=None,
        attempts=0,
        depends_on=(root,),
        skipped_because=root,
        **more,
    )


READY = report(
    outcome(
        "database",
        kind="postgres",
        target="postgresql://app:***@db:5432/shop",
        priority=Priority.CRITICAL,
        effective_priority=Priority.CRITICAL,
        duration=1.5,
        attempts=3,
        polls=2,
        facts={
            "created": True,
            "migrations": {"applied": ["0001_init", "0002_users"], "already": 3, "pending": 0, "adopted": 0},
            "schema_version": "0002",
            "lock": "postgres advisory",
            "lock_wait": 0.0204,
        },
    ),
    outcome("cache", kind="redis", depends_on=("database",), facts={"version": "8.0", "role": "master"}),
    command="init-db",
    duration=1.6,
)

FAILED = report(
    outcome("dns", effective_priority=Priority.CRITICAL),
    outcome(
        "clickhouse",
        Status.DEGRADED,
        kind="clickhouse",
        target="clickhouse://10.0.0.7:8123/events",
        priority=Priority.LOW,
        effective_priority=Priority.LOW,
        duration=12.4,
        attempts=300,
        polls=299,
        diagnosis=refused("10.0.0.7:8123"),
    ),
    outcome(
        "postgres",
        Status.FAILED,
        kind="postgres",
        target="postgresql://app:***@db:5432/shop",
        priority=Priority.CRITICAL,
        effective_priority=Priority.CRITICAL,
        depends_on=("dns",),
        started=0.012,
        duration=30.02,
        attempts=7,
        polls=4,
        retries=2,
        diagnosis=Diagnosis(
            WRONG_PASSWORD,
            {"user": "app", "signal": "28P01"},
            said='password authentication failed for user "app"',
            phase=Phase.AUTH,
            signal="28P01",
        ),
        runbook="https://wiki.example.com/runbooks/postgres-login",
    ),
    _skipped("migrate", "postgres", priority=Priority.CRITICAL),
    _skipped("api", "migrate"),
    outcome("web", Status.SUCCESS, impaired_by=("clickhouse",), facts={"status": 200}),
    verdict=Verdict.FAILED,
    exit_code=78,
)

DEGRADED = report(
    outcome(
        "mail",
        Status.DEGRADED,
        usable=True,
        kind="python",
        target="shop.mail:probe",
        diagnosis=Diagnosis(RESERVATION, said="only 1 of 3 relays answers"),
    ),
    outcome(
        "certificate",
        kind="tls",
        warnings=(Warned("TLS012", "the certificate of shop.example.com:443 expires in 9 days"),),
    ),
    verdict=Verdict.DEGRADED,
    exit_code=3,
    profile="staging",
)

INTERRUPTED = report(
    outcome("dns"),
    outcome("database", Status.CANCELLED, duration=4.2, attempts=80, diagnosis=refused("db:5432")),
    outcome("cache", Status.CANCELLED, started=None, duration=None, attempts=0),
    verdict=Verdict.FAILED,
    exit_code=143,
    signal=int(signal.SIGTERM),
)

BUG = report(
    outcome(
        "disk",
        Status.FAILED,
        diagnosis=Diagnosis(INTERNAL, {"kind": "ZeroDivisionError"}, said="division by zero"),
    ),
    verdict=Verdict.FAILED,
    exit_code=70,
    bug='Traceback (most recent call last):\n  File "disk.py", line 3, in check\n    free / total\nZeroDivisionError: division by zero\n',
)

FOREIGN = report(
    outcome(
        "evil",
        Status.FAILED,
        target="http://[bold]x[/]/\x1b]0;title\x07",
        facts={
            "nan": float("nan"),
            "bytes": b"\xff\x00ok",
            "set": {"b", "a"},
            "when": STARTED_AT.astimezone(UTC),
            "text": HOSTILE,
            "priority": Priority.LOW,
            1: (float("inf"), None),
        },
        diagnosis=Diagnosis(FUNCTION_FAILED, {"kind": "ValueError", "target": "shop:probe"}, said=HOSTILE),
        runbook="::set-output name=x::y",
    ),
    outcome("[red]name[/red]", warnings=(Warned("RES006", HOSTILE),), facts={"banner": HOSTILE}),
    verdict=Verdict.FAILED,
    exit_code=1,
)

SAMPLES = {
    "ready": READY,
    "failed": FAILED,
    "degraded": DEGRADED,
    "interrupted": INTERRUPTED,
    "bug": BUG,
    "foreign": FOREIGN,
}
