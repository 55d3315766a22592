"""The frame of the `migrate` commands: one piece of work on the migrations of one component, run as its check is run."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from startupctl.check import Check, Facts, Mode
from startupctl.cli.flags import Deadline, MaxRetries, RunFlags, Timeout, option
from startupctl.cli.outputs import NO_RENDERERS, parse_outputs
from startupctl.cli.running import carry_out, read_manifest, write_report
from startupctl.discover import find_kind
from startupctl.engine import Options, find_lender
from startupctl.errors import PlanError, Problem
from startupctl.near import near_hint, shown
from startupctl.plan import Plan, Step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from startupctl.check import Run
    from startupctl.cli.flags import ManifestFlags, OutputFlags
    from startupctl.cli.outputs import Renderers
    from startupctl.diagnosis import Diagnosis
    from startupctl.migrations.site import Site
    from startupctl.model import Component, Manifest
    from startupctl.outcome import Report

    Work = Callable[[Run, Site[Any]], Awaitable[Facts]]

EVERY_FAILURE = "LOW"  # there is one component: whatever its priority, its failure is that of the command


@dataclass(frozen=True, slots=True)
class ComponentFlags:
    """Which component, and how it is tried."""

    component: Annotated[
        str | None, option("--component", "-c", help="Which one, where several have migrations", metavar="NAME")
    ] = None
    timeout: Timeout = None
    deadline: Deadline = None
    max_retries: MaxRetries = None


class Errand(NamedTuple):
    """What a command wants: `work` on the site of a component, its facts shown by `renderers` when it succeeded.

    `ending` returns the exit code of work that was done. `files` says that it works on files, so not on migrations that
    are made by a tool.
    """

    command: str
    work: Work
    mode: Mode = Mode.PREPARE
    renderers: Renderers = NO_RENDERERS
    ending: Callable[[Facts], int] = lambda _: 0
    files: bool = True


class OnErrand(Check):
    """A component with an errand in the place of its check; signals are explained by its kind."""

    kind: Any
    errand: Any
    lender: Any = None

    @property
    def target(self) -> str:
        """The target of the component."""
        target: str = self.kind.target
        return target

    async def check(self, run: Run) -> Facts:
        """Do the work; it is done again when it fails and may succeed later."""
        run = replace(run, mode=self.errand.mode)
        facts: Facts = await self.errand.work(run, self._site(run))
        return facts

    def explain(self, error: BaseException) -> Diagnosis | None:
        """Classify as the kind does, or the one whose lock it borrows."""
        found: Diagnosis | None = self.kind.explain(error)
        return found or (self.lender.check.explain(error) if self.lender else None)

    def _site(self, run: Run) -> Site[Any]:
        """Return the site; a lock that is borrowed is looked at where it is lent."""
        site: Site[Any] = self.kind.site(run)
        if site.borrows is None or self.lender is None:
            return site
        return site._replace(latch=self.lender.check.latch(replace(run, folder=self.lender.folder)))


def perform(errand: Errand, which: ComponentFlags, files: ManifestFlags, output: OutputFlags) -> int:
    """Do an errand and write what came of it; return the exit code.

    Raises ProblemsFound for everything the user can mend before anything is contacted.
    """
    outputs = parse_outputs(output.output or (), terminal=sys.stdout.isatty())
    tried = {name: value for name, value in asdict(which).items() if name != "component"}
    manifest = read_manifest(files, RunFlags(**tried, fail_on=EVERY_FAILURE))
    component = choose_component(manifest, which.component)
    if errand.files:
        _refuse_tool(component, errand.command)
    report = carry_out(_plan(manifest, component, errand), Options(command=errand.command), output)
    if not report.outcomes[component.name].usable:
        return write_report(report, outputs, output)
    report = _ended(report, component, errand)
    return write_report(report, outputs, output, errand.renderers)


def exclude(given: Mapping[str, bool]) -> None:
    """Raise PlanError when more than one of these flags is given."""
    flags = [flag for flag, is_given in given.items() if is_given]
    if len(flags) > 1:
        raise PlanError([Problem(f"`{flags[0]}` and `{flags[1]}` exclude each other", "command line")])


def refuse_unknown(flag: str, given: str, known: Sequence[str]) -> None:
    """Raise PlanError when the value of a flag is none of these."""
    if given not in known:
        hint = near_hint(given, known) or f"use one of {', '.join(known)}"
        raise PlanError([Problem(f"`{shown(given)}` is not known", flag, hint)])


def choose_component(manifest: Manifest, name: str | None) -> Component:
    """Return the component that is meant; raises PlanError, with the candidates, when that is not clear."""
    enabled = {one.name: one for one in manifest.components.values() if one.enabled}
    able = [one for one in enabled.values() if getattr(one.check, "migrations", None)]
    if name is None and len(able) == 1:
        return able[0]
    chosen = enabled.get(name or "")
    if chosen in able:
        return chosen
    raise PlanError([_no_choice(name, enabled, [one.name for one in able])])


def find_directory(files: ManifestFlags, name: str | None) -> tuple[Path, str]:
    """Return the directory of a component's migrations and their format; variables are resolved only if they must be.

    Raises ProblemsFound as `perform` does.
    """
    manifest = read_manifest(files, resolve=False)
    if any(_unread(one) for one in manifest.components.values() if name in (None, one.name)):
        manifest = read_manifest(files)
    component = choose_component(manifest, name)
    _refuse_tool(component, "migrate new")
    keys: Any = getattr(component.check, "migrations", None)
    return component.folder / Path(keys.dir).expanduser(), keys.format


def _unread(component: Component) -> bool:
    """Whether it may have migrations, and its variables must be resolved to know."""
    return component.enabled and component.check is None and "migrations" in find_kind(component.kind).model_fields


def _no_choice(name: str | None, enabled: Iterable[str], able: list[str]) -> Problem:
    where, those = "--component", f"there are migrations in: {', '.join(able)}"
    if not able:
        return Problem("no component has `migrations`", where, "add them to a database component")
    if name is None:
        return Problem("several components have migrations", where, f"name one of: {', '.join(able)}")
    if name in enabled:
        return Problem(f"component `{name}` has no `migrations`", where, those)
    return Problem(f"no enabled component is called `{shown(name)}`", where, near_hint(name, able) or those)


def _refuse_tool(component: Component, command: str) -> None:
    keys: Any = getattr(component.check, "migrations", None)
    if keys.tool:
        from startupctl.migrations.delegated import refuse_tool

        refuse_tool(component.name, keys, f"startupctl {command}")


def _plan(manifest: Manifest, component: Component, errand: Errand) -> Plan:
    """Return the plan of this component alone; others may lend their lock, and are not looked at."""
    lender = _lender(manifest, component)
    alone = replace(component, check=OnErrand.model_construct(kind=component.check, errand=errand, lender=lender))
    return Plan(manifest, {alone.name: Step(alone, alone.priority)}, (alone.name,))


def _lender(manifest: Manifest, component: Component) -> Component | None:
    """Return who would lend its lock to this component; kinds of third parties may lend one and tell nothing of it."""
    keys: Any = getattr(component.check, "migrations", None)
    try:
        lender = find_lender(manifest.components, component, keys.lock)
    except LookupError:
        return None
    return lender if hasattr(lender.check, "latch") else None


def _ended(report: Report, component: Component, errand: Errand) -> Report:
    code = errand.ending(report.outcomes[component.name].facts)
    return replace(report, exit_code=report.exit_code or code)
