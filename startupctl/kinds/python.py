"""The kind `python`: a function of the user, whose return value or exception decides."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, WithJsonSchema

from startupctl.beside import beside
from startupctl.check import Check, Degraded, Facts, Unhealthy
from startupctl.diagnoses import FUNCTION_FAILED
from startupctl.diagnosis import Code, Diagnosis, FailureClass
from startupctl.near import nearest
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from startupctl.check import Run

NOT_FOUND = Code(
    "RUN008",
    "function-not-found",
    FailureClass.PERMANENT,
    "`{target}` cannot be used: {what}",
    "A module or function is spelled otherwise, is not installed, or is not beside the manifest.",
    "correct `call`; modules are looked for where this Python looks and in {folder}{near}",
)


def _module_and_name(text: str) -> str:
    module, colon, name = text.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError("not of the form package.module:function")
    return text


Call = Annotated[
    str,
    AfterValidator(_module_and_name),
    WithJsonSchema({"type": "string", "pattern": r"^[\w.]+:[\w.]+$", "description": "package.module:function"}),
]


class Python(Check):
    """A function returns, and does not return False; it may be `async`."""

    foreign: ClassVar[bool] = True
    codes: ClassVar[tuple[Code, ...]] = (NOT_FOUND,)

    call: Call
    args: dict[str, Any] = Field(default={}, description="keyword arguments of the function")

    @property
    def target(self) -> str:
        """The function."""
        return self.call

    async def check(self, run: Run) -> Facts:
        """Import the module, call the function and judge what it returns; both may block, so neither is in our way."""
        folder = _importable(run.folder)
        imported = self.call.partition(":")[0] in sys.modules
        function = self._find(folder) if imported else await in_thread(self._find, folder)
        if inspect.iscoroutinefunction(function):
            result = await beside(lambda: function(**self.args))
        else:
            returned = await in_thread(function, **self.args)
            result = await beside(lambda: returned) if inspect.isawaitable(returned) else returned
        return self._judged(result)

    def _find(self, folder: str) -> Callable[..., Any]:
        module_name, _, path = self.call.partition(":")
        found: Any = self._imported(module_name, folder)
        for name in path.split("."):
            if not hasattr(found, name):
                raise self._not_found(f"`{module_name}` has no `{path}`", folder, nearest(name, dir(found)))
            found = getattr(found, name)
        if not callable(found):
            raise self._not_found(f"it is no function but of type {type(found).__name__}", folder)
        wrong = _why_not_called(found, self.args)
        if wrong:
            raise self._not_found(f"`args` do not fit: {wrong}", folder)
        return found  # type: ignore[no-any-return]  # seen above to be callable

    def _imported(self, module_name: str, folder: str) -> ModuleType:
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or module_name
            near = nearest(missing.rpartition(".")[2], _modules_beside(missing, folder))
            raise self._not_found(f"there is no module `{missing}`", folder, near) from error
        except (ImportError, SyntaxError) as error:
            diagnosis = self._failed(type(error).__name__, FailureClass.PERMANENT, said=str(error))
            raise Unhealthy(diagnosis) from error

    def _judged(self, result: object) -> Facts:
        if isinstance(result, Degraded):
            raise result
        if result is False:
            raise Unhealthy(self._failed("returned False"))
        if inspect.isgenerator(result) or inspect.isasyncgen(result):
            raise Unhealthy(self._failed("is a generator, so nothing in it was run", FailureClass.PERMANENT))
        if not isinstance(result, dict):
            return {}
        try:
            facts: Facts = json.loads(json.dumps(result, allow_nan=False))
        except (TypeError, ValueError) as error:
            diagnosis = self._failed("returned facts that are no JSON", FailureClass.PERMANENT, said=str(error))
            raise Unhealthy(diagnosis) from error
        return facts

    def _failed(self, kind: str, failure: FailureClass | None = None, said: str = "") -> Diagnosis:
        return Diagnosis(FUNCTION_FAILED, {"target": self.call, "kind": kind}, said=said, failure_class=failure)

    def _not_found(self, what: str, folder: str, near: str = "") -> Unhealthy:
        hint = f"; did you mean `{near}`?" if near else ""
        return Unhealthy(Diagnosis(NOT_FOUND, {"target": self.call, "what": what, "folder": folder, "near": hint}))


def _importable(folder: Path) -> str:
    """Put the folder on sys.path, once, and return its name."""
    name = os.path.abspath(folder)  # noqa: PTH100  (Path.resolve asks the file system)
    if name not in sys.path:
        sys.path.append(name)  # at the end: nothing there may hide a module that is imported later
    return name


_signature = cache(inspect.signature)  # asked at every look


def _why_not_called(function: Callable[..., Any], args: dict[str, Any]) -> str:
    """Return why a function does not take these arguments; a function that hides its signature is tried."""
    try:
        signature = _signature(function)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(**args)
    except TypeError as error:
        return str(error)
    return ""


def _modules_beside(missing: str, folder: str) -> list[str]:
    """Return the modules where a missing one was looked for: in its package, or in the folder."""
    import pkgutil

    package = sys.modules.get(missing.rpartition(".")[0])
    places = list(getattr(package, "__path__", [])) if package else [folder]
    return [module.name for module in pkgutil.iter_modules(places)]
