"""What other tools applied, and what a person declares to be applied, written into the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from startupctl.check import Facts, Run
    from startupctl.migrations.site import Site


def find_tools() -> list[str]:
    """Return the names of the tools whose tables can be read, as a command takes them, sorted."""
    raise NotImplementedError


async def adopt(run: Run, site: Site[Any], tool: str | None = None, table: str | None = None) -> Facts:
    """Record what another tool applied as `adopted`, under the lock and with that tool's own lock beside it.

    `tool` is one of `find_tools()`, None is the one whose table is found; `table` (`name` or
    `schema.name`) is for a table that has not the tool's usual name. In a dry run (`run.mode`) nothing is
    changed. The facts are those of `migrate`, with `adopted` (names; `would_adopt` in a dry run), `from` and `table`.
    Raises Unhealthy: MIG010 when there is nothing that fits the files, MIG009 when the tool left something
    half-applied, MIG005, MIG007, MIG008, LCK001, LCK002.
    """
    raise NotImplementedError


async def baseline(run: Run, site: Site[Any], to: str | None = None) -> Facts:
    """Record every file up to and including version `to`, all when it is None, as `adopted` without running any.

    `"0"` records none: it makes the ledger, which says that nothing of these files was applied yet. In a
    dry run (`run.mode`) nothing is changed. The facts are those of `adopt`, without `from` and `table`.
    Raises Unhealthy: MIG010 when the ledger has other rows or no file has that version, MIG008, LCK001, LCK002.
    """
    raise NotImplementedError
