"""What was applied before: the rows of the ledger, and those of another tool's table that it does not have yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl.check import Unhealthy
from startupctl.diagnosis import Diagnosis
from startupctl.migrations.codes import CANNOT_ADOPT, FOREIGN_DIRTY
from startupctl.migrations.foreign import find_tool, tool_names
from startupctl.migrations.formats import format_name
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.check import Facts
    from startupctl.databases.session import Reader
    from startupctl.migrations.files import Directory
    from startupctl.migrations.foreign import Tool
    from startupctl.migrations.history import History, Table
    from startupctl.migrations.ledger import Entry, Ledger
    from startupctl.migrations.matching import Match
    from startupctl.migrations.script import Migration

DECIDE = "`startupctl migrate baseline` takes files as applied, `startupctl migrate baseline --to 0` none of them"


class Adoption(NamedTuple):
    """Rows the ledger does not have yet: from another tool's table, or declared by a person.

    `source` is that tool and its table; `unverified` of the rows only count as applied there. `lock_keys`
    are the locks that the tool takes on PostgreSQL. `gone` are files that the ledger adopted and the table has
    no longer.
    """

    entries: tuple[Entry, ...]
    source: str = ""
    unverified: int = 0
    lock_keys: tuple[int, ...] = ()
    gone: tuple[Migration, ...] = ()

    @property
    def names(self) -> list[str]:
        """The files."""
        return [entry.name for entry in self.entries]

    @property
    def facts(self) -> Facts:
        """Where it comes from; nothing, when nothing is adopted."""
        if not (self.source and self.entries):
            return {}
        return {"adopted_from": self.source, **({"unverified": self.unverified} if self.unverified else {})}


class Past(NamedTuple):
    """All rows that count, those to be adopted and those without files too; and what is adopted."""

    entries: tuple[Entry, ...]
    adoption: Adoption | None = None


async def read_past(directory: Directory, ledger: Ledger[Any], reader: Reader) -> Past:
    """Read the ledger, and the table of the files' own tool while there is one.

    Without rows in the ledger other tools' tables are looked for, too, in the same question. Raises Unhealthy
    (MIG009, MIG010).
    """
    own = await ledger.read(reader)
    native = format_name(directory.format)
    found = await find_tables(ledger, reader, [native] if own else tool_names())
    if native in found:
        matched = await read_match(directory, native, found[native], reader, own)
        if matched.overlaps:
            past = adopted(own, matched)
            return past._replace(adoption=past.adoption._replace(gone=matched.gone)) if past.adoption else past
        if not (matched.history.is_empty or await _decided(ledger, reader, own)):
            _require_clean(own, matched)
            raise unrelated(matched.history)
        return Past(tuple(own), _adoption(matched.history, (), 0))
    if found and not await _decided(ledger, reader, own):
        await _require_unconcerned(directory, found, reader)
    return Past(tuple(own))


async def find_tables(
    ledger: Ledger[Any], reader: Reader, names: Sequence[str], tables: Sequence[str] = ()
) -> dict[str, Table]:
    """Return which of these tools have a table here; `tables` are looked at in place of their usual ones."""
    tools = {name: tool for name in names if (tool := find_tool(name))}
    asked = {table for tool in tools.values() for table in (*(tables or tool.TABLES), *tool.NEIGHBOURS)}
    there = await ledger.tables(reader, sorted(asked)) if asked else []
    owned = {name: _owned(tool, tables or tool.TABLES, there) for name, tool in tools.items()}
    return {name: table for name, table in owned.items() if table}


def _owned(tool: Tool, names: Sequence[str], there: Sequence[Table]) -> Table | None:
    """Return the first table of these names that is the tool's."""
    for name in names:
        for table in there:
            beside = {other.name for other in there if other.schema == table.schema}
            if name in (table.name, str(table)) and tool.owns(table, beside):
                return table
    return None


async def read_match(directory: Directory, name: str, table: Table, reader: Reader, own: Sequence[Entry]) -> Match:
    """Read a tool's table and lay it beside the files and the rows of the ledger."""
    from startupctl.migrations.matching import match

    tool = find_tool(name)
    assert tool
    return await in_thread(match, directory, await tool.read(reader, table), own)


def adopted(own: Sequence[Entry], matched: Match) -> Past:
    """Return the ledger's rows with those of the table behind them; raises Unhealthy (MIG009)."""
    _require_clean(own, matched)
    adoption = _adoption(matched.history, matched.entries, len(matched.covered))
    return Past((*own, *adoption.entries, *matched.others), adoption)


def _adoption(history: History, entries: Sequence[Entry], unverified: int) -> Adoption:
    tool = find_tool(history.tool)
    keys = tool.lock_keys(history.table) if tool else ()
    return Adoption(tuple(entries), f"{history.tool} ({history.table})", unverified, keys)


def _require_clean(own: Sequence[Entry], matched: Match) -> None:
    """Raise Unhealthy (MIG009) for what the tool left half-applied, unless our ledger has it as applied."""
    applied = {entry.version for entry in own if entry.state.is_applied}
    for dirty, file in matched.dirty:
        if not (file and file.version in applied):
            facts = {
                "tool": matched.history.tool,
                "table": str(matched.history.table),
                "version": dirty.version,
                "file": file.name if file else dirty.version,
                "state": f"`{dirty.state}`",
                "cure": dirty.cure,
            }
            raise Unhealthy(Diagnosis(FOREIGN_DIRTY, facts))


async def require_none_dirty(directory: Directory, ledger: Ledger[Any], reader: Reader, own: Sequence[Entry]) -> None:
    """Raise Unhealthy (MIG009) when the files' own tool left anything half-applied, or another one a file of these."""
    native = format_name(directory.format)
    for name, table in (await find_tables(ledger, reader, tool_names())).items():
        if name == native or table.readable:
            matched = await read_match(directory, name, table, reader, own)
            if name == native or matched.overlaps:
                _require_clean(own, matched)


async def unnamed_there(
    directory: Directory, ledger: Ledger[Any], reader: Reader, entries: Sequence[Entry]
) -> frozenset[str]:
    """Return the versions of these rows that the table of the files' own tool, which has others of them, has not."""
    native = format_name(directory.format)
    table = (await find_tables(ledger, reader, [native])).get(native)
    if not (table and entries):
        return frozenset()
    matched = await read_match(directory, native, table, reader, entries)
    return frozenset(migration.version for migration in matched.gone if matched.overlaps)


async def _decided(ledger: Ledger[Any], reader: Reader, own: Sequence[Entry]) -> bool:
    """Whether somebody has decided before what is applied: then the ledger is there."""
    return bool(own or await ledger.columns(reader, ledger.table))


async def _require_unconcerned(directory: Directory, found: dict[str, Table], reader: Reader) -> None:
    """Raise Unhealthy (MIG010) when a tool that is not the files' own applied something with their numbers.

    Another service may keep its own table here: one that this role cannot read, or without a number of ours, tells
    nothing of these files.
    """
    for name, table in ((name, table) for name, table in found.items() if table.readable):
        matched = await read_match(directory, name, table, reader, ())
        if matched.overlaps:
            what = f"{name} applied versions of these {format_name(directory.format)} files, says its table {table}"
            cure = f"`startupctl migrate adopt --from {name}` takes that over; {DECIDE}"
            raise Unhealthy(Diagnosis(CANNOT_ADOPT, {"what": what, "cure": cure}))


def unrelated(history: History) -> Unhealthy:
    """Return MIG010 for a table that has rows and none of these files."""
    what = f"the table {history.table} of {history.tool} has rows, and none of them is one of these files"
    cure = f"correct `migrations.dir`, or decide: {DECIDE}"
    return Unhealthy(Diagnosis(CANNOT_ADOPT, {"what": what, "cure": cure}))
