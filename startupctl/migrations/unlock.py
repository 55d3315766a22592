"""Who holds the migration lock, and removing one that its holder left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from startupctl.check import Facts, Run
    from startupctl.migrations.lock import Holder
    from startupctl.migrations.site import Site


async def look_at_lock(run: Run, site: Site[Any]) -> Facts:
    """Say who holds the lock; change nothing. The facts are `holder since silent ending`, `removable` and `removed`."""
    del run
    holder = await site.latch.holder() if site.latch else None
    return _facts(holder, site, removed=False)


async def remove_lock(run: Run, site: Site[Any]) -> Facts:
    """Remove the lock of whoever holds it now, unless it ends with its process; another's that came meanwhile stays."""
    del run
    holder = await site.latch.holder() if site.latch else None
    removed = bool(holder and site.latch and site.latch.unlock and await site.latch.unlock(holder))
    return _facts(holder, site, removed=removed)


def is_held(facts: Facts) -> bool:
    """Whether somebody holds it still."""
    return facts["holder"] is not None and not facts["removed"]


def _facts(holder: Holder | None, site: Site[Any], *, removed: bool) -> Facts:
    return {
        "holder": holder.name if holder else None,
        "since": (holder.since or None) if holder else None,
        "silent": holder.silent if holder else None,
        "ending": (holder.ending or None) if holder else None,
        "removable": bool(site.latch and site.latch.unlock),
        "removed": removed,
    }
