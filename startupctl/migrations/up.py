"""Applies what is pending up to a version, or says what would be: `init-db` for files that a person chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from startupctl.check import Mode
from startupctl.migrations.runner import migrate, rehearse

if TYPE_CHECKING:
    from startupctl.check import Facts, Run
    from startupctl.migrations.site import Site


async def upgrade(run: Run, site: Site[Any], to: str | None = None) -> Facts:
    """Apply what is pending, up to and including version `to`; in a dry run only say what would be.

    Raises Unhealthy: what `migrate` raises, and MIG020.
    """
    if run.mode is not Mode.DRY_RUN:
        return await migrate(run, site, to)
    async with site.reader() as reader:
        return await rehearse(run, site, reader, to)
