"""The verdict and the exit code: decided once, from outcomes, before anything is rendered."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from startupctl.diagnosis import FailureClass
from startupctl.outcome import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from startupctl.model import Settings
    from startupctl.outcome import Outcome

SIGNAL_BASE = 128


class Exit(IntEnum):
    """The exit codes; 126 and 127 belong to the command that `run` starts."""

    READY = 0
    FAILED = 1
    USAGE = 2
    DEGRADED = 3
    BUG = 70
    PERMANENT = 78
    DEADLINE = 124


def decide_verdict(outcomes: Collection[Outcome], settings: Settings) -> Verdict:
    """Return FAILED if a component at or above `fail_on` is not usable, else DEGRADED or READY."""
    if not outcomes or blocking(outcomes, settings):
        return Verdict.FAILED
    unusable = any(not one.usable and one.effective_priority >= settings.degrade_on for one in outcomes)
    reserved = any(one.usable and one.status is Status.DEGRADED for one in outcomes)
    return Verdict.DEGRADED if unusable or reserved else Verdict.READY


def decide_exit(
    verdict: Verdict,
    blockers: Collection[Outcome],
    *,
    signal: int | None = None,
    bug: bool = False,
    allow_degraded: bool | None = None,
) -> int:
    """Return the exit code; the worst wins in the order signal, 70, 78, 124, 1, 3, 0.

    `allow_degraded` None is the default of `check` and `init-db`: DEGRADED exits 3.
    """
    if signal is not None:
        return SIGNAL_BASE + signal
    if bug:
        return Exit.BUG
    if verdict is Verdict.FAILED:
        return _failed(blockers)
    if verdict is Verdict.DEGRADED and not allow_degraded:
        return Exit.DEGRADED if allow_degraded is None else Exit.FAILED
    return Exit.READY


def blocking(outcomes: Collection[Outcome], settings: Settings) -> list[Outcome]:
    """Return the components whose being unusable makes the run FAILED."""
    return [one for one in outcomes if not one.usable and one.effective_priority >= settings.fail_on]


def _failed(blockers: Collection[Outcome]) -> int:
    if any(one.diagnosis and one.diagnosis.failure is FailureClass.PERMANENT for one in blockers):
        return Exit.PERMANENT
    return Exit.DEADLINE if any(one.undecided for one in blockers) else Exit.FAILED
