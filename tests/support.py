"""What tests share and no test owns: a run without an engine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from startupctl.check import Mode, Run


@dataclass
class Services:
    """Records what a kind asks of the engine."""

    warnings: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    locks: dict = field(default_factory=dict)
    clocks_stopped: int = 0

    def progress(self, text, done, total):
        self.steps.append((text, done, total))

    def warn(self, code, facts):
        self.warnings.append((code.code, facts))

    def note(self, facts):
        self.notes.update(facts)

    @contextmanager
    def unhurried(self):
        self.clocks_stopped += 1
        yield

    def lock(self, name):
        return self.locks[name]


def make_run(seconds=5.0, *, mode=Mode.CHECK, connect_timeout=None, folder=Path(), services=None):
    """Return a run that ends in `seconds`."""
    return Run(
        deadline=time.monotonic() + seconds,
        connect_timeout=seconds if connect_timeout is None else connect_timeout,
        folder=folder,
        mode=mode,
        services=services or Services(),
    )


def race_processes(count, program, *words):
    """Run `count` Python processes of one program at once; return what each printed, read as JSON."""
    argv = [sys.executable, "-c", program, *map(str, words), str(Path(__file__).parent)]
    racers = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(count)]
    ended = [(*racer.communicate(timeout=50), racer.returncode) for racer in racers]
    assert [code for _, _, code in ended] == [0] * count, [err[-2000:] for _, err, code in ended if code]
    return [json.loads(out) for out, _, _ in ended]
