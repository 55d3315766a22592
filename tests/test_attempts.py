"""One attempt: prepare and check, the three clocks, what a kind may ask for, and what its exceptions mean."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager

import pytest

from building import (
    PERMANENT,
    TRANSIENT,
    Doing,
    Foreign,
    Lending,
    Preparing,
    code,
    component,
    failing,
    looks,
    refused,
    report_of,
    takes,
)
from startupctl.addresses import Endpoint
from startupctl.check import Degraded, Mode, Unhealthy
from startupctl.diagnosis import Diagnosis, FailureClass, Phase
from startupctl.failures import ConnectionBroken
from startupctl.outcome import Status, Verdict
from startupctl.redact import Redactor

pytestmark = pytest.mark.anyio

PREPARE = {"mode": Mode.PREPARE}
NOTE = code(FailureClass.NOTE, "TST900")


async def outcome_of(check, *, options=None, settings=None, **policy):
    report = await report_of(component("one", check=check, **policy), options=options, settings=settings)
    return report.outcomes["one"]


# prepare and check


async def test_a_component_is_prepared_once_and_then_checked_until_it_is_ready():
    done = []

    async def make(run):
        done.append(("prepare", run.mode))
        return {"created": True}

    answers = looks(refused(), refused(), {"version": "18"})

    async def look(run):
        done.append(("check", run.mode))
        return await answers(run)

    found = await outcome_of(Preparing(make=make, look=look), options=PREPARE)
    assert done == [("prepare", Mode.PREPARE), *[("check", Mode.CHECK)] * 3]
    assert found.facts == {"created": True, "version": "18"}


async def test_a_preparation_that_fails_is_tried_again_before_the_check():
    done = []
    answers = looks(refused(), failing(TRANSIENT), {"created": True})

    async def make(run):
        done.append("prepare")
        return await answers(run)

    async def look(run):
        done.append("check")

    found = await outcome_of(Preparing(make=make, look=look), options=PREPARE)
    assert (found.usable, done) == (True, ["prepare"] * 3 + ["check"])


async def test_a_check_prepares_nothing():
    found = await outcome_of(Preparing(make=looks(failing(PERMANENT))))
    assert found.status is Status.SUCCESS


async def test_prepare_and_check_have_an_attempt_timeout_each():
    check = Preparing(make=takes(0.06), look=takes(0.06))
    found = await outcome_of(check, options=PREPARE, attempt_timeout=0.1, max_retries=0)
    assert found.usable


# the clocks


async def test_a_look_that_hangs_ends_with_its_attempt_and_another_follows():
    hung = [True, True, False]

    async def look(run):
        if hung.pop(0):
            await asyncio.sleep(60)

    found = await outcome_of(Doing(look=look), attempt_timeout=0.02)
    assert (found.usable, found.attempts, found.retries) == (True, 3, 2)


async def test_a_look_that_always_hangs_is_told_with_its_time():
    found = await outcome_of(Doing(look=takes(60)), attempt_timeout=0.05, max_retries=1)
    assert (found.diagnosis.code.code, found.attempts) == ("RUN001", 2)
    assert found.diagnosis.summary == "not finished after 0.05 s"


async def test_a_kind_sees_how_long_it_has():
    seen = []

    async def look(run):
        seen.append((run.left(), run.connect_timeout))
        await asyncio.sleep(run.left() + 0.01)
        raise ConnectionBroken(Endpoint("db", 1), Phase.QUERY, TimeoutError(), seconds=0.2)

    found = await outcome_of(Doing(look=look), attempt_timeout=0.2, timeout=0.2, connect_timeout=3)
    [(left, connect_timeout)] = seen
    assert 0.1 < left <= 0.2
    assert connect_timeout == 3
    assert found.diagnosis.code.code == "NET003"  # it may say so itself: a little slack is left for that


@pytest.mark.parametrize("clocks", [{"attempt_timeout": 0.05}, {"timeout": 0.05}])
async def test_unhurried_work_may_take_longer_than_attempt_and_component(clocks):
    async def make(run):
        with run.unhurried():
            await asyncio.sleep(0.3)
        return {"applied": 1}

    found = await outcome_of(Preparing(make=make), options=PREPARE, **clocks)
    assert (found.status, found.attempts, found.facts) == (Status.SUCCESS, 1, {"applied": 1})


async def test_unhurried_work_moves_the_deadline_of_the_run():
    async def make(run):
        with run.unhurried():
            await asyncio.sleep(0.4)

    report = await report_of(
        component("migrating", check=Preparing(make=make)),
        component("after", ["migrating"], check=Doing(look=takes(0.05))),
        component("polling", check=Doing(look=looks(*[refused()] * 12, {})), timeout=60),
        options=PREPARE,
        settings={"deadline": 0.25},
    )
    assert (report.verdict, report.exit_code) == (Verdict.READY, 0)


async def test_unhurried_work_may_be_nested_and_the_attempt_gets_back_what_it_had_left():
    async def make(run):
        with run.unhurried():
            with run.unhurried():
                await asyncio.sleep(0.15)
            await asyncio.sleep(0.15)
        await asyncio.sleep(60)

    started = time.monotonic()
    found = await outcome_of(Preparing(make=make), options=PREPARE, attempt_timeout=0.1, max_retries=0)
    assert found.diagnosis.code.code == "RUN001"
    assert 0.3 < time.monotonic() - started < 5


async def test_what_fails_while_unhurried_is_the_diagnosis_however_long_it_took():
    answers = looks(refused(), None)

    async def make(run):
        await answers(run)
        with run.unhurried():
            await asyncio.sleep(0.3)
            raise failing(PERMANENT, "syntax error", "MIG002")

    found = await outcome_of(Preparing(make=make), options=PREPARE, timeout=0.2)
    assert found.diagnosis.code.code == "MIG002"


async def test_a_migration_that_was_refused_is_not_tried_again_although_the_server_had_been_down():
    answers, tries = looks(refused(), None), []

    async def make(run):
        await answers(run)
        with run.unhurried():
            tries.append(run)
            raise failing(PERMANENT, "syntax error", "MIG002")

    found = await outcome_of(Preparing(make=make), options=PREPARE, settle=0.1)
    assert (found.diagnosis.code.code, len(tries)) == ("MIG002", 1)


async def test_a_borrowed_lock_stops_the_clocks_from_asking_to_release():
    class Slow(Lending):
        @asynccontextmanager
        async def lock(self, run):
            await asyncio.sleep(0.15)
            yield self
            await asyncio.sleep(0.15)

    async def make(run):
        async with run.lock("database"):
            await asyncio.sleep(0.15)
        return {"applied": 2}

    report = await report_of(
        component("database", check=Slow(asked=[])),
        component("events", ["database"], check=Preparing(make=make), attempt_timeout=0.05, timeout=0.1),
        options=PREPARE,
    )
    assert report.outcomes["events"].facts == {"applied": 2}


class Refusing(Lending):
    """Lends nothing: its server says no, in a way that only this kind knows."""

    @asynccontextmanager
    async def lock(self, run):
        raise KeyError("28P01")
        yield

    def explain(self, error):
        return Diagnosis(code(PERMANENT, "TST901")) if isinstance(error, KeyError) else None


async def test_what_goes_wrong_when_a_lock_is_lent_is_explained_by_the_lender():
    async def make(run):
        async with run.lock("database"):
            return {}

    report = await report_of(
        component("database", check=Refusing(asked=[])),
        component("events", ["database"], check=Preparing(make=make)),
        options=PREPARE,
    )
    assert (report.outcomes["events"].diagnosis.code.code, report.bug) == ("TST901", "")


# what a kind may ask for


async def test_notes_survive_failed_attempts_and_are_cleaned():
    async def make(run):
        run.note(created=True, owner="s3cret")
        raise failing(TRANSIENT)

    found = await outcome_of(Preparing(make=make), options=PREPARE | {"redactor": Redactor(["s3cret"])}, max_retries=1)
    assert (found.usable, found.facts) == (False, {"created": True, "owner": "***"})


async def test_facts_of_a_failure_are_kept():
    found = await outcome_of(Doing(look=looks(Unhealthy(Diagnosis(code(PERMANENT)), {"version": "12"}))))
    assert found.facts == {"version": "12"}


async def test_a_warning_is_given_once_and_changes_no_verdict():
    async def look(run):
        run.warn(NOTE)
        run.warn(NOTE)

    report = await report_of(component("one", check=Doing(look=look)))
    assert [one.code for one in report.outcomes["one"].warnings] == ["TST900"]
    assert report.verdict is Verdict.READY


async def test_warnings_are_those_of_prepare_and_of_the_last_look():
    counting = iter(range(10))
    number = code(FailureClass.NOTE, "TST901")
    templated = type(number)("TST901", "counts", FailureClass.NOTE, "{left} left")

    async def make(run):
        run.warn(NOTE)

    async def look(run):
        left = next(counting)
        run.warn(templated, left=left)
        if left < 3:
            raise refused()

    found = await outcome_of(Preparing(make=make, look=look), options=PREPARE)
    assert [one.text for one in found.warnings] == ["as the test says", "3 left"]


async def test_facts_texts_and_reservations_are_cleaned():
    cleaned = {"redactor": Redactor(["s3cret"])}
    found = await outcome_of(Doing(look=looks({"banner": ["s3cret here"]})), options=cleaned)
    assert found.facts == {"banner": ["*** here"]}
    failed = await outcome_of(Doing(look=looks(failing(PERMANENT, "no s3cret"))), options=cleaned)
    assert failed.diagnosis.said == "no ***"
    degraded = await outcome_of(Doing(look=looks(Degraded("a s3cret too"))), options=cleaned)
    assert degraded.diagnosis.said == "a *** too"


# what an exception means


async def test_a_kind_explains_its_own_signals_first():
    class Explaining(Doing):
        def explain(self, error):
            return Diagnosis(code(PERMANENT, "TST002"), said=str(error)) if isinstance(error, ValueError) else None

    found = await outcome_of(Explaining(look=looks(ValueError("own signal"))))
    assert (found.diagnosis.code.code, found.diagnosis.said) == ("TST002", "own signal")


async def test_a_broken_connection_is_known_to_all():
    broken = ConnectionBroken(Endpoint("db", 5432), Phase.CONNECT, ConnectionRefusedError(111, "refused"))
    found = await outcome_of(Doing(look=looks(broken)), timeout=0.05)
    assert found.diagnosis.code.code == "NET001"


async def test_an_exception_of_the_users_code_is_a_failure_that_is_tried_again():
    found = await outcome_of(Foreign(look=looks(ValueError("not yet")), place="shop:probe"), max_retries=2)
    assert (found.diagnosis.code.code, found.diagnosis.failure, found.attempts) == ("RUN005", TRANSIENT, 3)
    assert found.diagnosis.summary == "`shop:probe`: ValueError: not yet"


async def test_an_exception_that_cannot_tell_its_text_is_a_failure_as_any_other():
    class Mute(Exception):
        def __str__(self):
            raise KeyError("no text")

    found = await outcome_of(Foreign(look=looks(Mute()), place="shop:probe"), max_retries=0)
    assert found.diagnosis.code.code == "RUN005"
    assert found.diagnosis.summary == "`shop:probe`: Mute: its text cannot be made: KeyError"


@pytest.mark.parametrize("error", [KeyError("x"), OSError(5, "raw"), TimeoutError("its own"), ZeroDivisionError()])
async def test_an_exception_of_a_kind_that_nobody_maps_is_a_bug_and_final(error):
    report = await report_of(component("one", check=Doing(look=looks(error)), priority="CRITICAL"))
    found = report.outcomes["one"]
    assert (found.status, found.diagnosis.code.code, found.attempts) == (Status.FAILED, "RUN900", 1)
    assert (report.exit_code, type(error).__name__ in report.bug) == (70, True)


async def test_a_kind_that_fails_to_explain_is_a_bug_and_the_report_is_complete():
    class Confused(Doing):
        def explain(self, error):
            raise AttributeError("explain is broken")

    report = await report_of(component("one", check=Confused(look=looks(ValueError()))), component("other"))
    assert report.outcomes["one"].diagnosis.code.code == "RUN900"
    assert report.outcomes["other"].status is Status.SUCCESS
    assert ("explain is broken" in report.bug, report.exit_code) == (True, 70)


async def test_a_cancellation_nobody_asked_for_is_a_failure_of_the_component():
    async def look(run):
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    report = await report_of(component("one", check=Foreign(look=look), max_retries=1), component("other"))
    found = report.outcomes["one"]
    assert (found.diagnosis.code.code, found.diagnosis.facts["kind"], found.attempts) == ("RUN005", "CancelledError", 2)
    assert report.outcomes["other"].status is Status.SUCCESS


async def test_a_cancellation_is_never_swallowed():
    swallowed = []

    async def look(run):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            swallowed.append("seen")
            raise

    task = asyncio.ensure_future(outcome_of(Foreign(look=look), attempt_timeout=60, timeout=60))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert swallowed == ["seen"]


async def test_sockets_of_a_look_that_is_cut_off_are_closed():
    server = socket.create_server(("127.0.0.1", 0))

    async def look(run):
        from startupctl.wire.stream import Stream

        async with Stream.open(Endpoint(*server.getsockname()), run) as stream:
            await stream.read_some()

    found = await outcome_of(Doing(look=look), attempt_timeout=0.05, timeout=0.05)
    server.close()
    assert found.diagnosis.code.code == "NET003"
