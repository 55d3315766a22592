"""Where reports go: `-o FORMAT[=FILE]`, refused before the run when it cannot work, written after it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from shutil import get_terminal_size
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl import reports
from startupctl.errors import PlanError, Problem
from startupctl.reports.text import encodable, takes_color, takes_symbols

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from startupctl.outcome import Report

    Renderers = Mapping[str, Callable[..., str]]

FOR_PEOPLE = ("table", "plain")
FILE_WIDTH = 100  # columns of a table that no terminal limits
NO_RENDERERS: Renderers = MappingProxyType({})


class Output(NamedTuple):
    """One report in one format; `path` None is stdout, or stderr when a document has stdout to itself."""

    format: str
    path: Path | None = None
    to_stderr: bool = False

    def write(self, report: Report, *, color: bool, own: Renderers = NO_RENDERERS) -> None:
        """Render the report, by `own` where it has the format, and write it; raises OSError when it cannot be written."""
        render = own.get(self.format) or _renderer(self.format)
        if self.path is not None:
            _replace_file(self.path, self._render(render, report, width=FILE_WIDTH, color=False, ascii_only=False))
            return
        stream = sys.stderr if self.to_stderr else sys.stdout
        width = get_terminal_size().columns if stream.isatty() else FILE_WIDTH
        looks = {"width": width, "color": color and takes_color(stream), "ascii_only": not takes_symbols(stream)}
        stream.write(encodable(self._render(render, report, **looks), stream))
        stream.flush()

    def _render(self, render: Callable[..., str], report: Report, **looks: Any) -> str:
        """Render; only formats for a screen are told how it looks."""
        return render(report, **(looks if self.format == "table" else {}))


def parse_outputs(given: Sequence[str], *, terminal: bool) -> list[Output]:
    """Read `-o` values; without any a table on a terminal and plain lines elsewhere.

    Raises PlanError for unknown formats, two documents on stdout and files that cannot be written.
    """
    if not given:
        return [Output("table" if terminal else "plain")]
    outputs = [_parse(text) for text in given]
    documents = [one for one in outputs if one.path is None and one.format not in FOR_PEOPLE]
    if len(documents) > 1:
        raise PlanError([Problem("stdout can take one document only", "--output", "give the others a =FILE")])
    return [
        Output(one.format, to_stderr=True) if documents and one.path is None and one not in documents else one
        for one in outputs
    ]


def drop_stdout() -> None:
    """Let what is still buffered go nowhere: the reader of stdout has gone."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(text: str) -> Output:
    name, equals, file = text.partition("=")
    if _renderer(name) is None:
        known = ", ".join(one.name for one in iter_modules(reports.__path__) if _renderer(one.name))
        raise PlanError([Problem(f"unknown format `{name}`", "--output", f"use one of {known}")])
    path = Path(os.path.realpath(file)) if file else None  # the target of a link is replaced, not the link
    if (equals and path is None) or (path is not None and not _can_be_written(path)):
        raise PlanError([Problem(f"`{file}` cannot be written", "--output", "name a file in a writable folder")])
    return Output(name, path)


def _can_be_written(path: Path) -> bool:
    return not path.is_dir() and os.access(path if _is_special(path) else path.parent, os.W_OK)


def _is_special(path: Path) -> bool:
    """Whether it is a device, a pipe or the like, which is written to and never replaced."""
    return path.exists() and not path.is_file()


def _renderer(name: str) -> Any:
    if name not in {one.name for one in iter_modules(reports.__path__)}:
        return None
    return getattr(import_module(f"{reports.__name__}.{name}"), "render", None)


def _replace_file(path: Path, text: str) -> None:
    """Write next to the file and rename, so that a reader sees the old report or the new one."""
    if _is_special(path):
        # O_NONBLOCK: a pipe that nobody reads is an error, not a wait
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY), "w", encoding="utf-8") as special:
            special.write(text)
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
