"""What a statement of PostgreSQL asks for, by its first words: a transaction, none, or one of its own."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from startupctl.migrations.lexer import words
from startupctl.migrations.postgres.lexer import POSTGRES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.migrations.lexer import Statement

SEEN = 24  # tokens: ALTER TABLE IF EXISTS ONLY a.b DETACH PARTITION c.d CONCURRENTLY has 15
MAY_COMMIT = re.compile(r"\b(?:COMMIT|ROLLBACK|CALL)\b", re.IGNORECASE)
TRANSACTIONAL = re.compile(
    r"\(|ALTER|ANALY[SZ]E|CHECKPOINT|CLOSE|CLUSTER|COMMENT|COPY|CREATE|DEALLOCATE|DECLARE|DELETE|DISCARD|DROP|EXECUTE|EXPLAIN|"
    r"FETCH|GRANT|IMPORT|INSERT|LISTEN|LOAD|LOCK|MERGE|MOVE|NOTIFY|PREPARE|REASSIGN|REFRESH|REINDEX|RELEASE|REVOKE|ROLLBACK|"
    r"SAVEPOINT|SECURITY|SELECT|SET|SHOW|TABLE|TRUNCATE|UNLISTEN|UPDATE|VALUES|WITH"
)
_ALONE = tuple(
    tuple(first.split())
    for first in (
        "VACUUM",
        "ALTER SYSTEM",
        "DISCARD ALL",
        "COMMIT PREPARED",
        "ROLLBACK PREPARED",
        "CREATE INDEX CONCURRENTLY",
        "CREATE UNIQUE INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY",
        *(f"{verb} {what}" for verb in ("CREATE", "DROP") for what in ("DATABASE", "TABLESPACE", "SUBSCRIPTION")),
    )
)


class Nature(Enum):
    """What a statement asks for."""

    PLAIN = auto()
    """To run in a transaction, or to be one."""
    ALONE = auto()
    """To be sent outside of a transaction: the server refuses it inside."""
    STATE = auto()
    """To change the session, for all statements behind it."""
    OPEN = auto()
    CLOSE = auto()
    MODES = auto()
    """To set the modes of the transaction, before its first query."""
    OTHER = auto()
    """To end a transaction in another way than by keeping it."""
    UNKNOWN = auto()
    """Perhaps to commit by itself, as CALL may."""


def nature_of(sql: str) -> Nature:
    """Return what one statement asks for.

    What cannot run in a transaction calls PreventInTransactionBlock in PostgreSQL's sources.
    """
    head = words(sql, POSTGRES, SEEN)
    if _cannot_be_inside(head):
        return Nature.ALONE
    if _keeps_state(head):
        return Nature.STATE
    if head[:1] == ("DO",):
        return Nature.UNKNOWN if MAY_COMMIT.search(sql) else Nature.PLAIN
    found = _of_transaction(head)
    if found is Nature.PLAIN and not TRANSACTIONAL.fullmatch(head[0]):
        return Nature.UNKNOWN
    return found


def _cannot_be_inside(head: Sequence[str]) -> bool:
    if any(tuple(head[: len(first)]) == first for first in _ALONE):
        return True
    match head:
        case ["ALTER", "DATABASE", _, "SET", "TABLESPACE", *_] | ["CLUSTER"] | ["CLUSTER", "VERBOSE"]:
            return True
        case ["ALTER", "SUBSCRIPTION", *rest]:
            return not {"PUBLICATION", "FAILOVER", "TWO_PHASE"}.isdisjoint(rest)
        case ["ALTER", "TABLE", *rest]:
            return "DETACH" in rest and "PARTITION" in rest and rest[-1] == "CONCURRENTLY"
        case ["REINDEX", *rest]:
            return not {"DATABASE", "SYSTEM", "SCHEMA", "CONCURRENTLY"}.isdisjoint(rest)
        case _:
            return list(head[:2]) == ["CLUSTER", "("] and head[-1] == ")"


def _keeps_state(head: Sequence[str]) -> bool:
    match head:
        case ["SET", "LOCAL" | "TRANSACTION" | "CONSTRAINTS", *_]:
            return False
        case ["SET" | "RESET" | "LOAD", *_]:
            return True
        case ["SELECT", "SET_CONFIG", "(", *_] | ["SELECT", "PG_CATALOG", ".", "SET_CONFIG", "(", *_]:
            return True
        case _:
            return False


def _of_transaction(head: Sequence[str]) -> Nature:
    found = Nature.PLAIN
    match head:
        case ["BEGIN", *_] | ["START", "TRANSACTION", *_]:
            found = Nature.OPEN
        case ["COMMIT" | "END"] | ["COMMIT" | "END", "WORK" | "TRANSACTION"] | ["COMMIT" | "END", *_, "NO", "CHAIN"]:
            found = Nature.CLOSE
        case ["ROLLBACK", "TO", *_] | ["ROLLBACK", "WORK" | "TRANSACTION", "TO", *_]:
            found = Nature.PLAIN
        case ["COMMIT" | "END" | "ROLLBACK" | "ABORT", *_] | ["PREPARE", "TRANSACTION", *_]:
            found = Nature.OTHER
        case ["SET", "TRANSACTION", *_]:
            found = Nature.MODES
    return found


def begins(opening: Sequence[Statement]) -> tuple[str, ...]:
    """Return the BEGIN that a transaction lacks whose opening may hold one."""
    return () if opening and nature_of(opening[0].text) is Nature.OPEN else ("BEGIN",)


def survives_nowhere(sql: str) -> bool:
    """Whether a statement leaves something in the session that could not be made again by sending it again."""
    head = words(sql, POSTGRES, 4)
    match head:
        case ["CREATE", "TEMP" | "TEMPORARY", *_] | ["CREATE", "LOCAL" | "GLOBAL", "TEMP" | "TEMPORARY", *_]:
            return True
        case ["PREPARE" | "LISTEN" | "DECLARE", *_]:
            return True
        case _:
            return bool(re.search(r"\b(?:INTO\s+TEMP|pg_(?:try_)?advisory_lock)", sql, re.IGNORECASE))
