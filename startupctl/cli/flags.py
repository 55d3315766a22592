"""The flags that running commands share, stated once; every one is also an environment variable."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from typer import Option

from startupctl.injected import is_injected

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_HELP = "Manifest; repeatable, later files win; `-` is stdin [default: startup.yaml, startup.yml]"


def option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002  (typer's word)
    """Return a typer option with its variable: `--fail-on` is also STARTUPCTL_FAIL_ON, unless Kubernetes set that."""
    long = next(name for name in names if name.startswith("--")).partition("/")[0]
    variable = "STARTUPCTL_" + long.removeprefix("--").replace("-", "_").upper()
    own = None if is_injected(variable, os.environ.get(variable, "")) else variable
    return Option(*names, help=help, envvar=own, show_default=False, **more)


Timeout = Annotated[
    str | None, option("--timeout", "-t", help="Time for each selected component, as 30s", metavar="DURATION")
]
Deadline = Annotated[str | None, option("--deadline", help="Time for the whole run, as 5m", metavar="DURATION")]
MaxRetries = Annotated[
    str | None, option("--max-retries", help="Backed-off retries after the first attempt", metavar="N")
]
DbTimeout = Annotated[str | None, option("--db-timeout", help="Time for each database component", metavar="DURATION")]


@dataclass(frozen=True, slots=True)
class ManifestFlags:
    """Which manifest is read."""

    file: Annotated[list[str] | None, Option("--file", "-f", help=FILE_HELP, metavar="FILE", show_default=False)] = None
    profile: Annotated[str | None, option("--profile", help="Profile of the manifest to merge over the rest")] = None


@dataclass(frozen=True, slots=True)
class SelectFlags:
    """Which components are meant."""

    skip: Annotated[list[str] | None, option("--skip", help="Leave this component out; repeatable", metavar="NAME")] = (
        None
    )
    tag: Annotated[
        list[str] | None, option("--tag", help="Only components with this tag; repeatable", metavar="TAG")
    ] = None
    no_deps: Annotated[bool, option("--no-deps", help="Only what is named, not what it requires")] = False


@dataclass(frozen=True, slots=True)
class RunFlags:
    """How the components are tried and when it counts as failed."""

    timeout: Timeout = None
    deadline: Deadline = None
    max_retries: MaxRetries = None
    db_timeout: DbTimeout = None
    fail_on: Annotated[
        str | None, option("--fail-on", help="Effective priorities at or above make the run FAILED", metavar="PRIORITY")
    ] = None
    fail_fast: Annotated[
        bool, option("--fail-fast/--keep-going", help="Stop at the first component that makes the run FAILED")
    ] = False
    allow_degraded: Annotated[
        bool | None, option("--allow-degraded/--no-allow-degraded", help="Exit code of DEGRADED: 0 / 1 instead of 3")
    ] = None


@dataclass(frozen=True, slots=True)
class OutputFlags:
    """What is shown, where."""

    output: Annotated[
        list[str] | None,
        option("--output", "-o", help="table, plain or json, to stdout or =FILE; repeatable", metavar="FORMAT[=FILE]"),
    ] = None
    quiet: Annotated[
        bool, option("--quiet", "-q", help="No progress; only the report, and only when asked for or not READY")
    ] = False
    verbose: Annotated[bool, option("--verbose", "-v", help="Log every attempt, as --log-level DEBUG")] = False
    log_level: Annotated[
        str | None, option("--log-level", help="DEBUG, INFO, WARNING, ERROR or CRITICAL", metavar="LEVEL")
    ] = None
    log_file: Annotated[
        str | None, option("--log-file", help="Write the log there instead of stderr", metavar="FILE")
    ] = None
    no_color: Annotated[bool, option("--no-color", help="No colours; NO_COLOR does the same")] = False


def takes(**groups: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the flags of these dataclasses; it receives one value per group, by the given name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [one for one in inspect.signature(function, eval_str=True).parameters.values() if one.name not in groups]
        shared = [parameter for group in groups.values() for parameter in _parameters(group)]

        @wraps(function)
        def wrapper(**given: Any) -> Any:
            values = {
                name: group(**{one.name: given.pop(one.name) for one in fields(group)})
                for name, group in groups.items()
            }
            return function(**given, **values)

        wrapper.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # read by inspect
        return wrapper

    return decorate


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(one.name, kind, default=one.default, annotation=hints[one.name]) for one in fields(group)]
