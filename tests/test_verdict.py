"""The verdict and the exit code: the whole truth table."""

from __future__ import annotations

import itertools
import signal

import pytest

from building import code
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.fields import Priority
from startupctl.model import Settings
from startupctl.outcome import Outcome, Status, Verdict
from startupctl.verdict import Exit, blocking, decide_exit, decide_verdict

LOW, MEDIUM, HIGH, CRITICAL = Priority


def outcome(priority=CRITICAL, *, usable=False, status=None, failure=None, undecided=False):
    return Outcome(
        name="one",
        kind="tcp",
        target="",
        priority=LOW,
        effective_priority=priority,
        status=status or (Status.SUCCESS if usable else Status.FAILED),
        usable=usable,
        diagnosis=Diagnosis(code(failure)) if failure else None,
        undecided=undecided,
    )


WELL = outcome(usable=True)
RESERVED = outcome(LOW, usable=True, status=Status.DEGRADED)


def expected_verdict(priority, settings):
    if priority >= settings.fail_on:
        return Verdict.FAILED
    return Verdict.DEGRADED if priority >= settings.degrade_on else Verdict.READY


@pytest.mark.parametrize(("fail_on", "degrade_on"), list(itertools.product(Priority, Priority)))
@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("status", [Status.FAILED, Status.DEGRADED, Status.SKIPPED, Status.CANCELLED])
def test_an_unusable_component_decides_by_its_effective_priority(priority, status, fail_on, degrade_on):
    settings = Settings(fail_on=fail_on, degrade_on=degrade_on)
    verdict = decide_verdict([WELL, outcome(priority, status=status), WELL], settings)
    assert verdict is expected_verdict(priority, settings)


@pytest.mark.parametrize("priority", Priority)
def test_a_reservation_degrades_whatever_its_priority(priority):
    assert decide_verdict([outcome(priority, usable=True, status=Status.DEGRADED)], Settings()) is Verdict.DEGRADED


def test_all_well_is_ready():
    assert decide_verdict([WELL, WELL], Settings()) is Verdict.READY


def test_the_worst_component_decides():
    settings = Settings()
    assert decide_verdict([WELL, outcome(LOW)], settings) is Verdict.READY
    assert decide_verdict([WELL, RESERVED, outcome(LOW)], settings) is Verdict.DEGRADED
    assert decide_verdict([WELL, RESERVED, outcome(MEDIUM), outcome(CRITICAL)], settings) is Verdict.FAILED


def test_nothing_proved_is_not_ready():
    assert decide_verdict([], Settings()) is Verdict.FAILED


def test_what_blocks_is_what_is_unusable_at_or_above_fail_on():
    high, critical = outcome(HIGH), outcome(CRITICAL)
    assert blocking([WELL, RESERVED, high, critical], Settings()) == [critical]
    assert blocking([WELL, RESERVED, high, critical], Settings(fail_on="HIGH")) == [high, critical]


TRANSIENT = outcome(failure=FailureClass.TRANSIENT)
PERMANENT = outcome(failure=FailureClass.PERMANENT)
UNDECIDED = outcome(failure=FailureClass.WAITING, undecided=True)
SKIPPED = outcome(status=Status.SKIPPED)
FIXABLE = outcome(failure=FailureClass.FIXABLE)


@pytest.mark.parametrize(
    ("verdict", "allowed", "code"),
    [
        (Verdict.READY, None, 0),
        (Verdict.READY, True, 0),
        (Verdict.READY, False, 0),
        (Verdict.DEGRADED, None, 3),
        (Verdict.DEGRADED, True, 0),
        (Verdict.DEGRADED, False, 1),
    ],
)
@pytest.mark.parametrize(
    ("number", "bug"), list(itertools.product([None, signal.SIGINT, signal.SIGTERM], [False, True]))
)
def test_without_a_failure_the_verdict_gives_the_code_unless_a_signal_or_a_bug_does(
    verdict, allowed, code, number, bug
):
    found = decide_exit(verdict, [], signal=number, bug=bug, allow_degraded=allowed)
    assert found == ({signal.SIGINT: 130, signal.SIGTERM: 143}.get(number) or (70 if bug else code))


@pytest.mark.parametrize(
    ("blockers", "code"),
    [
        ([TRANSIENT], 1),
        ([FIXABLE], 1),
        ([SKIPPED, TRANSIENT], 1),
        ([UNDECIDED], 124),
        ([UNDECIDED, TRANSIENT], 124),
        ([PERMANENT], 78),
        ([UNDECIDED, PERMANENT, SKIPPED], 78),
        ([], 1),
    ],
)
@pytest.mark.parametrize("allowed", [None, True, False])
@pytest.mark.parametrize(
    ("number", "bug"), list(itertools.product([None, signal.SIGINT, signal.SIGTERM], [False, True]))
)
def test_a_failure_exits_with_the_worst_of_its_causes(blockers, code, allowed, number, bug):
    found = decide_exit(Verdict.FAILED, blockers, signal=number, bug=bug, allow_degraded=allowed)
    assert found == ({signal.SIGINT: 130, signal.SIGTERM: 143}.get(number) or (70 if bug else code))


def test_the_codes_are_those_that_are_documented():
    assert {one.name: one.value for one in Exit} == {
        "READY": 0,
        "FAILED": 1,
        "USAGE": 2,
        "DEGRADED": 3,
        "BUG": 70,
        "PERMANENT": 78,
        "DEADLINE": 124,
    }
