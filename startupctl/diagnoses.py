"""The diagnosis codes of a run; those of the network, of kinds and of migrations stand in `*_codes`, `catalogue` has all."""

from __future__ import annotations

from startupctl.diagnosis import Code, FailureClass, codes_in

T, P, N = FailureClass.TRANSIENT, FailureClass.PERMANENT, FailureClass.NOTE

NEVER_READY = Code(
    "DEP003",
    "never-ready",
    FailureClass.WARMING,
    "it answered for {seconds:.1f} s and never became ready: {said}",
    "The server was reached and said all the time that it is not ready.",
    "look at the server's own log for what it is waiting for",
)
SKIPPED_BECAUSE = Code(
    "DEP004",
    "skipped",
    N,
    "not tried because `{root}` is not usable",
    "A component that this one requires is not usable.",
    "mend `{root}` first",
)
PROMOTED = Code(
    "DEP005",
    "promoted",
    N,
    "`{name}` is {priority} but is required by something {effective}, so it is treated as {effective}",
    "What is required by a component matters as much as the component.",
    "raise its priority, or make the dependency `required: false`",
)

COMPONENT_TIMEOUT = Code(
    "RUN001",
    "component-timeout",
    T,
    "not finished after {seconds:g} s",
    "The work of this component takes longer than its time allows.",
    "raise `timeout` or `attempt_timeout` of this component, or find out what it waits for",
)
RUN_DEADLINE = Code(
    "RUN002",
    "run-deadline",
    T,
    "the run ended after {seconds:g} s before this was decided",
    "The deadline of the whole run was reached.",
    "raise `settings.deadline` or `--deadline`",
)
FUNCTION_FAILED = Code(
    "RUN005",
    "function-failed",
    T,
    "`{target}`: {kind}",
    "The function raised an exception or returned False.",
    "call `{target}` by hand with the environment of this process",
)
RESERVATION = Code(
    "RUN007", "works-with-reservation", N, "{said}", "The component works and reports a reservation itself.", ""
)
DRIVER_MISSING = Code(
    "RUN006",
    "driver-missing",
    P,
    "the Python package `{package}` is not installed",
    "This work needs a driver that is not there.",
    "pip install {package}",
)
INTERNAL = Code(
    "RUN900",
    "internal",
    P,
    "{kind}",
    "startupctl met an exception that it does not know.",
    "this is a bug in startupctl: please report it with the traceback",
)

INVALID_VALUE = Code(
    "CFG002", "invalid-value", P, "{what}", "A value does not have the form it must have.", "correct the value"
)

GENERAL: tuple[Code, ...] = codes_in(globals())
