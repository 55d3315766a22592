"""Blocking calls, each on a daemon thread of its own that is never joined.

The default executor is shared and joined at exit: one hung file read, resolver or user function
would starve the others and delay the end of the process (it holds 6 threads on 2 cores).
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

LONG = 512 * 1024  # characters: tens of milliseconds for a lexer


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call off the event loop and return what it returns, or raise what it raises.

    When the caller is cancelled the thread goes on and its result is dropped: whoever must not let
    it go on (a statement that changes something) shields the call and ends it first.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            settle = partial(_settle, future.set_result, function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  (carried over to the caller's thread)
            # no future takes a StopIteration
            settle = partial(
                _settle,
                future.set_exception,
                RuntimeError("StopIteration") if isinstance(error, StopIteration) else error,
            )
        except BaseException as error:  # noqa: BLE001  (SystemExit of a user's function must not end our loop)
            settle = partial(_settle, future.set_exception, RuntimeError(f"{type(error).__name__}: {error}"))
        with suppress(RuntimeError):  # the loop is closed: nobody waits for the answer any more
            loop.call_soon_threadsafe(settle, future)

    threading.Thread(target=work, daemon=True, name=getattr(function, "__name__", "call")).start()
    return await future


async def aside(text: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that reads this text: here where that is quick, on a thread where signals would wait for it."""
    if len(text) < LONG:
        return function(*args, **kwargs)
    return await in_thread(function, *args, **kwargs)


def load(name: str) -> None:
    """Import a module in one thread at a time.

    The parts of a package that import each other, as urllib3's do, fail when two threads begin with
    different ones. Whoever imports such a package in `in_thread` calls this first.
    """
    with _IMPORTING:
        import_module(name)


_IMPORTING = threading.RLock()


def _settle(setter: Callable[[Any], None], value: object, future: asyncio.Future[Any]) -> None:
    if not future.done():
        setter(value)
