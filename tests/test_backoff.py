"""When to look again: the class table, its laws, and the end of a component's time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from building import code
from startupctl import network_codes as codes
from startupctl.backoff import LAST_LOOK, SETTLE_INTERVAL, SETTLE_LOOKS, Course, after, counted, next_wait
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.model import Backoff, Policy

W, R, M, S, T, C, P, F = (
    FailureClass.WAITING,
    FailureClass.RESOLVING,
    FailureClass.WARMING,
    FailureClass.SILENT,
    FailureClass.TRANSIENT,
    FailureClass.CONTENTION,
    FailureClass.PERMANENT,
    FailureClass.FIXABLE,
)
DOWN, BACKED_OFF, ENDING = (W, R, M, S), (T, C), (P, F)
FOREVER = 1e9
STEADY = Policy(backoff=Backoff(jitter=0), max_retries=50)
seldom = st.floats(0, 1, exclude_max=True)


def middle():
    return 0.5


def diagnosis(failure, number=None, **more):
    return Diagnosis(code(failure, number or f"T-{failure}", **more))


@dataclass(frozen=True)
class Look:
    at: float
    wait: float | None
    course: Course


def looks(answers, policy=STEADY, *, end=FOREVER, random=middle, asked=None, took=0.0, most=10_000):
    """Simulate a component that answers `answers(now)` at each look; return the looks."""
    now, course, seen = 0.0, Course(), []
    while len(seen) < most:
        course = counted(course) if seen else course
        now += took
        course = after(course, answers(now), now)
        wait = next_wait(course, policy, now, end, random=random, asked=asked)
        seen.append(Look(now, wait, course))
        if wait is None:
            return seen
        now += wait
    return seen


def waits(answers, count, policy=STEADY, **more):
    return [look.wait for look in looks(answers, policy, most=count, **more)]


def always(failure, **more):
    found = diagnosis(failure, **more)
    return lambda _now: found


def in_turn(*found):
    """Answer one after the other, the last for ever; None is a pass."""
    left = list(found)
    return lambda _now: left.pop(0) if len(left) > 1 else left[0]


def test_retries_back_off_from_one_to_thirty_seconds():
    assert waits(always(T), 8) == [1, 2, 4, 8, 16, 30, 30, 30]


def test_contention_backs_off_in_the_same_steps_with_full_jitter():
    assert waits(always(C), 6, random=lambda: 1.0) == [1, 2, 4, 8, 16, 30]
    assert waits(always(C), 6, random=lambda: 0.0) == [0] * 6


@pytest.mark.parametrize(
    ("random", "expected"), [(0.0, [0.8, 1.6, 3.2]), (0.5, [1.0, 2.0, 4.0]), (1.0, [1.2, 2.4, 4.8])]
)
def test_jitter_is_a_share_of_the_wait(random, expected):
    assert waits(always(T), 3, Policy(), random=lambda: random) == pytest.approx(expected)


def test_a_step_too_large_for_a_number_is_the_longest_wait():
    steep = Policy(max_retries=100, backoff=Backoff(initial=1, max=5, multiplier=1e300, jitter=0))
    assert waits(always(T), 5, steep) == [1, 5, 5, 5, 5]


def test_a_name_is_asked_for_from_every_quarter_second_to_every_two():
    assert waits(always(R), 6) == [0.25, 0.5, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("since", "interval"), [(0.0, 0.025), (9.9, 0.025), (10.1, 0.050), (59.9, 0.050), (60.1, 0.250), (3600, 0.250)]
)
def test_an_absent_server_is_looked_for_often_then_less_often(since, interval):
    course = after(after(Course(), diagnosis(W), 0.0), diagnosis(W), since)
    for random, share in ((0.0, 0.8), (0.5, 1.0), (1.0, 1.2)):
        wait = next_wait(course, Policy(), since, FOREVER, random=lambda value=random: value)
        assert wait == pytest.approx(interval * share)


@pytest.mark.parametrize(("since", "interval"), [(0.0, 0.020), (0.1, 0.020), (1.0, 0.1), (2.0, 0.2), (60.0, 0.25)])
def test_a_warming_server_is_looked_at_after_a_tenth_of_the_time_it_has_warmed(since, interval):
    course = after(after(Course(), diagnosis(M), 0.0), diagnosis(M), since)
    assert next_wait(course, Policy(), since, FOREVER, random=middle) == pytest.approx(interval)


def test_another_class_begins_its_polling_anew():
    def answers(now):
        return diagnosis(W) if now < 100 else diagnosis(M) if now < 200 else diagnosis(W)

    seen = looks(answers, most=3000)
    first_warming = next(look for look in seen if look.course.failure is M)
    waiting_again = next(look for look in seen if look.at > 200)
    assert first_warming.wait == pytest.approx(0.020)
    assert waiting_again.wait == pytest.approx(0.025)


def test_a_silent_server_is_tried_every_fifth_of_a_second():
    assert waits(always(S), 3) == [0.2, 0.2, 0.2]


@pytest.mark.parametrize("failure", ENDING)
def test_what_will_not_change_ends_at_once_when_the_server_was_ready_at_the_first_look(failure):
    assert waits(always(failure), 2) == [None]
    assert waits(in_turn(diagnosis(T), diagnosis(failure)), 5)[1:] == [None]


@pytest.mark.parametrize("failure", ENDING)
@pytest.mark.parametrize("before", DOWN)
def test_a_server_that_was_down_may_take_back_its_refusal_while_it_settles(failure, before):
    seen = looks(in_turn(diagnosis(before), diagnosis(failure)))
    refusals = [look for look in seen if look.course.failure is failure]
    assert [look.wait for look in refusals] == pytest.approx([2, 2, 2, 2, 2, None])


def test_the_settling_starts_anew_when_the_server_goes_down_again():
    seen = looks(in_turn(*[diagnosis(W), diagnosis(P), diagnosis(P), diagnosis(W), diagnosis(P)]))
    assert [look.course.settle_looks for look in seen] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 6]


def test_a_failure_that_time_alone_may_mend_settles_at_the_first_look_too():
    assert waits(always(P, settles=True), 7) == [2, 2, 2, 2, 2, None]
    assert codes.TLS_NOT_YET.settles


def test_without_settle_a_refusal_is_final():
    assert waits(in_turn(diagnosis(W), diagnosis(P)), 5, replace(STEADY, settle=0))[1:] == [None]


@given(st.floats(0, 60), st.floats(0, 3))
def test_settling_ends_with_its_seconds_or_its_looks(settle, took):
    seen = looks(in_turn(diagnosis(M), diagnosis(P)), replace(STEADY, settle=settle), took=took)
    refusals = [look for look in seen if look.course.failure is P]
    assert len(refusals) <= 1 + SETTLE_LOOKS
    assert all(look.wait <= SETTLE_INTERVAL for look in refusals[:-1])
    last_start = refusals[-1].at - took
    assert last_start <= refusals[0].at + settle + 1e-6


def test_a_class_that_holds_for_a_while_turns():
    lb004 = Diagnosis(codes.CLOSED_AT_ONCE)
    seen = looks(lambda _now: lb004, Policy())
    assert all(look.course.failure is (W if look.at < 30 else T) for look in seen)
    assert seen[-1].course.retries == Policy().max_retries
    assert seen[-1].at > 30


def test_the_time_of_a_class_that_turns_begins_anew_after_something_else():
    lb004 = Diagnosis(codes.CLOSED_AT_ONCE)
    seen = looks(lambda now: diagnosis(M) if 20 < now < 21 else lb004, Policy(), end=55)
    assert not any(look.course.failure is T for look in seen if look.at < 50)
    assert any(look.course.failure is T for look in seen)


def test_what_has_turned_permanent_was_waited_for_already_and_does_not_settle():
    port_in_use = diagnosis(W, turns=(5.0, P))
    seen = looks(lambda _now: port_in_use)
    assert (seen[-1].course.failure, seen[-1].wait) == (P, None)
    assert 5 <= seen[-1].at < 5.1


def test_a_class_given_to_one_case_does_not_turn():
    lb004 = Diagnosis(codes.CLOSED_AT_ONCE, failure_class=M)
    assert {look.course.failure for look in looks(lambda _now: lb004, end=100)} == {M}


@pytest.mark.parametrize(
    ("answers", "passes"), [(in_turn(None), 3), (in_turn(None, None, diagnosis(W), None, None, None), 3)]
)
def test_passes_are_wanted_in_a_row_one_initial_backoff_apart(answers, passes):
    seen = looks(answers, replace(STEADY, success_threshold=3))
    assert [look.course.passes for look in seen[-3:]] == [1, 2, 3]
    assert [look.wait for look in seen[-3:]] == [1, 1, None]


@pytest.mark.parametrize("failure", [*DOWN, *BACKED_OFF])
def test_what_the_server_asks_for_is_obeyed(failure):
    assert waits(always(failure), 3, asked=7.0) == [7, 7, 7]


@pytest.mark.parametrize("failure", [*DOWN, *BACKED_OFF])
def test_what_the_server_asks_for_never_leads_past_the_end(failure):
    seen = looks(always(failure), end=20, asked=3600)
    assert seen[1].at == pytest.approx(20 - LAST_LOOK)


def test_a_wait_past_the_end_becomes_one_last_look_just_before_it():
    seen = looks(always(T), end=10)
    assert [look.at for look in seen] == [0, 1, 3, 7, 9.5]


def bounds(course, policy):
    """Return the least and the most that DESIGN's table gives for a class."""
    jitter, backoff = policy.backoff.jitter, policy.backoff
    if course.failure.backs_off:
        step = min(backoff.initial * backoff.multiplier**course.retries, backoff.max)
        return (0, step) if course.failure is C else (step * (1 - jitter), step * (1 + jitter))
    return {W: (0.020, 0.300), R: (0.25, 2), M: (0.020, 0.250), S: (0.2, 0.2), P: (0, 2), F: (0, 2)}[course.failure]


policies = st.builds(
    Policy,
    max_retries=st.integers(0, 200),
    settle=st.floats(0, 60),
    backoff=st.builds(
        Backoff,
        initial=st.floats(0, 1e6),
        max=st.floats(0, 1e6),
        multiplier=st.floats(1, 100),
        jitter=st.floats(0, 1),
    ),
)
histories = st.lists(st.sampled_from([*DOWN, *BACKED_OFF, *ENDING]), min_size=1, max_size=40)


@given(histories, policies, st.floats(0, 100), st.lists(seldom, min_size=1))
def test_every_wait_is_within_the_bounds_of_its_class(history, policy, took, numbers):
    randoms = in_turn(*numbers)
    found = looks(in_turn(*map(diagnosis, history)), policy, took=took, random=lambda: randoms(0), most=len(history))
    for look in found:
        if look.wait is not None:
            least, most = bounds(look.course, policy)
            assert least - 1e-9 <= look.wait <= most * (1 + 1e-9)


@given(histories, policies, st.floats(0, 10), st.floats(0, 300), st.floats(0, 1e9) | st.none(), seldom)
def test_no_look_begins_after_the_end_and_the_last_wait_leads_to_just_before_it(
    history, policy, took, end, asked, random
):
    found = looks(
        in_turn(*map(diagnosis, history)), policy, end=end, took=took, asked=asked, random=lambda: random, most=200
    )
    for look in found:
        if look.wait is not None:
            assert look.wait >= 0
            assert look.at + look.wait <= end


@given(policies, st.floats(1, 100), seldom)
def test_who_still_has_retries_looks_once_more_at_the_end(policy, end, random):
    assume(policy.max_retries > 0)
    found = looks(always(T), policy, end=end, random=lambda: random, most=500)
    if found[-1].wait is None and found[-1].course.retries < policy.max_retries:
        assert found[-1].at >= end - LAST_LOOK - 1e-9


@given(histories, policies, seldom)
def test_retries_never_exceed_their_number_and_every_look_is_counted_once(history, policy, random):
    found = looks(in_turn(*map(diagnosis, history)), policy, random=lambda: random, most=300)
    course = found[-1].course
    assert course.retries <= policy.max_retries
    assert len(found) == 1 + course.polls + course.retries


@given(histories.filter(lambda history: not set(history) & set(DOWN)), policies)
def test_a_server_that_was_never_down_gets_no_second_look_at_a_refusal(history, policy):
    for look in looks(in_turn(*map(diagnosis, history)), policy, most=300):
        assert not (look.course.failure.ends and look.wait is not None)
