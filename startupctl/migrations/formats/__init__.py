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


class Format(Protocol):
    """What the module of a format offers.

    `RANK`: of several formats that recognise a directory the highest is taken. `APPLIES_LATE`:
    whether its own tool applies a pending file that is older than an applied one.
    """

    __name__: str
    RANK: int
    APPLIES_LATE: bool

    def recognises(self, folder: Folder) -> bool:
        """Whether the files look like this format."""

    def read(self, folder: Folder) -> Iterator[Migration]:
        """Yield the migrations in any order; what is wrong with a file is added to the folder's problems."""

    def order(self, migration: Migration) -> Any:
        """Return the key that sorts migrations into the order they are applied in."""


def format_names() -> list[str]:
    """Return the names of all formats, sorted."""
    return sorted(module.name for module in iter_modules(__path__))


def format_name(chosen: Format) -> str:
    """Return the name of a format as the manifest writes it."""
    return chosen.__name__.rpartition(".")[2]


@cache
def find_format(name: str) -> Format:
    """Return a format by its name; raises ModuleNotFoundError for a name that nobody has."""
    module: Any = import_module(f"{__name__}.{name}")
    found: Format = module
    return found


def choose_format(wanted: str, folder: Folder) -> Format:
    """Return the wanted format; for `auto` the one that recognises the files, numbered files being the last resort."""
    if wanted != AUTO:
        return find_format(wanted)
    formats = sorted((find_format(name) for name in format_names()), key=lambda one: one.RANK, reverse=True)
    return next((one for one in formats if one.recognises(folder)), formats[-1])
