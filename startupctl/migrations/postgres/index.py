"""Indexes built concurrently on PostgreSQL: what became of a build, and what a broken one left behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.lexer import words
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.postgres.waiting import wait_for_work
from startupctl.quoting import quote_text

if TYPE_CHECKING:
    from startupctl.databases.session import Session

DUPLICATE_TABLE, NOT_IN_STATE = "42P07", "55000"
SEEN = 16  # tokens: CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS name ON ONLY catalogue.schema.table
_FOUND = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname), coalesce(i.indisvalid, true), c.relkind = 'i' AND i.indrelid = t.oid
FROM pg_class t JOIN pg_class c ON c.relnamespace = t.relnamespace JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE t.oid = to_regclass({table}) AND c.relname = (parse_ident({name}))[1]::name"""
_INVALID = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname), i.indrelid
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND {which}"""
_LEFT = "; it left the invalid index {name} behind (oid {oid}), which the next try drops"
_OID_LEFT = re.compile(r"; it left the invalid index .* behind \(oid (\d+)\), which the next try drops\Z", re.DOTALL)


class IndexBuild(NamedTuple):
    """What CREATE INDEX CONCURRENTLY says; `name` is empty where the server chooses one."""

    name: str
    table: str
    unless_there: bool


class FoundIndex(NamedTuple):
    """A relation that has the name; `is_ours` when it is an index on the table that is named."""

    oid: str
    name: str
    is_valid: bool
    is_ours: bool


def read_build(sql: str) -> IndexBuild | None:
    """Return what is built; None for another statement, or names that cannot be read."""
    head = list(words(sql, POSTGRES, SEEN))
    if head[1:2] == ["UNIQUE"]:
        del head[1]
    if head[:3] != ["CREATE", "INDEX", "CONCURRENTLY"] or "ON" not in head:
        return None
    on = head.index("ON")
    unless_there, name = head[3:6] == ["IF", "NOT", "EXISTS"], head[3:on][-1:]
    table = name_at(head, on + 2 if head[on + 1 : on + 2] == ["ONLY"] else on + 1)
    return IndexBuild("".join(name), table, unless_there) if table and is_name("".join(name)) else None


def name_at(head: list[str], start: int) -> str:
    """Return the name that begins at a token, with its schema; empty where there is none that can be looked up."""
    end = start + 1
    while head[end : end + 1] == ["."]:
        end += 2
    parts = head[start:end]
    return "".join(parts) if all(map(is_name, parts)) else ""


def is_name(token: str) -> bool:
    """Whether a token is one that can be looked up as it stands."""
    return token[:2].upper() != "U&"


async def find_index(session: Session, build: IndexBuild) -> FoundIndex | None:
    """Return what has the name of the index, in the schema of its table."""
    if not build.name:
        return None
    rows = await session.rows(_FOUND.format(table=quote_text(build.table), name=quote_text(build.name)))
    return FoundIndex(rows[0][0] or "", rows[0][1] or "", rows[0][2] == "t", rows[0][3] == "t") if rows else None


async def require_free(session: Session, build: IndexBuild) -> None:
    """Raise StatementFailed when the name is taken, as the server would, or by an index that would stay broken.

    With IF NOT EXISTS the server takes an invalid index for one that is there.
    """
    found = await find_index(session, build)
    if found and not found.is_valid:
        await wait_for_work(session, f"to_regclass({quote_text(build.table)})")
        found = await find_index(session, build)
    if found is None or (build.unless_there and found.is_valid):
        return
    said = f"{found.name} exists already"
    if not found.is_valid:
        said += " and is invalid, as a build that was broken off leaves it, but it is not known to be of this migration"
        said += f"; look at it, then `DROP INDEX CONCURRENTLY {found.name}`"
    raise StatementFailed(DUPLICATE_TABLE if found.is_valid else NOT_IN_STATE, said, FailureClass.PERMANENT)


async def invalid_indexes(session: Session, build: IndexBuild) -> dict[str, str]:
    """Return the invalid indexes of a table, names by oid."""
    rows = await session.rows(_INVALID.format(which=f"i.indrelid = to_regclass({quote_text(build.table)})"))
    return {row[0] or "": row[1] or "" for row in rows}


def left_behind(before: dict[str, str], after: dict[str, str]) -> str:
    """Return the words about an index that a failed build left, which a later try can find it by."""
    new = [oid for oid in after if oid not in before]
    return _LEFT.format(name=after[new[0]], oid=new[0]) if new else ""


async def drop_left_behind(session: Session, error: str) -> None:
    """Drop the index that an earlier try says it left, if it is still there and invalid."""
    oid = _OID_LEFT.search(error)
    for row in await session.rows(_INVALID.format(which=f"c.oid = {oid[1]}")) if oid else ():
        await drop_index(session, row[1] or "")


async def drop_index(session: Session, name: str) -> None:
    """Drop an index without standing in anybody's way."""
    await session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
