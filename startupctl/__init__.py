"""Says when a service may start, and why not.

Importing this package loads neither typer nor rich nor a driver: the public names are found on first use.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "Check": "check",
    "Degraded": "check",
    "Facts": "check",
    "Run": "check",
    "Unhealthy": "check",
    "Priority": "fields",
}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604  (the names are strings of the table above)


def __getattr__(name: str) -> object:
    """Import a public name from the module it lives in."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
