"""Finds kinds by where they are: `kinds/<name>.py` here, entry points of group `startupctl.kinds` elsewhere."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from startupctl.check import Check

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "startupctl.kinds"


@cache
def find_kind(name: str) -> type[Check]:
    """Return the class of a kind; raises LookupError for a name that nobody has.

    Third-party kinds are validated here, once: raises TypeError naming the entry point when it is no Check.
    """
    if name in _own_names():
        return _class_in(f"{GROUP}.{name}")
    entry = _entry_points().get(name)
    if entry is None:
        raise LookupError(name)
    kind = entry.load()
    if not (isinstance(kind, type) and issubclass(kind, Check)):
        message = f"entry point `{name}` ({entry.value}) of group {GROUP} is not a subclass of startupctl.check.Check"
        raise TypeError(message)
    return kind


def kind_names() -> list[str]:
    """Return the names of all kinds, ours and third parties', sorted."""
    return sorted({*_own_names(), *_entry_points()})


def _class_in(module_name: str) -> type[Check]:
    module = import_module(module_name)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Check) and value.__module__ == module_name
    ]
    if len(found) != 1:
        message = f"{module_name} must define exactly one kind, it defines {len(found)}"
        raise TypeError(message)
    return found[0]


@cache
def _own_names() -> frozenset[str]:
    from startupctl import kinds

    return frozenset(module.name for module in iter_modules(kinds.__path__))


@cache
def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}
