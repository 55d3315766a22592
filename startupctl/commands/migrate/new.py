"""`startupctl migrate new`: the empty file of a new migration."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  (typer reads the annotations)
from typing import Annotated

from typer import Argument, Option

from startupctl.cli.flags import ManifestFlags, option, takes


@takes(manifest=ManifestFlags)
def command(
    name: Annotated[str, Argument(metavar="NAME", help="What it does, in a few words")],
    *,
    component: Annotated[
        str | None, option("--component", "-c", help="Which one, where several have migrations", metavar="NAME")
    ] = None,
    directory: Annotated[
        Path | None, Option("--dir", metavar="DIR", help="Write it there; no manifest is read", show_default=False)
    ] = None,
    manifest: ManifestFlags,
) -> None:
    """Write an empty migration in dbmate's form, numbered by the time in UTC, and print its path; contacts nothing.

    A directory that holds files of another form is refused: give such a file the name its tool would give it.
    """
    from datetime import UTC, datetime

    from startupctl.check import Unhealthy
    from startupctl.cli.migrating import exclude, find_directory
    from startupctl.errors import PlanError, Problem
    from startupctl.migrations.formats import AUTO
    from startupctl.migrations.new_file import new_file
    from startupctl.reports.text import encodable, shown

    exclude({"--component": component is not None, "--dir": directory is not None})
    folder, form = (directory, AUTO) if directory else find_directory(manifest, component)
    try:
        path = new_file(folder, name, datetime.now(UTC), form)
    except ValueError as error:
        raise PlanError([Problem(str(error), "NAME")]) from error
    except Unhealthy as refused:
        found = refused.diagnosis
        raise PlanError([Problem(found.summary)]) from refused  # it tells its cure, too
    sys.stdout.write(encodable(shown(str(path)), sys.stdout) + "\n")
