"""Values from outside the manifest, each with its origin: flags, environment variables, policies of the original system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field, ValidationError

from startupctl.errors import Problem
from startupctl.fields import PositiveSeconds, PriorityField, Seconds
from startupctl.findings import sentence
from startupctl.injected import is_injected
from startupctl.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILT_IN = "default"
PREFIX = "STARTUPCTL_"
VARIABLES = {
    "STARTUP_MAX_RETRIES": "max_retries",
    "STARTUP_CIRCUIT_BREAKER_THRESHOLD": "breaker_threshold",
    "STARTUP_RECOVERY_TIMEOUT": "recovery_timeout",
    "DATABASE_INIT_TIMEOUT": "db_timeout",
    "DATABASE_POOL_MIN": "pool_min",
    "DATABASE_POOL_MAX": "pool_max",
}
GRACEFUL = "GRACEFUL_STARTUP_MODE"
DEGRADED_ALLOWED = "ALLOW_DEGRADED_MODE"
POLICIES: dict[str, bool | None] = {
    "USE_ROBUST_STARTUP": True,
    GRACEFUL: True,
    DEGRADED_ALLOWED: None,  # each command's own default
}
LOG_LEVEL = "LOG_LEVEL"

_TRUTHS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Setting(NamedTuple):
    """A value and where it came from: `flag --deadline`, `env STARTUP_MAX_RETRIES`, `startup.yaml:4:13`, `default`."""

    value: Any
    origin: str


class Overrides(Keys):
    """Values that flags and variables may give."""

    timeout: PositiveSeconds | None = None
    db_timeout: PositiveSeconds | None = None
    deadline: PositiveSeconds | None = None
    max_retries: Annotated[int, Field(ge=0)] | None = None
    breaker_threshold: Annotated[int, Field(ge=0)] | None = None
    recovery_timeout: Seconds | None = None
    pool_min: Annotated[int, Field(ge=0)] | None = None
    pool_max: Annotated[int, Field(ge=1)] | None = None
    fail_on: PriorityField | None = None


Found = dict[str, Setting]


class Origins(Mapping[str, Setting]):
    """Settings by dotted name (`components.cache.timeout`); what components share is kept once."""

    def __init__(self, groups: Mapping[str, Mapping[str, Setting]]) -> None:
        """Take the settings by the name they are under, empty for those that stand alone."""
        self._groups = groups

    def __getitem__(self, name: str) -> Setting:
        """Return one setting; raises KeyError."""
        parts = name.split(".")
        for cut in range(len(parts)):
            group = self._groups.get(".".join(parts[:cut]), {})
            if found := group.get(".".join(parts[cut:])):
                return found
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """Go through the names in the order of the manifest."""
        for prefix, group in self._groups.items():
            yield from (f"{prefix}.{name}" if prefix else name for name in group)

    def __len__(self) -> int:
        """Count the settings."""
        return sum(map(len, self._groups.values()))


def read_flags(flags: Mapping[str, object], environ: Mapping[str, str]) -> tuple[Found, list[Problem]]:
    """Return what flags give, by the names of `Overrides`; every flag is also a variable `STARTUPCTL_<FLAG>`."""
    given = {name: value for name, value in flags.items() if value is not None}
    origins = {name: f"flag --{name.replace('_', '-')}" for name in given}
    for name in Overrides.model_fields:
        variable = PREFIX + name.upper()
        value = _own(variable, environ)
        if value and str(given.setdefault(name, value)) == value:
            origins[name] = f"env {variable}"
    return _read(given, origins)


def read_variables(environ: Mapping[str, str]) -> tuple[Found, list[Problem]]:
    """Return what the original system's variables give, by the names of `Overrides`; an empty one is not set."""
    given = {name: value for variable, name in VARIABLES.items() if (value := _own(variable, environ))}
    origins = {name: f"env {variable}" for variable, name in VARIABLES.items()}
    return _read(given, origins)


def read_policies(environ: Mapping[str, str]) -> tuple[Found, list[Problem]]:
    """Return the three policies and `LOG_LEVEL` by their variables; what is no bool is a problem, never false."""
    level = _own(LOG_LEVEL, environ)  # any name is taken: the log tells of one it does not know
    found = {LOG_LEVEL: Setting(level.upper(), f"env {LOG_LEVEL}") if level else Setting("INFO", BUILT_IN)}
    problems = []
    for variable, default in POLICIES.items():
        value = _own(variable, environ)
        if not value:
            found[variable] = Setting(default, BUILT_IN)
        elif value.lower() in _TRUTHS:
            found[variable] = Setting(_TRUTHS[value.lower()], f"env {variable}")
        else:
            problems.append(Problem("must be true or false", variable))
    return found, problems


def _own(variable: str, environ: Mapping[str, str]) -> str:
    """Return a variable's text; empty when it is not set or is no word of ours."""
    value = environ.get(variable, "").strip()
    return "" if is_injected(variable, value) else value


def _read(given: Mapping[str, object], origins: Mapping[str, str]) -> tuple[Found, list[Problem]]:
    problems: dict[str, Problem] = {}
    try:
        read = Overrides.model_validate(given)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            name = str(detail["loc"][0])
            origin = origins.get(name, name).partition(" ")[2]
            problems.setdefault(name, Problem(sentence(detail), origin or name))
        read = Overrides.model_validate({name: value for name, value in given.items() if name not in problems})
    found = {name: Setting(getattr(read, name), origins[name]) for name in read.model_fields_set}
    return found, list(problems.values())
