"""The command group: finds a command by its file, loads only that one, and turns every mistake into an exit code."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from startupctl import __version__, commands
from startupctl.errors import Problem, ProblemsFound
from startupctl.verdict import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

PROGRAM = "startupctl"
HELP = "Says when a service may start, and why not: databases created, migrated and checked, by one manifest."


class CommandFolder(dict[str, Any]):
    """The commands by name: a module of the package each, or a package for a group of them, imported on first use."""

    def __init__(self, package: ModuleType) -> None:
        """List the folder; nothing is imported."""
        super().__init__({module.name.replace("_", "-"): None for module in iter_modules(package.__path__)})
        self._package = package.__name__

    def __getitem__(self, name: str) -> Any:
        """Return the command; raises KeyError when there is no such module."""
        if super().__getitem__(name) is None:
            self[name] = _load(name, import_module(f"{self._package}.{name.replace('-', '_')}"))
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the command, or the default."""
        return self[name] if name in self else default  # noqa: SIM401  (that is what is defined here)


class CommandGroup(TyperGroup):
    """A group that shows its help when no command is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the group itself; leaves with the code of a mistake when there are none."""
        if not args:
            sys.stderr.write(ctx.get_help() + "\n")
            raise typer.Exit(Exit.USAGE)
        return super().parse_args(ctx, args)


def run_cli(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code (2 for mistakes of the user, 70 for ours)."""
    try:
        return _program().main(args=list(arguments), prog_name=PROGRAM, standalone_mode=False) or 0
    except (typer.Exit, typer.Abort) as leaving:
        return getattr(leaving, "exit_code", Exit.FAILED)
    except TyperException as error:
        return _refuse(arguments, [Problem(error.format_message().rstrip("."), "command line", _usage_hint(error))])
    except ProblemsFound as found:
        return _refuse(arguments, found.problems)
    except BrokenPipeError:
        return _closed_pipe()
    except Exception:  # noqa: BLE001  (the border of the program: what arrives here is a bug of ours)
        return _report_bug()


def print_version(wanted: bool) -> None:  # noqa: FBT001  (typer calls it with the option's value)
    """Print the version and leave."""
    if wanted:
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


def _program() -> Any:
    return _group(PROGRAM, commands, _callback, help=HELP)


def _group(name: str, package: ModuleType, callback: Callable[..., Any], **more: Any) -> Any:
    app = typer.Typer(name=name, cls=CommandGroup, add_completion=False, rich_markup_mode=None, **more)
    app.callback()(callback)
    group = get_command(app)
    assert isinstance(group, CommandGroup)  # an app with a callback is one
    group.commands = CommandFolder(package)
    return group


def _load(name: str, module: ModuleType) -> Any:
    function = module.command
    if hasattr(module, "__path__"):
        return _group(name, module, function)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, context_settings=getattr(function, "context_settings", None))(function)
    return get_command(single)


def _callback(
    version: bool = typer.Option(  # noqa: FBT001  (an option; typer reads the signature)
        False, "--version", help="Print the version and exit.", callback=print_version, is_eager=True
    ),
) -> None:
    """Say when a service may start, and why not."""


def _refuse(arguments: Sequence[str], problems: Sequence[Problem]) -> int:
    """Print what the user can mend: as lines to stderr, and as one document to stdout when JSON was asked for."""
    from startupctl.reports.text import encodable, shown, tamed

    for problem in problems:
        sys.stderr.write(encodable(tamed(shown(str(problem))), sys.stderr) + "\n")
    if _wants_json(arguments):
        from startupctl.reports.json import problems as document

        sys.stdout.write(document(problems))
    return Exit.USAGE


def _wants_json(arguments: Sequence[str]) -> bool:
    pairs = zip(arguments, [*arguments[1:], ""], strict=False)
    return any(
        (flag in ("-o", "--output") and value == "json") or flag in ("-ojson", "--output=json") for flag, value in pairs
    )


def _usage_hint(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context else f"see `{PROGRAM} --help`"


def _closed_pipe() -> int:
    """Leave quietly when the reader of stdout has gone; the run itself had been decided before."""
    from startupctl.cli.outputs import drop_stdout

    drop_stdout()
    return Exit.FAILED


def _report_bug() -> int:
    import os
    import traceback

    from startupctl.redact import Redactor, environment_secrets
    from startupctl.reports.text import shown_indented, tamed

    text = Redactor(environment_secrets(os.environ)).clean(traceback.format_exc())
    sys.stderr.writelines(f"{tamed(shown_indented(line))}\n" for line in text.splitlines())
    sys.stderr.write(f"{PROGRAM} {__version__}: this is a bug in {PROGRAM}, please report it with the lines above\n")
    return Exit.BUG
