"""Writes the empty file of a new migration, in dbmate's form."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from startupctl.errors import Mark, Problem
from startupctl.migrations.files import bad_files, open_folder
from startupctl.migrations.formats import AUTO, choose_format, find_format, format_name

if TYPE_CHECKING:
    from pathlib import Path

    from startupctl.check import Unhealthy

FORM = "dbmate"
TEMPLATE = "-- migrate:up\n\n-- migrate:down\n"
MAX_WORDS = 60  # characters of the name behind the number


def new_file(directory: Path, name: str, now: datetime, wanted: str = AUTO) -> Path:
    """Create a file whose number is `now` in UTC, or the next second that is free, and return its path; blocks.

    The directory is created where it is missing; `wanted` is what the manifest says of its format. Raises ValueError for a
    name without letters and digits, Unhealthy (MIG008) for a directory of another format or one that cannot be written to.
    """
    words = re.sub(r"\W+", "_", name.lower()).strip("_")[:MAX_WORDS].rstrip("_")
    if not words:
        raise ValueError("the name has no letter and no digit")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _require_own_form(directory, wanted)
        return _create(directory, words, now.astimezone(UTC))
    except OSError as error:
        what = f"cannot be written to: {error.strerror}"
        raise bad_files([Problem(what, hint="correct `migrations.dir`", mark=Mark(str(directory)))]) from error


def _create(directory: Path, words: str, now: datetime) -> Path:
    taken = {other.name.partition("_")[0] for other in directory.iterdir()}
    while True:
        number = now.strftime("%Y%m%d%H%M%S")
        path = directory / f"{number}_{words}.sql"
        now += timedelta(seconds=1)
        if number in taken:
            continue
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(TEMPLATE)
        except FileExistsError:  # another process was faster
            continue
        return path


def _require_own_form(directory: Path, wanted: str) -> None:
    if wanted not in (AUTO, FORM):
        raise _other_form(directory, wanted)
    folder = open_folder(directory)
    chosen = choose_format(AUTO, folder)
    if not chosen:
        raise bad_files(folder.problems)
    if chosen is not find_format(FORM) and (folder.sql or chosen.sign(folder)):
        raise _other_form(directory, format_name(chosen))


def _other_form(directory: Path, form: str) -> Unhealthy:
    what = f"holds files of {form}, and a new one would be in the form of {FORM}"
    return bad_files([Problem(what, hint=f"write it as {form} does", mark=Mark(str(directory)))])
