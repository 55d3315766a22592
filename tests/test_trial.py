"""One component: its looks, its retries, the end of its time, and what came of it."""

from __future__ import annotations

import time

import pytest

from building import (
    CONTENTION,
    FIXABLE,
    PERMANENT,
    TRANSIENT,
    WAITING,
    WARMING,
    Doing,
    Preparing,
    code,
    component,
    failing,
    looks,
    refused,
    report_of,
    takes,
)
from startupctl import network_codes as codes
from startupctl.check import Degraded, Mode, Unhealthy
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.outcome import EventKind, Status

pytestmark = pytest.mark.anyio


async def outcome_of(look, *, options=None, settings=None, listener=None, kind=Doing, **more):
    """Return the outcome of one component that looks like this."""
    made = kind(look=look, **{key: more.pop(key) for key in ("make",) if key in more})
    report = await report_of(
        component("one", check=made, **more), options=options, settings=settings, listener=listener
    )
    return report.outcomes["one"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([{}], (1, 0, 0)),
        ([refused(), {}], (2, 1, 0)),
        ([failing(TRANSIENT), {}], (2, 0, 1)),
        ([refused(), failing(WARMING), failing(TRANSIENT), failing(CONTENTION), {}], (5, 2, 2)),
        ([failing(TRANSIENT), refused(), {}], (3, 1, 1)),
    ],
)
async def test_every_look_is_counted_once_as_a_poll_or_as_a_retry(answers, expected):
    found = await outcome_of(looks(*answers))
    assert (found.status, found.usable) == (Status.SUCCESS, True)
    assert (found.attempts, found.polls, found.retries) == expected
    assert found.attempts == 1 + found.polls + found.retries


@pytest.mark.parametrize("failure", [TRANSIENT, CONTENTION])
@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_retries_are_bounded_and_the_last_real_error_is_kept(failure, retries):
    answers = [failing(failure, f"error {number}") for number in range(10)]
    found = await outcome_of(looks(*answers), max_retries=retries)
    assert (found.usable, found.attempts, found.retries) == (False, 1 + retries, retries)
    assert found.diagnosis.said == f"error {retries}"


async def test_polls_cost_no_retries():
    answers = [*[refused()] * 5, failing(TRANSIENT), *[failing(WARMING)] * 3, failing(TRANSIENT), {}]
    found = await outcome_of(looks(*answers), max_retries=2)
    assert (found.usable, found.polls, found.retries) == (True, 8, 2)


async def test_what_is_permanent_ends_at_the_first_look():
    found = await outcome_of(looks(failing(PERMANENT, "wrong password")), priority="CRITICAL")
    assert (found.status, found.attempts, found.diagnosis.said) == (Status.FAILED, 1, "wrong password")


async def test_a_server_that_comes_late_is_found_and_a_late_role_too():
    answers = [refused(), failing(WARMING), failing(PERMANENT, "no such role"), {"version": "18"}]
    found = await outcome_of(looks(*answers), settle=0.05)
    assert (found.status, found.facts, found.attempts) == (Status.SUCCESS, {"version": "18"}, 4)


async def test_the_time_of_a_component_ends_its_waiting_with_what_the_last_look_said():
    started = time.monotonic()
    found = await outcome_of(looks(refused()), timeout=0.2)
    assert (found.usable, found.undecided, found.diagnosis.code) == (False, False, codes.REFUSED)
    assert found.polls > 2
    assert time.monotonic() - started < 3


async def test_a_server_that_never_stops_warming_has_a_name_of_its_own():
    found = await outcome_of(looks(refused(), failing(WARMING, "replaying", "PG009")), timeout=0.2)
    assert (found.diagnosis.code.code, found.diagnosis.failure) == ("DEP003", WARMING)
    assert "PG009 as the test says: replaying" in found.diagnosis.summary


async def test_a_server_that_warmed_and_went_away_has_the_name_of_its_last_look():
    found = await outcome_of(looks(failing(WARMING), refused()), timeout=0.2)
    assert found.diagnosis.code.code == "NET001"


async def test_an_attempt_that_the_end_cut_short_does_not_hide_what_the_one_before_found():
    answers = looks(failing(WARMING, "replaying"), {"never": "reached"})

    async def look(run):
        facts = await answers(run)
        await takes(60)(run)
        return facts

    found = await outcome_of(look, timeout=0.2)
    assert (found.diagnosis.code.code, found.attempts) == ("DEP003", 2)


async def test_the_class_at_the_end_is_the_one_it_had_turned_into():
    port_in_use = Unhealthy(Diagnosis(code(WAITING, "RES002", turns=(0.05, FailureClass.PERMANENT))))
    found = await outcome_of(looks(port_in_use), priority="CRITICAL")
    assert found.diagnosis.failure is FailureClass.PERMANENT
    assert found.polls > 0


async def test_passes_are_wanted_in_a_row():
    seen = []
    found = await outcome_of(
        looks({"look": 1}, {"look": 2}, refused(), {"look": 4}, {"look": 5}, {"look": 6}),
        success_threshold=3,
        listener=seen.append,
    )
    assert (found.status, found.facts, found.attempts) == (Status.SUCCESS, {"look": 6}, 6)
    assert found.attempts == 1 + found.polls + found.retries
    assert [event.wait is None for event in seen if event.kind is EventKind.LOOKED] == [False] * 5 + [True]


async def test_too_few_passes_in_a_row_are_no_success():
    found = await outcome_of(looks({}), success_threshold=1000, timeout=0.1)
    assert (found.usable, found.diagnosis.code.code) == (False, "RUN001")
    assert f"{found.attempts} of 1000 passes in a row" in found.diagnosis.summary


async def test_reservations_are_usable_and_degraded():
    found = await outcome_of(looks(Degraded("slow today", {"latency": 3})))
    assert (found.status, found.usable, found.facts) == (Status.DEGRADED, True, {"latency": 3})
    assert found.diagnosis.summary == "slow today"


async def test_hint_and_runbook_of_the_manifest_are_shown_when_it_fails():
    failed = await outcome_of(looks(failing(PERMANENT)), hint="ask the DBA", runbook="https://wiki/db")
    assert (failed.diagnosis.hint, failed.runbook) == ("ask the DBA", "https://wiki/db")
    well = await outcome_of(looks({}), hint="ask the DBA", runbook="https://wiki/db")
    assert (well.diagnosis, well.runbook) == (None, "")


async def test_what_the_server_asks_for_is_waited_and_never_past_the_end():
    seen = []
    asking = Unhealthy(Diagnosis(code(WARMING), retry_after=0.1))
    await outcome_of(looks(asking, {}), listener=seen.append)
    assert next(event.wait for event in seen if event.wait) == 0.1
    started = time.monotonic()
    patient = Unhealthy(Diagnosis(code(WARMING), retry_after=3600))
    found = await outcome_of(looks(patient), timeout=0.7)
    assert (found.usable, found.attempts) == (False, 2)
    assert time.monotonic() - started < 4


PENDING = failing(FIXABLE, "3 migrations pending", "MIG001")


async def test_what_init_db_mends_fails_a_check():
    found = await outcome_of(looks(PENDING), priority="CRITICAL")
    assert (found.status, found.diagnosis.code.code, found.attempts) == (Status.FAILED, "MIG001", 1)


async def test_what_init_db_mends_may_be_allowed_as_a_warning():
    found = await outcome_of(looks(PENDING), options={"allow_pending": True})
    assert (found.status, found.diagnosis) == (Status.SUCCESS, None)
    assert [(one.code, one.text) for one in found.warnings] == [("MIG001", "as the test says: 3 migrations pending")]


async def test_what_init_db_mends_may_be_waited_for():
    found = await outcome_of(looks(PENDING, PENDING, {}), options={"await_init": True})
    assert (found.status, found.polls) == (Status.SUCCESS, 2)
    late = await outcome_of(looks(PENDING), options={"await_init": True}, timeout=0.1)
    assert (late.usable, late.diagnosis.code.code, late.diagnosis.failure) == (False, "MIG001", WAITING)


async def test_a_dry_run_passes_over_what_the_real_run_would_mend():
    modes = []

    async def make(run):
        modes.append(run.mode)
        return {"would_apply": ["0001"]}

    found = await outcome_of(looks(PENDING), kind=Preparing, make=make, options={"mode": Mode.DRY_RUN})
    assert (found.status, modes) == (Status.SUCCESS, [Mode.DRY_RUN])
    assert found.facts["would_apply"] == ["0001"]


async def test_a_dry_run_that_cannot_do_what_is_wanted_is_no_success():
    async def make(run):
        raise failing(FIXABLE, "no database to create it from", "PG001")

    found = await outcome_of(looks(), kind=Preparing, make=make, options={"mode": Mode.DRY_RUN})
    assert (found.usable, found.diagnosis.code.code) == (False, "PG001")


@pytest.mark.parametrize("option", ["allow_pending", "await_init"])
async def test_leniency_is_for_what_init_db_mends_only(option):
    found = await outcome_of(looks(failing(PERMANENT)), options={option: True})
    assert (found.usable, found.attempts, found.warnings) == (False, 1, ())


@pytest.mark.parametrize("options", [{"allow_pending": True}, {"mode": Mode.DRY_RUN}])
async def test_leniency_ends_where_init_db_with_this_manifest_would_mend_nothing(options):
    hopeless = Unhealthy(Diagnosis(code(FIXABLE, "PG001"), mendable=False))
    found = await outcome_of(looks(hopeless), options=options)
    assert (found.usable, found.diagnosis.code.code, found.attempts) == (False, "PG001", 1)
