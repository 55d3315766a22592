"""Servers that outlive the command that started them: their list in the folder, and how they end."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from startupctl.embedded.folders import disown
from startupctl.embedded.process import write_private
from startupctl.errors import Problem, ProblemsFound

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from psutil import Process

    from startupctl.embedded.process import Server

LIST = "servers.json"
GRACE = 10.0  # seconds until a server that does not heed its signal is killed


def keep_servers(folder: Path, servers: Iterable[Server]) -> None:
    """Write down which processes belong to `folder`, and let it stay."""
    import psutil

    rows = [
        {"pid": one.proc.pid, "born": psutil.Process(one.proc.pid).create_time(), "signal": int(one.stop_signals[0])}
        for one in servers
        if one.proc
    ]
    write_private(folder / LIST, json.dumps(rows), None)
    disown(folder)


def stop_kept(folder: Path) -> int:
    """End the servers listed in `folder`, remove it, return how many ran; raises ProblemsFound without a list."""
    import psutil

    try:
        rows = json.loads((folder / LIST).read_text())
    except (OSError, ValueError) as error:
        problem = Problem(
            f"`{folder}` is no folder of kept servers", "--stop", "name the folder that `demo --keep` printed"
        )
        raise ProblemsFound([problem]) from error
    ended = [process for row in rows if (process := _signalled(row))]
    _, alive = psutil.wait_procs(ended, timeout=GRACE)
    for process in alive:
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)
    return len(ended)


def _signalled(row: dict[str, float]) -> Process | None:
    """Send the signal of a row to its process, unless the number belongs to another one by now."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(row["pid"]))
        if process.create_time() == row["born"]:
            process.send_signal(int(row["signal"]))
            return process
    return None
