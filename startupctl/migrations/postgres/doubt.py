"""What became of a statement outside of a transaction whose process ended before it did, by what the catalogue shows."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.migrations.lexer import words
from startupctl.migrations.postgres.index import drop_index, find_index, name_at, read_build
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.postgres.waiting import wait_for_work
from startupctl.quoting import quote_text

if TYPE_CHECKING:
    from startupctl.databases.session import Session

SEEN = 24  # tokens
_TABLE_OF_INDEX = "(SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass({name}))"
_ATTACHED = """
SELECT i.inhdetachpending FROM (SELECT to_regclass({part}) AS oid) AS part
LEFT JOIN pg_inherits i ON i.inhrelid = part.oid AND i.inhparent = to_regclass({whole}) WHERE part.oid IS NOT NULL"""


class Became(Enum):
    """What is to be done about a statement in doubt."""

    DONE = auto()
    AGAIN = auto()
    UNKNOWN = auto()


def is_repeatable(sql: str) -> bool:
    """Whether a statement does the same when it is run a second time."""
    head = words(sql, POSTGRES, SEEN)
    match head:
        case ["VACUUM" | "REINDEX" | "CLUSTER" | "DISCARD" | "CHECKPOINT", *_] | ["ALTER", "SYSTEM", *_]:
            return True
        case ["ALTER", "DATABASE", _, "SET", "TABLESPACE", *_]:
            return True
        case ["CREATE", *rest]:
            return [*rest[1:4]] == ["IF", "NOT", "EXISTS"]
        case ["DROP", *rest]:
            return [*rest[1:3]] == ["IF", "EXISTS"]
        case _:
            return False


def can_be_settled(sql: str) -> bool:
    """Whether the catalogue may show what became of a statement."""
    build = read_build(sql)
    return bool((build and build.name) or _dropped(sql) or _detached(sql) or is_repeatable(sql))


async def settle(session: Session, sql: str) -> Became:
    """Say what became of a statement that was begun; an index or a partition it left half-way is brought to an end.

    It is one of this migration: that nothing of its name was there was seen before it was begun.
    """
    if read_build(sql):
        return await _settle_build(session, sql)
    if dropped := _dropped(sql):
        return await _settle_drop(session, dropped)
    if detached := _detached(sql):
        return await _settle_detach(session, *detached)
    return Became.AGAIN if is_repeatable(sql) else Became.UNKNOWN


async def _settle_build(session: Session, sql: str) -> Became:
    build = read_build(sql)
    if build is None or not build.name:
        return Became.UNKNOWN
    await wait_for_work(session, f"to_regclass({quote_text(build.table)})")
    found = await find_index(session, build)
    if found and found.is_ours and not found.is_valid:
        await drop_index(session, found.name)
        return Became.AGAIN
    if found:
        return Became.DONE if found.is_ours else Became.UNKNOWN
    return Became.AGAIN


async def _settle_drop(session: Session, name: str) -> Became:
    quoted = quote_text(name)
    await wait_for_work(session, _TABLE_OF_INDEX.format(name=quoted))
    return Became.DONE if await session.rows(f"SELECT to_regclass({quoted})") == [(None,)] else Became.AGAIN


async def _settle_detach(session: Session, whole: str, part: str) -> Became:
    asked = _ATTACHED.format(whole=quote_text(whole), part=quote_text(part))
    pending = await session.rows(asked)
    if pending == [("t",)]:
        await _finalize(session, f"ALTER TABLE {whole} DETACH PARTITION {part} FINALIZE", asked)
        return Became.DONE
    if not pending:
        return Became.UNKNOWN
    return Became.DONE if pending == [(None,)] else Became.AGAIN


async def _finalize(session: Session, sql: str, asked: str) -> None:
    """Bring a detachment to its end, unless the server does so at the same time for a client that is gone."""
    try:
        await session.execute(sql)
    except StatementFailed:
        if await session.rows(asked) != [(None,)]:
            raise


def _dropped(sql: str) -> str:
    """Return the index that DROP INDEX CONCURRENTLY names."""
    head = list(words(sql, POSTGRES, SEEN))
    if head[:3] != ["DROP", "INDEX", "CONCURRENTLY"]:
        return ""
    return name_at(head, 5 if head[3:5] == ["IF", "EXISTS"] else 3)


def _detached(sql: str) -> tuple[str, str] | None:
    """Return the table and the partition that DETACH … CONCURRENTLY names."""
    head = [word for word in words(sql, POSTGRES, SEEN) if word != "*"]
    if head[:2] != ["ALTER", "TABLE"] or head[-1] != "CONCURRENTLY" or "DETACH" not in head:
        return None
    start = 4 if head[2:4] == ["IF", "EXISTS"] else 2
    whole = name_at(head, start + 1 if head[start] == "ONLY" else start)
    part = name_at(head, head.index("DETACH") + 2)
    return (whole, part) if whole and part else None
