"""The forms a directory of migrations can have: one file, one format, found by its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.migrations.folder import Folder
    from startupctl.migrations.script import Migration

AUTO = "auto"
BY_NAME, BY_CONTENT, LAST_RESORT = 3, 2, 1  # ranks


class Format(Protocol):
    """What the module of a format offers.

    `RANK` says by what it is known. `APPLIES_LATE`: whether its own tool applies a pending file that is
    older than an applied one. `FILLS_PLACEHOLDERS`: whether it puts `migrations.placeholders` into its
    files. `OUTSIDE`: how `{file}` asks to run outside of a transaction, as an advice; empty where it cannot.
    """

    __name__: str
    RANK: int
    APPLIES_LATE: bool
    FILLS_PLACEHOLDERS: bool
    OUTSIDE: str

    def sign(self, folder: Folder) -> str:
        """Return the name of a file that only this format has, or nothing; names decide before contents are read."""

    def read(self, folder: Folder) -> Iterator[Migration]:
        """Yield the migrations in any order; what is wrong with a file is added to the folder's problems."""

    def order(self, migration: Migration) -> Any:
        """Return the key that sorts migrations into the order they are applied in."""


@cache
def format_names() -> tuple[str, ...]:
    """Return the names of all formats, sorted."""
    return tuple(sorted(module.name.replace("_", "-") for module in iter_modules(__path__)))


def format_name(chosen: Format) -> str:
    """Return the name of a format as the manifest writes it."""
    return chosen.__name__.rpartition(".")[2].replace("_", "-")


@cache
def find_format(name: str) -> Format:
    """Return a format by its name; raises ModuleNotFoundError for a name that nobody has."""
    module: Any = import_module(f"{__name__}.{name.replace('-', '_')}")
    found: Format = module
    return found


def choose_format(wanted: str, folder: Folder) -> Format | None:
    """Return the wanted format, for `auto` the one whose signs the directory shows; None when two do, which is a problem.

    Of several the one that is known by names is taken; what shows no sign at all is read as numbered files.
    """
    if wanted != AUTO:
        return find_format(wanted)
    formats = sorted(map(find_format, format_names()), key=lambda one: one.RANK, reverse=True)
    for rank in (BY_NAME, BY_CONTENT):
        shown = {format_name(one): name for one in formats if rank == one.RANK and (name := one.sign(folder))}
        if len(shown) > 1:
            what = " and ".join(f"files of {form} (`{name}`)" for form, name in shown.items())
            folder.refuse("", f"holds {what}", "keep those of one tool, or set `migrations.format`")
            return None
        if shown:
            return find_format(*shown)
    return formats[-1]
