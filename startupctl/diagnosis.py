"""What is known about one failure: its code, its class, its facts and the words made of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class FailureClass(StrEnum):
    """How a failure behaves in time; it alone decides when to look again."""

    WAITING = "waiting"  # nobody listens yet: look often, it costs nothing
    RESOLVING = "resolving"  # the name is not there yet
    WARMING = "warming"  # it answers, and says that it is not ready
    SILENT = "silent"  # no answer at all
    TRANSIENT = "transient"  # backs off and counts as a retry
    CONTENTION = "contention"  # as transient, with full jitter
    PERMANENT = "permanent"  # nothing here will change it
    FIXABLE = "fixable"  # `init-db` or `run` mends it
    NOTE = "note"  # no failure: a warning or an information

    @property
    def backs_off(self) -> bool:
        """Whether a further look counts as a retry."""
        return self in (FailureClass.TRANSIENT, FailureClass.CONTENTION)

    @property
    def ends(self) -> bool:
        """Whether no further look is taken, save while a server settles."""
        return self in (FailureClass.PERMANENT, FailureClass.FIXABLE)


class Phase(StrEnum):
    """How far a conversation with a server had come."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    GREET = "greet"
    AUTH = "auth"
    QUERY = "query"


class Code(NamedTuple):
    """An entry of the public list; `summary`, `cause` and `hint` are templates over the facts of a case.

    `turns` is for classes that hold only for a while: (seconds, the class from then on). `settles` is
    for what time alone may mend: it is looked at again for `settle` although the server was ready at once.
    """

    code: str
    name: str
    failure: FailureClass
    summary: str
    cause: str = ""
    hint: str = ""
    turns: tuple[float, FailureClass] | None = None
    settles: bool = False


def codes_in(names: Mapping[str, object]) -> tuple[Code, ...]:
    """Return the codes among the names of a module, in their order."""
    return tuple(value for value in names.values() if isinstance(value, Code))


class _Missing(str):
    """Stands for a fact that is missing; takes the format of a number too."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


OUR_NAMES = frozenset(
    {"database", "dir", "endpoint", "file", "folder", "host", "key", "name", "path", "phase", "port", "role", "root"}
    | {"signal", "target", "user"}
)


class _Facts(dict[str, Any]):
    """Shows a missing fact as its name, so that a template never fails while reporting a failure."""

    def __missing__(self, key: str) -> str:
        return _Missing(f"<{key}>")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One failure, classified.

    `facts` fill the templates; those under OUR_NAMES are names of ours, other texts may come from
    outside, as `said` does, and are redacted before they are kept. `failure` may differ from the code's
    usual class; `retry_after` is what the server asked for, in seconds. `advice` replaces the code's
    hint. `mendable` False says of a fixable one that `init-db` with this manifest will not mend it.
    """

    code: Code
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    said: str = ""
    phase: Phase | None = None
    signal: str = ""
    failure_class: FailureClass | None = None
    retry_after: float | None = None
    advice: str = ""
    mendable: bool = True

    @property
    def failure(self) -> FailureClass:
        """The class that rules this case."""
        return self.failure_class or self.code.failure

    @property
    def summary(self) -> str:
        """One line: the fact, and the peer's own words where there are any."""
        text = self._fill(self.code.summary)
        return f"{text}: {self.said}" if self.said and "{said}" not in self.code.summary else text

    @property
    def cause(self) -> str:
        """Why this happens, in general."""
        return self._fill(self.code.cause)

    @property
    def hint(self) -> str:
        """One sentence an operator can act on."""
        return self.advice or self._fill(self.code.hint)

    def redacted(self, clean: Callable[[str], str]) -> Diagnosis:
        """Return the same diagnosis with the text from outside cleaned."""
        outside = {key for key, value in self.facts.items() if isinstance(value, str) and key not in OUR_NAMES}
        if not (outside or self.said or self.advice):
            return self
        facts = {key: clean(value) if key in outside else value for key, value in self.facts.items()}
        return replace(self, facts=facts, said=clean(self.said), advice=clean(self.advice))

    def _fill(self, template: str) -> str:
        return template.format_map(_Facts(self.facts, said=self.said))
