"""What other tools applied, and what a person declares to be applied, written into the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from startupctl import __version__
from startupctl.check import Mode, Unhealthy, lock_facts
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.chosen import up_to
from startupctl.migrations.codes import CANNOT_ADOPT
from startupctl.migrations.foreign import tool_names
from startupctl.migrations.formats import format_name
from startupctl.migrations.ledger import State, this_process
from startupctl.migrations.matching import entry_of
from startupctl.migrations.past import (
    DECIDE,
    Adoption,
    adopted,
    find_tables,
    read_match,
    require_none_dirty,
    unnamed_there,
    unrelated,
)
from startupctl.migrations.runner import read_files
from startupctl.migrations.standing import compare, require_same
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Facts, Held, Run
    from startupctl.databases.session import Reader, Session
    from startupctl.migrations.files import Directory
    from startupctl.migrations.history import Table
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.script import Migration
    from startupctl.migrations.site import Site
    from startupctl.migrations.standing import Standing


def find_tools() -> list[str]:
    """Return the names of the tools whose tables can be read, as a command takes them, sorted."""
    return tool_names()


async def adopt(run: Run, site: Site[Any], tool: str | None = None, table: str | None = None) -> Facts:
    """Record what another tool applied as `adopted`, under the lock and with that tool's own lock beside it.

    `tool` is one of `find_tools()`, None is the one whose table is found; `table` (`name` or
    `schema.name`) is for a table that has not the tool's usual name. In a dry run (`run.mode`) nothing is
    changed. The facts are those of `migrate`, with `adopted` (names; `would_adopt` in a dry run). Raises
    Unhealthy: MIG010 when there is nothing that fits the files, MIG009 when the tool left something
    half-applied, MIG005, MIG007, MIG008, LCK001, LCK002.
    """
    directory = await read_files(run, site.keys, site.ledger.database)
    async with site.reader() as reader:
        name, found = await _chosen(directory, site.ledger, reader, tool, table)
        standing = await _overlapping(directory, site.ledger, reader, name, found)
    assert standing.adoption
    if run.mode is Mode.DRY_RUN:
        return {**standing.facts(), "would_adopt": standing.adoption.names}
    with run.unhurried():
        async with site.lock(standing.adoption.lock_keys) as held, site.session() as session:
            await site.ledger.create(session)
            standing = await _overlapping(directory, site.ledger, session, name, found)
            return await _recorded(standing, site.ledger, session, held)


async def baseline(run: Run, site: Site[Any], to: str | None = None) -> Facts:
    """Record every file up to and including version `to`, all when it is None, as `adopted` without running any.

    Those that the table of their own tool, which has others of them, does not name are recorded as `done`.
    `"0"` records none: it makes the ledger, which says that nothing of these files was applied yet. In a
    dry run (`run.mode`) nothing is changed. The facts are those of `adopt`.
    Raises Unhealthy: MIG010 when the ledger has other rows, MIG009 when another tool left something
    half-applied, MIG020 when no file has that version, MIG008, LCK001, LCK002.
    """
    directory = await read_files(run, site.keys, site.ledger.database)
    wanted = directory.migrations if to is None else up_to(directory, directory.migrations, to)
    if run.mode is Mode.DRY_RUN:
        async with site.reader() as reader:
            standing = await _declared(directory, site.ledger, reader, wanted)
        return {**standing.facts(), "would_adopt": standing.adoption.names if standing.adoption else []}
    with run.unhurried():
        async with site.lock(()) as held, site.session() as session:
            await site.ledger.create(session)
            standing = await _declared(directory, site.ledger, session, wanted)
            return await _recorded(standing, site.ledger, session, held)


async def take_over(ledger: Ledger[Any], session: Session, directory: Directory, entries: Sequence[Entry]) -> None:
    """Write rows for files that were applied elsewhere, with what is known of the files now."""
    files = {migration.version: migration for migration in directory.migrations}

    def complete() -> list[Entry]:
        return [
            entry._replace(
                content_hash=files[entry.version].content_hash(ledger.lexicon),
                host=this_process(),
                tool_version=__version__,
            )
            for entry in entries
        ]

    await ledger.record(session, await in_thread(complete))


async def _recorded(standing: Standing, ledger: Ledger[Any], session: Session, held: Held) -> Facts:
    assert standing.adoption
    await held.ensure()
    await take_over(ledger, session, standing.directory, standing.adoption.entries)
    return {**standing.facts(), "adopted": standing.adoption.names, **lock_facts(held)}


async def _chosen(
    directory: Directory, ledger: Ledger[Any], reader: Reader, tool: str | None, table: str | None
) -> tuple[str, Table]:
    """Return the tool and its table: the named one, that of the files, or the only one there is."""
    names = [tool] if tool else tool_names()
    found = await find_tables(ledger, reader, names, [table] if table else ())
    native = format_name(directory.format)
    if native in found:
        return native, found[native]
    if len(found) > 1:
        several = " and ".join(f"{name} ({there})" for name, there in found.items())
        raise _cannot(f"there are tables of {several}", "say whose with `--from`")
    for name, there in found.items():
        return name, there
    where = f"`{table}`" if table else "of its usual name"
    raise _cannot(f"there is no table {where} with the columns of {tool or 'a tool that is known'}", DECIDE)


async def _overlapping(directory: Directory, ledger: Ledger[Any], reader: Reader, name: str, table: Table) -> Standing:
    """Lay files, ledger and table together; raises Unhealthy when the table says nothing of these files."""
    own = await ledger.read(reader)
    matched = await read_match(directory, name, table, reader, own)
    if not matched.overlaps:
        raise unrelated(matched.history)
    past = adopted(own, matched)
    standing = compare(directory, past.entries, ledger.lexicon, past.adoption)
    require_same(standing)
    return standing


async def _declared(directory: Directory, ledger: Ledger[Any], reader: Reader, wanted: Sequence[Migration]) -> Standing:
    """Lay the wanted files below the ledger; raises Unhealthy when it has others, or a tool left one half-applied."""
    own = await ledger.read(reader)
    same = {entry.version for entry in own if entry.state.is_applied} == {migration.version for migration in wanted}
    if own and not (same and all(entry.state.is_applied for entry in own)):
        cure = "a baseline is for a database that startupctl has not migrated yet; `startupctl migrate status` shows the rows"
        raise _cannot(f"the ledger {ledger.table} has {len(own)} rows already", cure)
    await require_none_dirty(directory, ledger, reader, own)
    entries = () if own else tuple(entry_of(migration) for migration in wanted)
    beyond = await unnamed_there(directory, ledger, reader, entries)  # as adopted they would look rolled back
    entries = tuple(row._replace(state=State.DONE) if row.version in beyond else row for row in entries)
    standing = compare(directory, [*own, *entries], ledger.lexicon, Adoption(entries))
    require_same(standing)
    return standing


def _cannot(what: str, cure: str) -> Unhealthy:
    return Unhealthy(Diagnosis(CANNOT_ADOPT, {"what": what, "cure": cure}))
