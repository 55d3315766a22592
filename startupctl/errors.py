"""What the user can fix before anything runs: problems with a place, a fact and a cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Mark(NamedTuple):
    """A place in a file; line and column count from 1, 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, the form editors and terminals make a link of."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Problem(NamedTuple):
    """One mistake: where it is (`components.cache.priority`), what it is, how to mend it."""

    what: str
    where: str = ""
    hint: str = ""
    mark: Mark | None = None

    def __str__(self) -> str:
        """Return one line, as `startup.yaml:12:5: components.cache.priorty: unknown key`."""
        parts = [str(self.mark)] if self.mark else []
        parts += [self.where] if self.where else []
        tail = f", {self.hint}" if self.hint else ""
        return ": ".join([*parts, self.what]) + tail


class ProblemsFound(Exception):
    """Mistakes found before anything was contacted; the command line exits with 2."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in the order a reader meets them."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class ManifestError(ProblemsFound):
    """The manifest cannot be used."""


class PlanError(ProblemsFound):
    """The selection, the graph or an option cannot be used."""
