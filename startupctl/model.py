"""What a manifest says, as values: Policy, Component, Manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field

from startupctl.fields import PositiveSeconds, Priority, PriorityField, Seconds
from startupctl.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from startupctl.check import Check
    from startupctl.errors import Mark
    from startupctl.settings import Setting

Moment = Literal["check", "init-db", "run", "serve", "library"]
MOMENTS: tuple[str, ...] = get_args(Moment)


class Backoff(Keys):
    """How long to wait between retries, in seconds; `jitter` is the share a wait may differ by."""

    initial: Seconds = 1.0
    max: Seconds = 30.0
    multiplier: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    jitter: float = Field(default=0.2, ge=0, le=1)


class Breaker(Keys):
    """After how many failed runs a component is left alone, and for how long."""

    threshold: int = Field(default=3, ge=0)
    recovery_timeout: Seconds = 300.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How one component is tried; times in seconds."""

    timeout: float = 30.0
    attempt_timeout: float = 10.0
    connect_timeout: float = 5.0
    max_retries: int = 3
    settle: float = 10.0
    success_threshold: int = 1
    # defaults need no validator, and building one takes milliseconds of every start
    backoff: Backoff = field(default_factory=Backoff.model_construct)
    breaker: Breaker = field(default_factory=Breaker.model_construct)


class Settings(Keys):
    """The run as a whole: `settings:` of the manifest."""

    deadline: PositiveSeconds = Field(default=300.0, description="the whole run, readiness only")
    max_concurrent: int = Field(default=64, ge=1, description="attempts in flight; a waiting component holds no slot")
    fail_on: PriorityField = Field(
        default=Priority.CRITICAL, description="effective priorities at or above: verdict FAILED"
    )
    degrade_on: PriorityField = Field(default=Priority.MEDIUM, description="at or above: verdict DEGRADED")


@dataclass(frozen=True, slots=True)
class Component:
    """One thing the service needs.

    `depends_on` maps a name to whether it is required. `check` is None only when this component needs
    variables and they were not resolved: in a manifest read without resolving, and when it is not
    enabled. `mark` is where it is written.
    """

    name: str
    kind: str
    priority: Priority = Priority.HIGH
    check: Check | None = None
    depends_on: Mapping[str, bool] = field(default_factory=dict)
    when: frozenset[str] = frozenset(MOMENTS)
    enabled: bool = True
    policy: Policy = field(default_factory=Policy)
    tags: frozenset[str] = frozenset()
    hint: str = ""
    runbook: str = ""
    folder: Path = Path()
    mark: Mark | None = None
    edge_marks: Mapping[str, Mark] = field(default_factory=dict)
    database: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest; `secrets` is every text in it that must not be shown."""

    components: Mapping[str, Component]
    settings: Settings = field(default_factory=Settings)
    name: str = ""
    file: str = ""
    profile: str | None = None
    secrets: frozenset[str] = frozenset()
    origins: Mapping[str, Setting] = field(default_factory=dict)
