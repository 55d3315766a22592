"""When to look again: pure functions of the failure's class, the looks so far and `now`.

Times are seconds on one clock. The waits come from DESIGN's class table: polling is cheap while
nobody listens, a tenth of the time spent while a server warms up, exponential with jitter where
trying costs the server something (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from startupctl.diagnosis import FailureClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from startupctl.diagnosis import Diagnosis
    from startupctl.model import Policy

LAST_LOOK = 0.5  # seconds before the end at which one last look is taken instead of sleeping past it
POLL_JITTER = 0.2
WAITING_STEPS = ((10.0, 0.025), (60.0, 0.050), (float("inf"), 0.250))  # until so long after the start -> interval
RESOLVING_FIRST, RESOLVING_MAX = 0.250, 2.0
WARMING_FIRST, WARMING_SHARE, WARMING_MAX = 0.020, 0.1, 0.250
SILENT_INTERVAL = 0.2
SETTLE_INTERVAL, SETTLE_LOOKS = 2.0, 5
DOWN = (FailureClass.WAITING, FailureClass.RESOLVING, FailureClass.WARMING, FailureClass.SILENT)


class Course(NamedTuple):
    """What the looks at one component came to so far.

    `since` is when the present class began and `streak` how many looks in a row it lasts; `was_down`
    says that the server was absent, silent or warming at some look of this run, so that what it refuses now
    may still come (images create roles late); `settling_since` is the first such refusal. A class that
    has turned permanent was waited for already and is not looked at again.
    """

    failure: FailureClass | None = None
    code: str = ""
    since: float = 0.0
    code_since: float = 0.0
    streak: int = 0
    polls: int = 0
    retries: int = 0
    passes: int = 0
    was_down: bool = False
    settling_since: float | None = None
    settle_looks: int = 0

    @property
    def backs_off(self) -> bool:
        """Whether the next look is a retry: it is backed off and counted."""
        return self.failure is not None and self.failure.backs_off


def after(course: Course, diagnosis: Diagnosis | None, now: float) -> Course:
    """Return the course after one more look; `diagnosis` None is a pass."""
    if diagnosis is None:
        return course._replace(failure=None, code="", passes=course.passes + 1, streak=0)
    code_since = course.code_since if course.code == diagnosis.code.code else now
    failure = _in_time(diagnosis, now - code_since)
    same = course.failure is failure
    settling = failure is diagnosis.failure and failure.ends and (course.was_down or diagnosis.code.settles)
    return course._replace(
        failure=failure,
        code=diagnosis.code.code,
        since=course.since if same else now,
        code_since=code_since,
        streak=course.streak + 1 if same else 1,
        passes=0,
        was_down=course.was_down or failure in DOWN,
        settling_since=(now if course.settling_since is None else course.settling_since) if settling else None,
        settle_looks=course.settle_looks + 1 if settling else 0,
    )


def counted(course: Course) -> Course:
    """Return the course with the next look counted: as a retry when it was backed off, as a poll otherwise."""
    if course.backs_off:
        return course._replace(retries=course.retries + 1)
    return course._replace(polls=course.polls + 1)


def next_wait(
    course: Course, policy: Policy, now: float, end: float, *, random: Callable[[], float], asked: float | None = None
) -> float | None:
    """Return the seconds to wait before the next look, or None when there is none.

    `end` is when the component's time is over, `random` returns a number from 0 to 1, `asked` is
    what the server asked for (Retry-After). Never sleeps past `end`: a wait that would, is cut to
    one last look just before it.
    """
    wait = _wait(course, policy, now, random)
    if wait is None:
        return None
    wait = max(wait, asked or 0.0)
    if now + wait < end:
        return wait
    return end - LAST_LOOK - now if now < end - LAST_LOOK else None


def _wait(course: Course, policy: Policy, now: float, random: Callable[[], float]) -> float | None:
    failure = course.failure
    if failure is None:
        return policy.backoff.initial if course.passes < policy.success_threshold else None
    if failure.backs_off:
        return _backed_off(course, policy, random)
    if failure.ends:
        return _settling(course, policy, now)
    return _polled(course, now, random)


def _polled(course: Course, now: float, random: Callable[[], float]) -> float:
    """Return the wait of the classes that count as polls, not as retries."""
    if course.failure is FailureClass.RESOLVING:
        return min(RESOLVING_FIRST * 2.0 ** min(course.streak - 1, 8), RESOLVING_MAX)
    if course.failure is FailureClass.WARMING:
        return min(max(WARMING_FIRST, WARMING_SHARE * (now - course.since)), WARMING_MAX)
    if course.failure is FailureClass.SILENT:
        return SILENT_INTERVAL
    interval = next(interval for until, interval in WAITING_STEPS if now - course.since < until)
    return _jittered(interval, POLL_JITTER, random)


def _backed_off(course: Course, policy: Policy, random: Callable[[], float]) -> float | None:
    if course.retries >= policy.max_retries:
        return None
    backoff = policy.backoff
    try:
        wait = min(backoff.initial * backoff.multiplier**course.retries, backoff.max)
    except OverflowError:
        wait = backoff.max
    if course.failure is FailureClass.CONTENTION:
        return wait * random()  # full jitter: replicas must not come back in step
    return _jittered(wait, backoff.jitter, random)


def _settling(course: Course, policy: Policy, now: float) -> float | None:
    if course.settling_since is None or course.settle_looks > SETTLE_LOOKS:
        return None
    left = course.settling_since + policy.settle - now
    return min(SETTLE_INTERVAL, left) if left > 0 else None


def _jittered(wait: float, share: float, random: Callable[[], float]) -> float:
    return wait * (1 + share * (2 * random() - 1))


def _in_time(diagnosis: Diagnosis, seen_for: float) -> FailureClass:
    """Return the class of a failure that has been seen for so long; some wait only for a while."""
    turns = diagnosis.code.turns
    if turns and seen_for >= turns[0] and diagnosis.failure is diagnosis.code.failure:
        return turns[1]
    return diagnosis.failure
