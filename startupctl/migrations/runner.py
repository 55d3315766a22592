"""Looks where a database stands, and has what is pending applied under the lock; knows databases by their ledger."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from startupctl.migrations.chosen import limited
from startupctl.migrations.files import read_directory
from startupctl.migrations.past import read_past
from startupctl.migrations.standing import compare, require_fit, require_none_pending, require_way, warn_of_others
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from startupctl.check import Facts, Run
    from startupctl.databases.session import Reader
    from startupctl.migrations.files import Directory
    from startupctl.migrations.keys import MigrationKeys
    from startupctl.migrations.ledger import Ledger
    from startupctl.migrations.site import Site
    from startupctl.migrations.standing import Standing

NO_LOCK = {"lock": "not needed", "lock_wait": 0.0}


async def check_migrations(run: Run, keys: MigrationKeys, ledger: Ledger[Any], reader: Reader) -> Facts:
    """Look and change nothing; raises Unhealthy MIG001 when files are pending, and what `survey` raises."""
    if keys.tool:
        from startupctl.migrations.delegated import check_by_tool

        return await check_by_tool(run, keys)
    standing = await survey(run, keys, ledger, reader)
    require_way(standing)
    require_none_pending(standing)
    return standing.facts()


async def read_files(run: Run, keys: MigrationKeys, database: str = "") -> Directory:
    """Read the files of a component; raises Unhealthy (MIG008).

    Where files say which database they are for, they must be for `database`, a `Ledger.database`, if it is given.
    """
    return await in_thread(read_directory, keys.folder(run), keys.format, keys.placeholders, database)


async def survey(run: Run, keys: MigrationKeys, ledger: Ledger[Any], reader: Reader, to: str | None = None) -> Standing:
    """Lay the files beside what was applied, warn of what is odd; raises Unhealthy when they do not fit.

    With `to` only what is pending up to that version counts as pending.
    """
    directory = await read_files(run, keys, ledger.database)
    past = await read_past(directory, ledger, reader)
    standing = compare(directory, past.entries, ledger.lexicon, past.adoption)
    require_fit(standing, keys.out_of_order)
    warn_of_others(standing, run)
    return limited(standing, to)


async def rehearse(run: Run, site: Site[Any], reader: Reader | None, to: str | None = None) -> Facts:
    """Say what would be applied; without a reader the database is not there yet, and all of it is pending.

    `to` is the last version that is meant, None for all. Raises Unhealthy as `migrate` would, save what a statement does.
    """
    if site.keys.tool:
        from startupctl.migrations.delegated import rehearse_by_tool

        return await rehearse_by_tool(run, site.keys, there=reader is not None)
    from startupctl.migrations.rehearsal import rehearsal

    if reader is None:
        directory = await read_files(run, site.keys, site.ledger.database)
        standing = limited(compare(directory, [], site.ledger.lexicon), to)
    else:
        standing = await survey(run, site.keys, site.ledger, reader, to)
    require_way(standing)
    return {**standing.facts(), **await in_thread(rehearsal, standing, site.ledger)}


async def migrate(run: Run, site: Site[Any], to: str | None = None) -> Facts:
    """Apply what is pending; lock and session are entered only when a look without them finds something.

    `to` is the last version that is applied, None for all. While another tool has a table that is read, its own
    lock is held, too. Raises Unhealthy: what `survey` raises, MIG002, MIG003, LCK001, LCK002.
    """
    if site.keys.tool:
        from startupctl.migrations.delegated import migrate_by_tool

        return await migrate_by_tool(run, site)
    async with site.reader() as reader:
        standing, waited = await _due(run, site, reader, to)
    if not _is_due(standing):
        return {**standing.facts(), **NO_LOCK, "lock_wait": round(waited, 3)}
    from startupctl.migrations.upgrade import Upgrade

    keys = standing.adoption.lock_keys if standing.adoption else ()
    with run.unhurried():
        async with site.lock(keys) as held, site.session() as session:
            return await Upgrade(run, site.keys, site.ledger, session, held).conduct(standing.directory, to)


async def _due(run: Run, site: Site[Any], reader: Reader, to: str | None) -> tuple[Standing, float]:
    """Look, and when somebody is at it already, wait and look again: who only waits needs no driver.

    The second value is the seconds of waiting. Raises Unhealthy (LCK001) and what `survey` raises.
    """
    standing = await survey(run, site.keys, site.ledger, reader, to)
    if site.holder is None or not _is_due(standing) or await site.holder(reader) is None:
        return standing, 0.0
    from startupctl.migrations.lock import wait_for

    with run.unhurried():
        waited = await wait_for(partial(site.holder, reader), run, site.keys.lock_timeout)
        return await survey(run, site.keys, site.ledger, reader, to), waited


def _is_due(standing: Standing) -> bool:
    """Whether there is something to apply or to record."""
    return bool(standing.pending or (standing.adoption and standing.adoption.entries))
