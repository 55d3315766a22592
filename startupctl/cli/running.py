"""Runs a plan for a command: manifest and plan first, then the engine under signal handlers, then the reports."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from contextlib import ExitStack, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl.cli.listening import Listeners, open_listeners
from startupctl.cli.outputs import NO_RENDERERS, Output, drop_stdout, parse_outputs
from startupctl.engine import Options, Stop, run_plan
from startupctl.manifest import load_manifest
from startupctl.outcome import Verdict
from startupctl.plan import Selection, make_plan
from startupctl.redact import Redactor, environment_secrets
from startupctl.reports.text import shown_indented, tamed
from startupctl.settings import DEGRADED_ALLOWED, GRACEFUL
from startupctl.verdict import SIGNAL_BASE, Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Mode
    from startupctl.cli.flags import ManifestFlags, OutputFlags, RunFlags, SelectFlags
    from startupctl.cli.outputs import Renderers
    from startupctl.model import Manifest
    from startupctl.outcome import Report
    from startupctl.plan import Plan

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Job(NamedTuple):
    """What a command wants of a run."""

    command: str
    mode: Mode
    names: tuple[str, ...] = ()
    databases: bool = False
    allow_pending: bool = False
    await_init: bool = False
    healthcheck: bool = False


def execute(job: Job, manifest: ManifestFlags, select: SelectFlags, how: RunFlags, output: OutputFlags) -> int:
    """Run the job and write its reports; return the exit code.

    Raises ProblemsFound for everything the user can mend before anything is contacted.
    """
    outputs = parse_outputs(output.output or (), terminal=sys.stdout.isatty())
    loaded = read_manifest(manifest, how)
    plan = make_plan(loaded, read_selection(job.names, select, databases=job.databases), moment=job.command)
    options = Options(
        command=job.command,
        mode=job.mode,
        fail_fast=how.fail_fast or not loaded.origins[GRACEFUL].value,
        allow_pending=job.allow_pending,
        await_init=job.await_init,
        allow_degraded=loaded.origins[DEGRADED_ALLOWED].value if how.allow_degraded is None else how.allow_degraded,
    )
    report = carry_out(plan, options, output, quiet=job.healthcheck)
    if job.healthcheck:
        return _healthcheck(report)
    return write_report(report, outputs, output)


def carry_out(plan: Plan, options: Options, output: OutputFlags, *, quiet: bool = False) -> Report:
    """Run a plan under signal handlers, with the listeners that the flags ask for; return its report."""
    manifest = plan.manifest
    options = options._replace(redactor=Redactor([*manifest.secrets, *environment_secrets(os.environ)]))
    logging.getLogger().addHandler(
        logging.NullHandler()
    )  # what libraries log is not cleaned of secrets; ours is `logs`
    gc.freeze()  # what was imported stays
    gc.enable()
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(sys.stderr))  # a function of the user that prints must not spoil a document
        listeners = open_listeners(output, plan, quiet=output.quiet or quiet)
        stack.callback(listeners.close)
        report = asyncio.run(_under_signals(plan, options, listeners))
    sys.stderr.writelines(f"{tamed(shown_indented(line))}\n" for line in report.bug.splitlines())
    return report


def write_report(report: Report, outputs: Sequence[Output], flags: OutputFlags, own: Renderers = NO_RENDERERS) -> int:
    """Write the outputs that are due and return the exit code; one that fails is said and never makes it better.

    `own` are a command's renderers by format, in place of those of a report.
    """
    code = report.exit_code
    for output in _due(outputs, flags, report):
        try:
            output.write(report, color=not flags.no_color, own=own)
        except BrokenPipeError:
            drop_stdout()
        except OSError as error:
            sys.stderr.write(
                f"the {output.format} report was not written to `{output.path or 'stdout'}`: {error.strerror}\n"
            )
            code = code or Exit.FAILED
    return code


def read_manifest(files: ManifestFlags, how: RunFlags | None = None, *, resolve: bool = True) -> Manifest:
    """Load the manifest that the flags name, with the values that flags override."""
    flags = {}
    if how is not None:
        names = ("timeout", "deadline", "max_retries", "db_timeout", "fail_on")
        flags = {name: getattr(how, name) for name in names if getattr(how, name) is not None}
    return load_manifest(files.file or (), profile=files.profile, flags=flags, resolve=resolve)


def read_selection(names: Sequence[str] | None, select: SelectFlags, *, databases: bool = False) -> Selection:
    """Return what the words and flags of a command select; `databases` are meant where nothing is named."""
    return Selection(
        names=tuple(names or ()),
        skip=tuple(select.skip or ()),
        tags=tuple(select.tag or ()),
        no_deps=select.no_deps,
        databases=databases and not names,
    )


async def _under_signals(plan: Plan, options: Options, listeners: Listeners) -> Report:
    """Run the plan; the first signal ends it with a complete report, the second at once."""
    loop, stop, task = asyncio.get_running_loop(), Stop(), asyncio.current_task()
    assert task is not None

    def handle(number: int) -> None:
        if stop.signal is not None:
            listeners.close()
            os._exit(SIGNAL_BASE + number)
        stop.signal = number
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, handle, number)
    beat = asyncio.ensure_future(_beat(listeners))
    try:
        return await run_plan(plan, options, listeners if listeners.listening else None, stop)
    finally:
        beat.cancel()


async def _beat(listeners: Listeners) -> None:
    while True:
        await asyncio.sleep(1)
        listeners.heartbeat()


def _due(outputs: Sequence[Output], flags: OutputFlags, report: Report) -> Sequence[Output]:
    """Return the outputs to write: a quiet run that is READY says nothing that was not asked for."""
    if flags.quiet and not flags.output:
        return [] if report.verdict is Verdict.READY else [one._replace(to_stderr=True) for one in outputs]
    return outputs


def _healthcheck(report: Report) -> int:
    """Print one line; container engines know healthy (0) and unhealthy (1) only."""
    words: list[Any] = [
        report.verdict,
        *(f"{one.name}: {one.diagnosis.summary}" for one in report.roots if one.diagnosis),
    ]
    sys.stdout.write("; ".join(map(str, words)).replace("\n", " ")[:4000] + "\n")
    if report.exit_code in (Exit.BUG, *(SIGNAL_BASE + number for number in SIGNALS)):
        return report.exit_code
    return Exit.FAILED if report.verdict is Verdict.FAILED else Exit.READY
