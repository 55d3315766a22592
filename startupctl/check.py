"""The contract a kind implements.

A kind is one frozen pydantic model in `kinds/<name>.py`: its fields are its manifest keys, `check`
looks and changes nothing, `prepare` (optional) creates what is missing, `explain` classifies its own
signals. It does no retrying, timing, logging, redaction or output: the engine does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from startupctl.addresses import Url
from startupctl.diagnosis import Code
from startupctl.fields import Secret, is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from pathlib import Path

    from startupctl.diagnosis import Diagnosis

Facts = dict[str, Any]
"""What a kind saw: names to JSON values. Strings in it may come from outside and are redacted."""


class Mode(StrEnum):
    """What a run may do."""

    CHECK = "check"  # look, change nothing
    DRY_RUN = "dry_run"  # as prepare, but only say what would be done and whether it could be
    PREPARE = "prepare"  # create and migrate


class Unhealthy(Exception):
    """Raised by a kind that knows what is wrong; `facts` is what was seen before."""

    def __init__(self, diagnosis: Diagnosis, facts: Facts | None = None) -> None:
        """Keep the diagnosis; the text of the exception is its summary."""
        self.diagnosis, self.facts = diagnosis, facts or {}
        super().__init__(diagnosis.summary)


class Degraded(Exception):
    """Raised or returned to say: it works, with this reservation."""

    def __init__(self, reason: str, facts: Facts | None = None) -> None:
        """Keep the reason in the user's own words."""
        self.reason, self.facts = reason, facts or {}
        super().__init__(reason)


class Held(Protocol):
    """A lock that is held."""

    @property
    def label(self) -> str:
        """How it is reported, as `postgres advisory` or `best-effort`."""

    @property
    def waited(self) -> float:
        """Seconds from asking for it to getting it."""

    async def ensure(self) -> None:
        """Return while it is still held; raises Unhealthy (LCK002) when it was lost."""


def lock_facts(held: Held) -> Facts:
    """Return what a report says of a lock that was taken; the time waited for it is in seconds."""
    return {"lock": held.label, "lock_wait": round(held.waited, 3)}


class RunServices(Protocol):
    """What the engine does for a kind; reached through `Run` only."""

    def progress(self, text: str, done: int, total: int) -> None:
        """Show where the work stands."""

    def warn(self, code: Code, facts: Facts) -> None:
        """Add a warning, which changes no verdict."""

    def note(self, facts: Facts) -> None:
        """Keep facts even when this attempt fails."""

    def unhurried(self) -> AbstractContextManager[None]:
        """Stop the attempt, component and run clocks."""

    def lock(self, name: str) -> AbstractAsyncContextManager[Held]:
        """Take the lock of another component."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt, as a kind sees it.

    `deadline` is on `time.monotonic()`; `connect_timeout` is in seconds; relative paths of the
    component are relative to `folder`.
    """

    deadline: float
    connect_timeout: float
    folder: Path
    mode: Mode
    services: RunServices = field(repr=False)

    def left(self) -> float:
        """Return the seconds left for this attempt, never below 0."""
        return max(0.0, self.deadline - time.monotonic())

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """Show where the work stands; `total` 0 means unknown."""
        self.services.progress(text, done, total)

    def warn(self, code: Code, **facts: Any) -> None:
        """Add a warning, which changes no verdict."""
        self.services.warn(code, facts)

    def note(self, **facts: Any) -> None:
        """Keep facts even when this attempt fails, as `created=True` after a database was created."""
        self.services.note(facts)

    def unhurried(self) -> AbstractContextManager[None]:
        """Stop the attempt, component and run clocks: from here only a signal ends the work.

        For work that changes something and has clocks of its own: waiting for the migration lock and
        migrating. `left()` and `deadline` mean nothing inside.
        """
        return self.services.unhurried()

    def lock(self, name: str = "") -> AbstractAsyncContextManager[Held]:
        """Take the lock of component `name`, else the strongest among the dependencies; of equals the nearest.

        The clocks stand still from asking for it to its release, as in `unhurried`. Raises LookupError
        when no component can lend one.
        """
        return self.services.lock(name)


class Check(BaseModel):
    """The base of every kind."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True, defer_build=True
    )

    database: ClassVar[bool] = False
    """Whether `init-db` selects it and the timeouts of databases are its defaults."""

    lock_strength: ClassVar[int] = 0
    """0: it lends no lock; of several dependencies, near and far, the strongest is asked."""

    codes: ClassVar[tuple[Code, ...]] = ()
    """The diagnosis codes declared beside this kind."""

    foreign: ClassVar[bool] = False
    """Whether it runs code of the user: an exception nobody maps is then `transient`, not a bug of ours."""

    @property
    def target(self) -> str:
        """What is looked at, printable; never holds a secret."""
        raise NotImplementedError

    async def check(self, run: Run) -> Facts:
        """Look and change nothing; return facts, or raise."""
        raise NotImplementedError

    async def prepare(self, run: Run) -> Facts:
        """Create what is missing, idempotently; return facts, or raise. By default there is nothing to do."""
        del run
        return {}

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify this kind's own signals; None leaves the error to the general table."""
        del error
        return None

    def lock(self, run: Run) -> AbstractAsyncContextManager[Held]:
        """Lend the lock of this component; only for kinds with a `lock_strength`."""
        raise NotImplementedError

    @property
    def prepares(self) -> bool:
        """Whether this kind has something to prepare."""
        return type(self).prepare is not Check.prepare

    def secrets(self) -> Iterator[str]:
        """Yield every text of this component that must not be shown."""
        yield from _secrets_in(self.__dict__.values())


def _secrets_in(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, Secret):
            yield value.reveal()
        elif isinstance(value, Url):
            yield from value.secrets()
        elif isinstance(value, BaseModel):
            yield from _secrets_in(value.__dict__.values())
        elif isinstance(value, dict):
            yield from _secrets_in(value.values())
            yield from (text for key, text in value.items() if isinstance(text, str) and is_secret_name(str(key)))
        elif isinstance(value, list | tuple):
            yield from _secrets_in(value)


def secret_keys(model: type[BaseModel]) -> frozenset[str]:
    """Return the keys of a kind, or of a table in it, that hold a secret; each may be given as `<key>_file` instead."""
    return frozenset(info.alias or name for name, info in model.model_fields.items() if _names_secret(info.annotation))


def _names_secret(annotation: object) -> bool:
    """Whether one text may be the secret; a mapping of secrets comes from no file."""
    alternatives = get_args(annotation) if get_origin(annotation) in (Union, UnionType, Annotated) else ()
    return annotation in (Secret, Url) or any(map(_names_secret, alternatives))
