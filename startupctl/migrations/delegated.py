"""Migrations that another tool makes: it is asked whether something is pending, and run under the migration lock."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from startupctl.check import Unhealthy, lock_facts
from startupctl.diagnoses import COMPONENT_TIMEOUT
from startupctl.diagnosis import Diagnosis, FailureClass
from startupctl.errors import PlanError, Problem
from startupctl.fields import is_secret_name
from startupctl.guarded import NOT_EXECUTABLE, NOT_FOUND
from startupctl.migrations import codes
from startupctl.processes import FAILED, end_in_words, end_of, guarded, not_started, running, send
from startupctl.redact import MASK
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Facts, Held, Run
    from startupctl.child import Child
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.site import Site

PATIENCE = 10.0  # seconds a tool that is told to end has to undo what it was doing
BEAT = 1.0  # seconds between two looks whether the lock is still held
SHOWN_LINES = 8  # of a tool that failed: its traceback ends with several lines of help
TIMES = "`attempt_timeout`, and `migrations.timeout` with the lock held"
NOT_STARTED = {NOT_FOUND, NOT_EXECUTABLE}


async def check_by_tool(run: Run, keys: MigrationKeys) -> Facts:
    """Ask the tool; raises Unhealthy MIG001 when something is pending, RUN004 and RUN001 when it gives no answer."""
    migrator = Migrator(run, keys)
    said = await migrator.ask(run.left() or None)
    if said is not None:
        raise Unhealthy(migrator.pending(said), migrator.facts(pending=True))
    return migrator.facts()


async def rehearse_by_tool(run: Run, keys: MigrationKeys, *, there: bool) -> Facts:
    """Say whether the tool would be run; it is not asked about a database that is not there, which it might create."""
    migrator = Migrator(run, keys)
    if there and await migrator.ask(run.left() or None) is None:
        return {**migrator.facts(), "would_apply": []}
    assert keys.tool
    return {**migrator.facts(pending=True), "would_apply": [], "would_run": _shown(keys.tool.up)}


async def migrate_by_tool(run: Run, site: Site[Any]) -> Facts:
    """Run the tool under the lock, unless it says before or with the lock held that nothing is pending.

    Raises Unhealthy: MIG002, LCK001, LCK002, and RUN004, RUN001 when its check gives no answer.
    """
    migrator = Migrator(run, site.keys)
    async with site.reader() as reader:
        await reader.rows("SELECT 1")  # a database that is missing is told here, and created first
    if await migrator.ask(run.left() or None) is None:
        return {**migrator.facts(), "lock": "not needed", "lock_wait": 0.0}
    with run.unhurried():
        async with site.lock(()) as held:
            try:
                return {**await migrator.upgrade(held), **lock_facts(held)}
            except Unhealthy as error:
                raise Unhealthy(error.diagnosis, {**migrator.facts(pending=True), **lock_facts(held)}) from error


def refuse_tool(name: str, keys: MigrationKeys, command: str) -> None:
    """Raise PlanError when the migrations of component `name` are a tool's, for a command that needs their files."""
    if keys.tool:
        what = f"`{command}` works on files, and these migrations are made by `{keys.tool.label}`"
        raise PlanError([Problem(what, f"components.{name}.migrations.tool", "ask that tool itself")])


class Migrator:
    """The tool of one component, in one run."""

    def __init__(self, run: Run, keys: MigrationKeys) -> None:
        """Only with `tool`."""
        assert keys.tool
        self._run, self._tool, self._limit = run, keys.tool, keys.timeout or None

    def facts(self, *, applied: bool = False, pending: bool = False) -> Facts:
        """Return the facts of a report; the tool counts as one migration, for nobody knows how many it makes of it."""
        label = self._tool.label
        counts = {
            "tool": label,
            "applied": [label] if applied else [],
            "already": int(not (applied or pending)),
            "pending": int(pending),
            "adopted": 0,
        }
        return {"migrations": counts, "format": "tool"}

    def pending(self, said: str) -> Diagnosis:
        """Return MIG001 in the words of a tool."""
        code = codes.PENDING._replace(
            summary="`{program}` says that migrations are pending",
            cause="`tool.check` ended with another exit code than 0.",
            hint="`startupctl init-db` runs `{label}` under the migration lock",
        )
        return Diagnosis(code, {"program": self._tool.check[0], "label": self._tool.label}, said=said)

    async def ask(self, seconds: float | None) -> str | None:
        """Run `tool.check`; return None when nothing is pending, else its last lines.

        Raises Unhealthy RUN004 when it cannot be started or is ended by a signal, RUN001 when it takes too long.
        """
        argv = self._tool.check
        try:
            async with running(argv, self._run.folder) as child:
                await end_of(child, seconds)
        except TimeoutError:
            advice = f"find out what `{argv[0]}` waits for, or give it more time: {TIMES}"
            late = Diagnosis(COMPONENT_TIMEOUT, {"seconds": seconds}, said=child.last_lines(), advice=advice)
            raise Unhealthy(late) from None
        except OSError as error:
            key = "migrations.tool.check"
            raise Unhealthy(await in_thread(not_started, argv, self._run.folder, key, error)) from error
        if child.exit_code in NOT_STARTED or child.exit_code < 0:
            raise Unhealthy(self._no_answer(child))
        return child.last_lines() if child.exit_code else None

    async def upgrade(self, held: Held) -> Facts:
        """Ask again, now that nobody else changes anything; run `tool.up` once, and ask whether all is done."""
        if await self.ask(self._limit) is None:
            return self.facts()
        await held.ensure()
        await self._up(held)
        said = await self.ask(self._limit)
        if said is not None:
            raise Unhealthy(self._failed("ended with exit code 0, but its check still says pending", said))
        return self.facts(applied=True)

    async def _up(self, held: Held) -> None:
        self._run.progress(f"running {self._tool.label}")
        try:
            async with guarded(self._tool.up, self._run.folder, self._run.progress, PATIENCE) as child:
                await self._end_of(child, held)
        except TimeoutError:
            what = f"not finished within migrations.timeout ({self._limit:g} s), so it was ended"
            raise Unhealthy(self._failed(what, child.last_lines(SHOWN_LINES))) from None
        except OSError as error:  # of the watcher, which is a program of ours
            raise Unhealthy(
                await in_thread(not_started, self._tool.up, self._run.folder, "migrations.tool.up", error)
            ) from error
        if child.exit_code:
            raise Unhealthy(self._failed(end_in_words(child.exit_code), child.last_lines(SHOWN_LINES)))

    async def _end_of(self, child: Child, held: Held) -> None:
        """Wait for the end of the tool while the lock is held; without the lock it is killed, for another may begin."""
        try:
            async with asyncio.timeout(self._limit):
                while True:
                    with suppress(TimeoutError):
                        return await end_of(child, BEAT)
                    await held.ensure()
        except Unhealthy as lost:
            send(child, signal.SIGKILL)
            advice = f"`{self._tool.label}` was killed; `startupctl init-db` asks it again what is pending"
            raise Unhealthy(replace(lost.diagnosis, advice=advice)) from lost
        except asyncio.CancelledError:
            self._run.progress(f"ending {self._tool.label}, it has {PATIENCE:g} s")
            raise

    def _failed(self, what: str, said: str) -> Diagnosis:
        """Return MIG002 in the words of a tool; permanent, for an exit code does not tell whether to try again."""
        code = codes.FAILED._replace(
            summary="`{label}` {what}",
            cause="The migrator failed. What it applied before is its own matter, and so is what it undid.",
            hint="mend what it says, and run `startupctl init-db` again",
        )
        facts = {"label": self._tool.label, "what": what}
        return Diagnosis(code, facts, said=said, failure_class=FailureClass.PERMANENT)

    def _no_answer(self, child: Child) -> Diagnosis:
        final = FailureClass.PERMANENT if child.exit_code in NOT_STARTED else None
        what = "could not be started" if final else end_in_words(child.exit_code)
        facts = {"program": self._tool.check[0], "what": what, "folder": str(self._run.folder.absolute())}
        return Diagnosis(FAILED, facts, said=child.last_lines(), failure_class=final)


def _shown(argv: Sequence[str]) -> list[str]:
    """Return the words with those hidden that follow a flag named like a secret; known secrets are hidden by the engine."""
    pairs = zip(["", *argv], argv, strict=False)
    return [MASK if before.startswith("-") and is_secret_name(before) else word for before, word in pairs]
