"""Who listens to a run: the live table on a terminal, lines elsewhere, the log."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from startupctl.cli.flags import OutputFlags
    from startupctl.model import Component
    from startupctl.outcome import Event
    from startupctl.plan import Plan


class Listeners:
    """Passes every event on to each listener."""

    def __init__(self, listeners: Sequence[Any]) -> None:
        """Keep the listeners; what of `heartbeat` and `close` they have is called."""
        self._listeners = listeners
        self._closed = False

    @property
    def listening(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def __call__(self, event: Event) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener(event)

    def heartbeat(self) -> None:
        """Let time pass for those who say that something is still waited for."""
        self._each("heartbeat")

    def close(self) -> None:
        """Give the terminal back; may be called more than once."""
        if not self._closed:
            self._closed = True
            self._each("close")

    def _each(self, method: str) -> None:
        with ExitStack() as stack:
            for listener in self._listeners:
                action: Callable[[], None] | None = getattr(listener, method, None)
                if action is not None:
                    stack.callback(action)


def open_listeners(flags: OutputFlags, plan: Plan, *, quiet: bool) -> Listeners:
    """Return the listeners that the flags ask for; progress goes to stderr, so that stdout is data only."""
    listeners: list[Any] = []
    logs_to_terminal = flags.log_file is None and (flags.verbose or flags.log_level is not None)
    if logs_to_terminal or flags.log_file is not None or "LOG_LEVEL" in os.environ:
        from startupctl.logs import open_log

        listeners.append(open_log(flags.log_level, flags.log_file, verbose=flags.verbose))
    if not quiet and not (logs_to_terminal and not sys.stderr.isatty()):  # lines and log would say everything twice
        listeners.append(_progress([step.component for step in plan.steps.values()], no_color=flags.no_color))
    return Listeners(listeners)


def _progress(components: Sequence[Component], *, no_color: bool) -> Any:
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from startupctl.reports.live import Live
        from startupctl.reports.text import takes_color, takes_symbols

        color = takes_color(sys.stderr) and not no_color
        return Live(sys.stderr, components, color=color, ascii_only=not takes_symbols(sys.stderr))
    from startupctl.reports.plain import Lines

    return Lines(sys.stderr, components)
