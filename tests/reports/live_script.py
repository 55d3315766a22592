"""Feeds a live table on stderr until SIGUSR1 or SIGTERM comes, then prints the final table, as the command line does.

Arguments: the number of components beside the three that tell a story, `symbols`, `ascii` or `auto`, `color`, `plain` or `auto`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from reports.samples import SAMPLES, outcome, refused
from startupctl.model import Component, Policy
from startupctl.outcome import Attempt, Event, EventKind, Status
from startupctl.reports import table
from startupctl.reports.live import Live
from startupctl.reports.text import takes_color, takes_symbols

finished = threading.Event()


class Terminated(Exception):
    """SIGTERM came."""


def terminate(number, frame):
    raise Terminated


def components(more):
    story = [
        Component("dns", "dns"),
        Component("database", "postgres", depends_on={"dns": True}, policy=Policy(timeout=60)),
        Component("api", "http", depends_on={"database": True}),
        Component("events", "clickhouse"),
        Component("disk", "disk"),
    ]
    return story + [Component(f"extra{number:03d}", "tcp") for number in range(more)]


def feed(live, more):
    started = time.monotonic()

    def hear(kind, component="", **rest):
        live(Event(kind, time.monotonic() - started, component, **rest))

    hear(EventKind.STARTED)
    hear(EventKind.WAITING, "database")
    hear(EventKind.WAITING, "api")
    hear(EventKind.ATTEMPT, "dns")
    hear(EventKind.SETTLED, "dns", outcome=outcome("dns", facts={"addresses": ["10.0.0.7"]}))
    hear(EventKind.SETTLED, "disk", outcome=outcome("disk", Status.FAILED, diagnosis=refused("disk\x1b[2J\n")))
    for number in range(more):
        hear(EventKind.SETTLED, f"extra{number:03d}", outcome=outcome(f"extra{number:03d}"))
    hear(EventKind.ATTEMPT, "events")
    hear(EventKind.PROGRESS, "events", text="migrating 0002_caf\xe9", done=2, total=7)
    number = 0
    while not finished.is_set():
        number += 1
        hear(EventKind.ATTEMPT, "database")
        attempt = Attempt(number, 0, 0, diagnosis=refused("db.internal:5432"))
        hear(EventKind.LOOKED, "database", attempt=attempt, wait=0.025)
        time.sleep(0.025)


def main():
    more, symbols, color = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    signal.signal(signal.SIGUSR1, lambda *_: finished.set())
    signal.signal(signal.SIGTERM, terminate)
    ascii_only = not takes_symbols(sys.stderr) if symbols == "auto" else symbols == "ascii"
    wants_color = takes_color(sys.stderr) if color == "auto" else color == "color"
    live = Live(sys.stderr, components(more), color=wants_color, ascii_only=ascii_only)
    sample, code = SAMPLES["ready"], 0
    try:
        feed(live, more)
    except Terminated:
        sample, code = SAMPLES["interrupted"], 143
    finally:
        live.close()
        live.close()
    width = os.get_terminal_size(2).columns
    print(table.render(sample, width=width, color=wants_color, ascii_only=ascii_only), end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
