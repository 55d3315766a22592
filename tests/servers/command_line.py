"""Runs the installed `startupctl` in a process of its own, apart from this environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("startupctl")
OURS = ("STARTUP", "DATABASE_", "REDIS_", "CLICKHOUSE_", "PG", "LOG_LEVEL", "NO_COLOR", "COLUMNS", "LINES", "PYTHON")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    def json(self):
        """Return the document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen

    def finish(self, timeout=60):
        """Wait for the end; a process that does not end is killed and fails the test."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return Ran(self.process.returncode, out, err)


class CommandLine:
    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *args, env=None, cwd=None, stdin=None, timeout=60):
        """Run to the end; a variable of value None is removed. Its state directory is this test's."""
        ran = subprocess.run(
            [PROGRAM, *map(str, args)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env=self.environment(env),
            cwd=cwd or self.folder,
            timeout=timeout,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def start(self, *args, env=None, cwd=None):
        """Start it and return at once; call `finish`."""
        return Running(
            subprocess.Popen(
                [PROGRAM, *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self.environment(env),
                cwd=cwd or self.folder,
            )
        )

    def environment(self, env=None):
        """Return the environment a command gets, for tests that start the process themselves."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.upper().startswith(OURS) and not key.upper().endswith("_PROXY")
        }
        kept["XDG_STATE_HOME"] = str(self.folder / ".state")
        kept |= env or {}
        return {key: str(value) for key, value in kept.items() if value is not None}
