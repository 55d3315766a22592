"""A run as a whole: order, skipping, slots, signals, locks, bugs, events, the report."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import (
    PERMANENT,
    TRANSIENT,
    WAITING,
    Doing,
    Lending,
    LendingStrongly,
    Preparing,
    component,
    failing,
    looks,
    manifest,
    plan,
    refused,
    report_of,
    takes,
)
from startupctl.engine import Options, Stop, run_plan
from startupctl.fields import Priority
from startupctl.model import Settings
from startupctl.outcome import EventKind, Status, Verdict
from startupctl.plan import Selection, make_plan
from startupctl.redact import Redactor
from startupctl.threads import in_thread

anyio = pytest.mark.anyio

BROKEN = failing(PERMANENT, "broken for good")


def statuses(report):
    return {name: one.status.value for name, one in report.outcomes.items()}


# order


class Journal:
    """Records when components begin, end and are settled, in order; also a listener."""

    def __init__(self):
        self.lines = []

    def __call__(self, event):
        if event.kind is EventKind.SETTLED:
            self.lines.append(("settled", event.component))

    def look(self, name, seconds=0.0, fails=None):
        async def look(run):
            self.lines.append(("begins", name))
            await asyncio.sleep(seconds)
            self.lines.append(("ends", name))
            if fails:
                raise fails

        return Doing(look=look, place=name)


def early_starts(journal, plan):
    """Return the components that began before one of their dependencies had settled."""
    settled, early = set(), []
    for what, name in journal.lines:
        if what == "settled":
            settled.add(name)
        elif not settled.issuperset(plan.steps[name].needs):
            early.append(name)
    return early


@st.composite
def graphs(draw):
    """Draw (name, required, optional, fails, seconds) of components; edges lead to earlier ones."""
    found = []
    for number in range(draw(st.integers(1, 9))):
        names = [f"c{other}" for other in range(number)]
        edges = draw(st.dictionaries(st.sampled_from(names), st.booleans(), max_size=3)) if names else {}
        fails, seconds = draw(st.booleans()), draw(st.sampled_from([0, 0, 0.001, 0.002]))
        found.append((f"c{number}", edges, fails, seconds))
    return draw(st.permutations(found))


def built(drawn, journal):
    return [
        component(
            name,
            [need for need, required in edges.items() if required],
            optional=[need for need, required in edges.items() if not required],
            check=journal.look(name, seconds, BROKEN if fails else None),
        )
        for name, edges, fails, seconds in drawn
    ]


@settings(max_examples=60)
@given(graphs(), st.sampled_from([1, 2, 64]))
def test_nothing_starts_before_its_dependencies_have_settled_and_what_fails_is_skipped_through(drawn, slots):
    journal = Journal()
    found = plan(*built(drawn, journal), max_concurrent=slots)
    report = asyncio.run(run_plan(found, Options(), journal))
    assert early_starts(journal, found) == []
    fails = {name for name, _, broken, _ in drawn if broken}
    begun = {name for what, name in journal.lines if what == "begins"}
    assert list(report.outcomes) == [name for name, *_ in drawn]
    for name, edges, _, _ in drawn:
        outcome = report.outcomes[name]
        unusable = [need for need, required in edges.items() if required and not report.outcomes[need].usable]
        assert (outcome.status is Status.SKIPPED) == bool(unusable) == (name not in begun)
        assert outcome.usable == (name in begun and name not in fails)
        if unusable:
            assert outcome.skipped_because in fails
            assert outcome.attempts == 0
        else:
            assert set(outcome.impaired_by) == {need for need in edges if not report.outcomes[need].usable}


def thousand(journal):
    dice = random.Random(20261123)
    return [
        component(
            f"c{n}",
            {f"c{dice.randrange(n)}" for _ in range(dice.randrange(4))} if n else (),
            check=journal.look(f"c{n}"),
        )
        for n in range(1000)
    ]


@anyio
async def test_a_thousand_components_start_in_order_and_all_are_reported():
    journal = Journal()
    found = plan(*thousand(journal))
    report = await run_plan(found, Options(), journal)
    assert early_starts(journal, found) == []
    assert report.verdict is Verdict.READY
    assert report.count(Status.SUCCESS) == 1000


@anyio
async def test_what_does_not_depend_on_each_other_runs_at_the_same_time():
    meeting = asyncio.Barrier(3)

    async def meet(run):
        async with asyncio.timeout(4):
            await meeting.wait()

    report = await report_of(*(component(name, check=Doing(look=meet)) for name in "abc"))
    assert report.verdict is Verdict.READY


@anyio
async def test_a_component_starts_with_its_last_dependency_not_with_its_wave():
    released = asyncio.Event()

    async def release(run):
        released.set()

    async def wait(run):
        async with asyncio.timeout(4):
            await released.wait()

    report = await report_of(
        component("slow", check=Doing(look=wait)),
        component("quick"),
        component("second wave", ["quick"], check=Doing(look=release)),
    )
    assert report.verdict is Verdict.READY


# what is not usable


@anyio
async def test_the_root_cause_is_named_through_a_chain_of_skips():
    report = await report_of(
        component("database", check=Doing(look=looks(BROKEN)), priority="CRITICAL"),
        component("cache", ["database"]),
        component("worker", ["cache"]),
        component("api", ["worker"], optional=["database"]),
        component("bystander"),
    )
    assert statuses(report) == {
        "database": "FAILED",
        "cache": "SKIPPED",
        "worker": "SKIPPED",
        "api": "SKIPPED",
        "bystander": "SUCCESS",
    }
    assert [report.outcomes[name].skipped_because for name in ("cache", "worker", "api")] == ["database"] * 3
    assert report.outcomes["api"].diagnosis.code.code == "DEP004"
    assert report.outcomes["api"].diagnosis.summary == "not tried because `database` is not usable"
    assert report.outcomes["api"].attempts == 0
    assert [one.name for one in report.roots] == ["database"]


@anyio
async def test_an_edge_that_is_not_required_is_waited_for_and_impairs():
    journal = Journal()
    report = await report_of(
        component("broken", check=journal.look("broken", 0.01, BROKEN), priority="LOW"),
        component("api", optional=["broken"], check=journal.look("api")),
    )
    assert journal.lines == [("begins", "broken"), ("ends", "broken"), ("begins", "api"), ("ends", "api")]
    assert statuses(report) == {"broken": "DEGRADED", "api": "SUCCESS"}
    assert report.outcomes["api"].impaired_by == ("broken",)
    assert report.verdict is Verdict.READY


@anyio
async def test_a_dependency_with_reservations_or_outside_the_plan_impairs_and_does_not_skip():
    from startupctl.check import Degraded

    components = (
        component("slow", check=Doing(look=looks(Degraded("only one of three answers")))),
        component("left out"),
        component("api", ["slow", "left out"]),
    )
    report = await run_plan(make_plan(manifest(*components), Selection(skip=("left out",))), Options())
    assert statuses(report) == {"slow": "DEGRADED", "api": "SUCCESS"}
    assert report.outcomes["slow"].usable
    assert report.outcomes["slow"].diagnosis.summary == "only one of three answers"
    assert report.outcomes["api"].impaired_by == ("slow", "left out")
    assert report.outcomes["api"].depends_on == ("slow", "left out")
    assert (report.verdict, report.exit_code) == (Verdict.DEGRADED, 3)


@anyio
async def test_what_something_critical_requires_fails_the_run_whatever_its_own_priority():
    report = await report_of(
        component("cache", check=Doing(look=looks(BROKEN)), priority="LOW"),
        component("api", ["cache"], priority="CRITICAL"),
    )
    cache = report.outcomes["cache"]
    assert (cache.priority, cache.effective_priority) == (Priority.LOW, Priority.CRITICAL)
    assert (cache.status, report.verdict, report.exit_code) == (Status.FAILED, Verdict.FAILED, 78)


@anyio
@pytest.mark.parametrize(("fail_on", "status"), [("CRITICAL", Status.DEGRADED), ("HIGH", Status.FAILED)])
async def test_fail_on_decides_what_an_unusable_component_is_called(fail_on, status):
    report = await report_of(component("one", check=Doing(look=looks(BROKEN))), settings={"fail_on": fail_on})
    assert (report.outcomes["one"].status, report.outcomes["one"].usable) == (status, False)


# slots


@anyio
async def test_only_so_many_attempts_are_in_flight():
    inside, most = 0, 0

    async def look(run):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1

    report = await report_of(
        *(component(f"c{n}", check=Doing(look=look)) for n in range(20)), settings={"max_concurrent": 3}
    )
    assert (report.verdict, most) == (Verdict.READY, 3)


@anyio
async def test_when_slots_are_full_the_highest_effective_priority_goes_first():
    journal = Journal()
    await report_of(
        component("first", check=journal.look("first", 0.02), priority="LOW"),
        component("low", check=journal.look("low"), priority="LOW"),
        component("promoted", check=journal.look("promoted"), priority="LOW"),
        component("high", check=journal.look("high"), priority="HIGH"),
        component("critical", ["promoted"], check=journal.look("critical"), priority="CRITICAL"),
        settings={"max_concurrent": 1},
    )
    begun = [name for what, name in journal.lines if what == "begins" and name != "critical"]
    assert begun == ["first", "promoted", "high", "low"]


@anyio
async def test_a_component_between_two_looks_holds_no_slot():
    opened = asyncio.Event()

    async def closed_at_first(run):
        if not opened.is_set():
            raise refused()

    async def opens(run):
        opened.set()

    report = await report_of(
        component("waits", check=Doing(look=closed_at_first), priority="CRITICAL"),
        component("opens", check=Doing(look=opens), priority="LOW"),
        settings={"max_concurrent": 1},
    )
    assert report.verdict is Verdict.READY


@anyio
async def test_who_waits_long_for_a_slot_still_gets_its_time():
    report = await report_of(
        *(component(f"c{n}", check=Doing(look=takes(0.05)), timeout=0.15) for n in range(8)),
        settings={"max_concurrent": 1},
    )
    assert report.count(Status.SUCCESS) == 8


# the end of a run


@anyio
async def test_the_deadline_of_the_run_leaves_a_blocking_component_undecided():
    report = await report_of(
        component("database", check=Doing(look=looks(refused())), priority="CRITICAL", timeout=60),
        component("api", ["database"], priority="CRITICAL"),
        component("quick"),
        settings={"deadline": 0.2},
    )
    assert statuses(report) == {"database": "FAILED", "api": "SKIPPED", "quick": "SUCCESS"}
    assert report.outcomes["database"].undecided
    assert report.outcomes["database"].diagnosis.code.code == "NET001"
    assert report.exit_code == 124


@anyio
async def test_what_hangs_at_the_deadline_of_the_run_is_told_so():
    report = await report_of(
        component("stuck", check=Doing(look=takes(60)), priority="CRITICAL", timeout=60, attempt_timeout=60),
        settings={"deadline": 0.1},
    )
    found = report.outcomes["stuck"].diagnosis
    assert (found.code.code, found.facts["seconds"], report.exit_code) == ("RUN002", 0.1, 124)


@anyio
async def test_what_ended_by_itself_before_the_deadline_is_decided():
    report = await report_of(
        component("broken", check=Doing(look=looks(failing(TRANSIENT))), priority="CRITICAL", max_retries=1),
        component("slow", check=Doing(look=takes(60)), timeout=60, attempt_timeout=60),
        settings={"deadline": 0.3},
    )
    assert (report.outcomes["broken"].undecided, report.exit_code) == (False, 1)


@anyio
async def test_fail_fast_ends_the_run_at_the_first_blocking_failure():
    report = await report_of(
        component("later", ["slow"]),
        component("slow", check=Doing(look=takes(60))),
        component("polling", check=Doing(look=looks(refused()))),
        component("unimportant", check=Doing(look=looks(BROKEN)), priority="LOW"),
        component("database", check=Doing(look=takes(0.02)), priority="CRITICAL"),
        component("schema", ["database"], check=Doing(look=looks(BROKEN)), priority="CRITICAL"),
        options={"fail_fast": True},
    )
    assert statuses(report) == {
        "later": "CANCELLED",
        "slow": "CANCELLED",
        "polling": "CANCELLED",
        "unimportant": "DEGRADED",
        "database": "SUCCESS",
        "schema": "FAILED",
    }
    assert report.outcomes["polling"].diagnosis.code.code == "NET001"
    assert report.exit_code == 78


@anyio
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_fail_fast_reports_components_that_had_not_even_begun(place):
    events = []
    components = [component("a"), component("b")]
    components.insert(place, component("broken", check=Doing(look=looks(BROKEN)), priority="CRITICAL"))
    report = await report_of(*components, options={"fail_fast": True}, listener=events.append)
    assert report.outcomes["broken"].status is Status.FAILED
    assert {one.status for one in report.outcomes.values()} <= {Status.FAILED, Status.SUCCESS, Status.CANCELLED}
    assert sorted(one.component for one in events if one.kind is EventKind.SETTLED) == ["a", "b", "broken"]


@anyio
async def test_fail_fast_lets_what_is_changing_something_finish():
    begun = asyncio.Event()

    async def migrate(run):
        with run.unhurried():
            begun.set()
            await asyncio.sleep(0.05)
        return {"applied": 3}

    async def breaks(run):
        await begun.wait()
        raise BROKEN

    from startupctl.check import Mode

    report = await report_of(
        component("events", check=Preparing(make=migrate)),
        component("database", check=Doing(look=breaks), priority="CRITICAL"),
        options={"fail_fast": True, "mode": Mode.PREPARE},
    )
    assert statuses(report) == {"events": "SUCCESS", "database": "FAILED"}
    assert report.outcomes["events"].facts == {"applied": 3}


def stopping_after(seconds, *components, number=signal.SIGTERM, **more):
    async def run():
        stop, task = Stop(), asyncio.current_task()

        def handle():
            stop.signal = number
            task.cancel()

        asyncio.get_running_loop().call_later(seconds, handle)
        return await run_plan(plan(*components), Options(**more), stop=stop)

    return asyncio.run(run())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_with_a_complete_report(number, code):
    async def noting(run):
        run.note(created=True, password="s3cret")
        await asyncio.sleep(60)

    report = stopping_after(
        0.05,
        component("done"),
        component("polling", check=Doing(look=looks(refused())), timeout=60),
        component("hanging", check=Doing(look=noting), attempt_timeout=60, timeout=60),
        component("later", ["hanging"]),
        number=number,
        redactor=Redactor(["s3cret"]),
    )
    assert statuses(report) == {"done": "SUCCESS", "polling": "CANCELLED", "hanging": "CANCELLED", "later": "CANCELLED"}
    assert (report.exit_code, report.signal) == (code, number)
    polling, hanging = report.outcomes["polling"], report.outcomes["hanging"]
    assert polling.diagnosis.code.code == "NET001"
    assert polling.attempts == 1 + polling.polls + polling.retries
    assert (hanging.attempts, hanging.diagnosis) == (1, None)
    assert hanging.facts == {"created": True, "password": "***"}
    assert report.outcomes["later"].attempts == 0


def test_a_signal_before_anything_began_gives_a_complete_report_too():
    async def run():
        task = asyncio.current_task()
        task.cancel()
        found = plan(component("a", check=Doing(look=takes(60))), component("b", ["a"]))
        return await run_plan(found, Options(), stop=Stop(signal.SIGTERM))

    report = asyncio.run(run())
    assert statuses(report) == {"a": "CANCELLED", "b": "CANCELLED"}
    assert report.exit_code == 143


@anyio
async def test_without_a_signal_a_cancellation_goes_on_to_the_caller():
    cleaned = []

    async def look(run):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cleaned.append("cleaned up")
            raise

    task = asyncio.ensure_future(report_of(component("one", check=Doing(look=look), attempt_timeout=60, timeout=60)))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (task.cancelled(), cleaned) == (True, ["cleaned up"])


@anyio
async def test_a_timeout_of_the_caller_is_the_callers_timeout():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await report_of(component("one", check=Doing(look=looks(refused())), timeout=60))


# blocking calls


@anyio
async def test_hung_blocking_calls_neither_starve_another_nor_delay_the_end():
    release = threading.Event()

    async def hangs(run):
        await in_thread(release.wait, 60)

    async def calls(run):
        return {"thread": await in_thread(lambda: "answered")}

    started = time.monotonic()
    report = await report_of(
        *(
            component(
                f"hung{n}", check=Doing(look=hangs), attempt_timeout=0.1, timeout=0.2, max_retries=0, priority="LOW"
            )
            for n in range(8)
        ),
        component("ninth", check=Doing(look=calls)),
    )
    release.set()
    assert report.outcomes["ninth"].facts == {"thread": "answered"}
    assert {one.diagnosis.code.code for name, one in report.outcomes.items() if name != "ninth"} == {"RUN001"}
    assert time.monotonic() - started < 5


# bugs


@anyio
async def test_an_exception_nobody_knows_is_our_bug_and_the_report_is_complete():
    async def look(run):
        raise KeyError("the word is correct horse battery")

    report = await report_of(
        component("odd", check=Doing(look=look)),
        component("after", ["odd"]),
        component("other"),
        options={"redactor": Redactor(["correct horse battery"])},
    )
    assert statuses(report) == {"odd": "DEGRADED", "after": "SKIPPED", "other": "SUCCESS"}
    assert report.outcomes["odd"].diagnosis.code.code == "RUN900"
    assert report.exit_code == 70
    assert report.bug.startswith("Traceback")
    assert "KeyError: 'the word is ***'" in report.bug
    assert "correct horse" not in repr(report)


@anyio
async def test_the_first_of_several_bugs_is_kept():
    async def look(run):
        raise LookupError(run.folder.name)

    report = await report_of(*(component(n, check=Doing(look=look)) for n in "ab"))
    assert report.bug.count("Traceback") == 1


# locks


async def borrowed(*lenders, name="", borrower_needs=("near",)):
    """Return the place of the lender that a borrower was given, and the run it was asked with."""
    asked = []
    lenders = [one(asked) if callable(one) else one for one in lenders]

    async def borrow(run):
        async with run.lock(name):
            return {}

    report = await report_of(*lenders, component("borrower", borrower_needs, check=Doing(look=borrow)))
    return asked, report


def lending(name, needs=(), kind=Lending, **more):
    return lambda asked: component(name, needs, check=kind(place=name, asked=asked), **more)


@anyio
async def test_the_lock_of_the_named_component_is_lent(tmp_path):
    asked, _ = await borrowed(
        lending("near", kind=LendingStrongly), lending("apart", folder=tmp_path), name="apart", borrower_needs=()
    )
    [(place, run)] = asked
    assert (place, run.folder, run.deadline) == ("apart", tmp_path, float("inf"))


@anyio
@pytest.mark.parametrize(
    ("lenders", "needs", "expected"),
    [
        ([lending("near")], ["near"], "near"),
        ([lending("far"), lending("near", ["far"])], ["near"], "near"),
        ([lending("far"), component("near", ["far"])], ["near"], "far"),
        ([lending("weak"), lending("strong", kind=LendingStrongly)], ["weak", "strong"], "strong"),
        ([lending("far", kind=LendingStrongly), lending("near", ["far"])], ["near"], "far"),
        ([lending("one"), lending("two")], ["two", "one"], "two"),
    ],
)
async def test_else_the_strongest_of_the_dependencies_lends_and_of_equals_the_nearest(lenders, needs, expected):
    asked, _ = await borrowed(*lenders, borrower_needs=needs)
    assert [place for place, _ in asked] == [expected]


@anyio
async def test_an_edge_that_is_not_required_lends_as_well_and_a_disabled_component_does_not():
    asked = []

    async def borrow(run):
        async with run.lock():
            return {}

    report = await report_of(
        lending("disabled", kind=LendingStrongly, enabled=False)(asked),
        lending("optional")(asked),
        component("borrower", optional=["disabled", "optional"], check=Doing(look=borrow)),
    )
    assert ([place for place, _ in asked], report.verdict) == (["optional"], Verdict.READY)


@anyio
@pytest.mark.parametrize(("name", "needs"), [("", []), ("", ["plain"]), ("plain", ["near"]), ("nobody", ["near"])])
async def test_when_nobody_can_lend_a_lock_the_kind_is_told(name, needs):
    asked = []

    async def borrow(run):
        try:
            async with run.lock(name):
                return {}
        except LookupError:
            return {"lender": None}

    report = await report_of(
        component("plain"), lending("near")(asked), component("borrower", needs, check=Doing(look=borrow))
    )
    assert (report.outcomes["borrower"].facts, asked) == ({"lender": None}, [])


@anyio
async def test_a_lender_is_found_in_a_dense_graph():
    layers = [[f"c{depth}.{n}" for n in range(8)] for depth in range(12)]
    components = [component(name) for name in layers[0]]
    for below, layer in itertools.pairwise(layers):
        components += [component(name, below) for name in layer]
    asked, report = await borrowed(*components, borrower_needs=layers[-1])
    assert asked == []
    assert report.outcomes["borrower"].diagnosis.code.code == "RUN900"  # the kind did not expect it


# events and the report


@anyio
async def test_a_listener_hears_everything_in_order():
    async def look(run):
        run.progress("loading", 1, 2)

    events = []
    report = await report_of(
        component("database", check=Doing(look=look)),
        component("cache", ["database"], check=Doing(look=looks(refused(), {}))),
        component("api", ["cache"], check=Doing(look=looks(BROKEN)), priority="LOW"),
        listener=events.append,
    )
    heard = [(event.kind.value, event.component, event.status.value) for event in events]
    assert heard[:4] == [
        ("started", "", "PENDING"),
        ("waiting", "database", "WAITING"),
        ("attempt", "database", "RUNNING"),
        ("progress", "database", "RUNNING"),
    ]
    assert [line for line in heard if line[1] == "cache"] == [
        ("waiting", "cache", "WAITING"),
        ("attempt", "cache", "RUNNING"),
        ("looked", "cache", "RETRYING"),
        ("attempt", "cache", "RUNNING"),
        ("looked", "cache", "RETRYING"),
        ("settled", "cache", "SUCCESS"),
    ]
    first, last = [event for event in events if event.kind is EventKind.LOOKED and event.component == "cache"]
    assert first.attempt.diagnosis.code.code == "NET001"
    assert first.wait > 0
    assert (last.attempt.passed, last.wait) == (True, None)
    assert events[-1].kind is EventKind.FINISHED
    assert events[-1].report is report
    assert [event.at for event in events] == sorted(event.at for event in events)
    settled = {event.component: event.outcome for event in events if event.kind is EventKind.SETTLED}
    assert settled == report.outcomes


@anyio
async def test_what_a_listener_hears_is_redacted():
    async def look(run):
        run.progress("reading s3cret-s3cret", 0, 0)
        raise failing(PERMANENT, "bad s3cret-s3cret")

    events = []
    await report_of(
        component("one", check=Doing(look=look)),
        options={"redactor": Redactor(["s3cret-s3cret"])},
        listener=events.append,
    )
    assert "s3cret" not in repr([event for event in events if event.kind is not EventKind.STARTED])


@anyio
async def test_the_report_tells_what_ran_and_how_it_went():
    found = make_plan(
        manifest(component("a", check=Doing(look=takes(0.01))), component("b", ["a"], check=Doing(look=takes(0.01)))),
        moment="run",
    )
    report = await run_plan(found, Options(command="run"))
    assert (report.command, report.verdict, report.exit_code, report.bug) == ("run", Verdict.READY, 0, "")
    assert report.started_at.utcoffset().total_seconds() == 0
    a, b = report.outcomes.values()
    assert 0 <= a.started < a.started + a.duration <= b.started + 0.001
    assert b.started + b.duration <= report.duration
    assert report.critical_path == ("a", "b")


@anyio
async def test_the_critical_path_is_the_chain_that_took_longest():
    report = await report_of(
        component("quick"),
        component("slow", check=Doing(look=takes(0.05))),
        component("middle", ["quick", "slow"]),
        component("end", ["middle", "quick"]),
        component("skipped", ["broken"]),
        component("broken", check=Doing(look=looks(BROKEN)), priority="LOW"),
    )
    assert report.critical_path == ("slow", "middle", "end")


@anyio
async def test_options_may_lift_the_limit_of_slots():
    found = plan(*(component(f"c{n}", check=Doing(look=takes(0.01))) for n in range(30)), max_concurrent=1)
    assert (await run_plan(found, Options(max_concurrent=float("inf")))).verdict is Verdict.READY


def test_defaults_are_those_of_the_manifest():
    assert (Settings().deadline, Settings().max_concurrent) == (300, 64)
    assert WAITING == "waiting"
