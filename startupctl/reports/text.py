"""How text becomes safe and short for a person: escaping, time spans, symbols, what an encoding can take."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from startupctl.outcome import Status

if TYPE_CHECKING:
    from typing import TextIO

MINUTE = 60
SYMBOLS = {
    Status.PENDING: ("·", "."),
    Status.WAITING: ("·", "."),
    Status.RUNNING: ("▸", ">"),
    Status.RETRYING: ("↻", "~"),
    Status.SUCCESS: ("✔", "+"),
    Status.DEGRADED: ("⚠", "!"),
    Status.FAILED: ("✘", "x"),
    Status.SKIPPED: ("↷", "-"),
    Status.CANCELLED: ("■", "#"),
}
_OURS = "".join(fancy for fancy, _ in SYMBOLS.values()) + "…"


def shown(text: str) -> str:
    r"""Return text from outside as one harmless line.

    Line ends, tabs, escape sequences, bidirectional controls and lone surrogates become `\n`, `\x1b`, `\u202e`.
    """
    text = text.strip()
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shown_indented(line: str) -> str:
    """Return a line of a traceback, harmless and with its indentation."""
    bare = line.lstrip(" ")
    return " " * (len(line) - len(bare)) + shown(bare)


def tamed(text: str) -> str:
    """Return lines that a GitHub runner reads as text, not as commands; elsewhere they stay as they are.

    The runner takes `::name::` at the start of a line, after blanks, and `##[name]` anywhere in it
    (ActionCommand.cs of actions/runner).
    """
    if "GITHUB_ACTIONS" not in os.environ:
        return text
    lines = (_without_command(line) for line in text.split("\n"))
    return "\n".join(lines).replace("##[", "## [")


def _without_command(line: str) -> str:
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def encodable(text: str, stream: TextIO) -> str:
    r"""Return the text with what the stream's encoding cannot take written as `\xe9` or `\u2714`."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def ascii_form(text: str) -> str:
    r"""Return the text with all that is not ASCII written as `\xe9` or `\u2714`."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def takes_symbols(stream: TextIO) -> bool:
    """Whether the stream's encoding can take the symbols of the tables."""
    return encodable(_OURS, stream) == _OURS


def takes_color(stream: TextIO) -> bool:
    """Whether colours are welcome there: a terminal that can, and no `NO_COLOR` (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def instant(moment: datetime) -> str:
    """Return a moment in UTC as RFC 3339 has it, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(seconds: float | None) -> str:
    """Return seconds as `0.03s`, `12.3s` or `2m05s`; `-` for None."""
    if seconds is None:
        return "-"
    for digits, limit in ((2, 10), (1, MINUTE)):
        if float(text := f"{seconds:.{digits}f}") < limit:
            return f"{text}s"
    minutes, rest = divmod(round(seconds), MINUTE)
    return f"{minutes}m{rest:02d}s"


def times(count: int, noun: str) -> str:
    """Return `1 attempt`, `3 attempts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
