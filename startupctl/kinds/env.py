"""The kind `env`: environment variables that must be set, have a form, exclude or equal each other."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, model_validator

from startupctl.check import Check, Facts, Unhealthy
from startupctl.diagnoses import INVALID_VALUE
from startupctl.diagnosis import Code, Diagnosis, FailureClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from startupctl.check import Run

MISSING = Code(
    "CFG001",
    "variable-missing",
    FailureClass.PERMANENT,
    "not set or empty: {names}",
    "The environment of this process lacks variables that the service needs.",
    "set {names} where this process gets its environment from",
)
OTHER_CASE = Code(
    "CFG006",
    "variable-case",
    FailureClass.PERMANENT,
    "not set or empty: {names}, but {twins} is",
    "Names of variables distinguish upper and lower case.",
    "rename {twins} to {names}",
)
CONFLICT = Code(
    "CFG003",
    "conflict",
    FailureClass.PERMANENT,
    "{what}",
    "Variables that exclude each other are set together, or ones that must be equal differ.",
    "keep one of those that exclude each other; give equal values to those that must be equal",
)

SALT = secrets.token_bytes(16)
SHOWN = 3  # names in a target

Name = Annotated[str, Field(pattern=r"^[^=\x00]+$")]
Group = Annotated[list[Name], Field(min_length=2)]


class Env(Check):
    """What the environment must hold; an empty value counts as not set, and no value is ever shown."""

    codes: ClassVar[tuple[Code, ...]] = (MISSING, OTHER_CASE, CONFLICT)

    required: list[Name] = Field(default=[], description="names that must be set")
    pattern: dict[Name, re.Pattern[str]] = Field(default={}, description="a form for the whole value, when it is set")
    one_of: list[Group] = Field(default=[], description="groups of names of which exactly one must be set")
    same: list[Group] = Field(default=[], description="groups of names whose values must be equal")

    @model_validator(mode="after")
    def _asserts_something(self) -> Self:
        if not self._names:
            raise ValueError("nothing is asked for: give `required`, `pattern`, `one_of` or `same`")
        return self

    @property
    def target(self) -> str:
        """The names that are looked at."""
        names = self._names
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return ", ".join(names[:SHOWN]) + more

    async def check(self, run: Run) -> Facts:
        """Look at everything that is asked for; what is missing comes before what is wrong."""
        del run
        missing, invalid, conflicts = self._missing(), list(self._invalid()), list(self._conflicts())
        facts: Facts = {"missing": missing, "invalid": invalid, "conflicts": conflicts}
        if missing:
            raise Unhealthy(_missing_diagnosis(missing), facts)
        if invalid:
            rules = "; ".join(f"`{name}` does not match `{self.pattern[name].pattern}`" for name in invalid)
            raise Unhealthy(Diagnosis(INVALID_VALUE, {"what": rules}), facts)
        if conflicts:
            raise Unhealthy(Diagnosis(CONFLICT, {"what": "; ".join(conflicts)}), facts)
        return {"checked": len(self._names)}

    def secrets(self) -> Iterator[str]:
        """Yield nothing: a pattern for `API_KEY` is no key."""
        yield from ()

    @property
    def _names(self) -> list[str]:
        groups = (self.required, self.pattern, *self.one_of, *self.same)
        return list(dict.fromkeys(name for group in groups for name in group))

    def _missing(self) -> list[str]:
        groups = [names for names in self.one_of if not _set_among(names)]
        return [name for name in self.required if not _value(name)] + [" or ".join(names) for names in groups]

    def _invalid(self) -> Iterator[str]:
        for name, form in self.pattern.items():
            value = _value(name)
            if value and not form.fullmatch(value):
                yield name

    def _conflicts(self) -> Iterator[str]:
        for names in self.one_of:
            found = _set_among(names)
            if len(found) > 1:
                yield f"{_quoted(found)} exclude each other and are both set"
        for names in self.same:
            if len({_value(name) for name in names}) > 1:
                yield f"{_quoted(names)} must be equal and differ ({', '.join(map(_fingerprint, names))})"


def _value(name: str) -> str:
    return os.environ.get(name, "")


def _set_among(names: Iterable[str]) -> list[str]:
    return [name for name in names if _value(name)]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _missing_diagnosis(missing: list[str]) -> Diagnosis:
    by_case = {name.casefold(): name for name in os.environ if _value(name)}
    twins = {name: by_case[name.casefold()] for name in missing if name.casefold() in by_case}
    facts = {"names": _quoted(missing), "twins": _quoted(twins.values())}
    if len(twins) == len(missing):
        return Diagnosis(OTHER_CASE, facts)
    renamed = "".join(f"; rename `{twin}` to `{name}`" for name, twin in twins.items())
    others = _quoted(name for name in missing if name not in twins)
    advice = f"set {others} where this process gets its environment from{renamed}" if twins else ""
    return Diagnosis(MISSING, facts, advice=advice)


def _fingerprint(name: str) -> str:
    """Return what tells values apart within this run and tells nothing about them: the salt is not kept."""
    value = _value(name)
    digest = hmac.new(SALT, value.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[:6]
    return f"`{name}` {digest}" if value else f"`{name}` is not set"
