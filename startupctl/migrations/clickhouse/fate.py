"""What became of a statement whose answer nobody heard, or which failed: asked of the server, never guessed."""

from __future__ import annotations

import asyncio
import hashlib
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from startupctl.databases.clickhouse import TRANSIENT
from startupctl.databases.session import StatementFailed
from startupctl.migrations.clickhouse.hosts import FIRST_LOOK, LAST_LOOK, wait_for_hosts
from startupctl.migrations.clickhouse.idempotent import is_distributed, is_idempotent, is_insert
from startupctl.quoting import clickhouse_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import Reader, Row
    from startupctl.migrations.watch import Watch

SAME_ID = 216
# raised before anything of a statement is done: syntax, names, rights, limits on what runs
BEFORE = frozenset({16, 44, 46, 47, 57, 60, 62, 81, 82, 115, 164, 202, 203, 215, 497})
VALUES = frozenset({6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 321, 349, 441, 691})  # a value that cannot be read
ONE_BLOCK = 500_000  # characters of VALUES that are never cut into two blocks
# raised when a statement is ended, or while the server waits for what goes on without it: UNFINISHED, full disk, quorum
HALFWAY = (TRANSIENT - {SAME_ID}) | {243, 252, 286, 341}


class Fate(Enum):
    """What is known of a statement."""

    DONE = auto()
    UNTOUCHED = auto()  # nothing of it was done
    UNKNOWN = auto()


class Sent(NamedTuple):
    """A statement as it was sent; `day` is the one before its migration was begun, as `2026-01-31`."""

    sql: str
    query_id: str
    day: str


async def fate_of(reader: Reader, sent: Sent, watch: Watch) -> Fate:
    """Return what became of a statement; one that still runs is waited for."""
    if is_distributed(sent.sql):
        hosts = await wait_for_hosts(reader, sent.query_id, watch)
        if hosts:
            return Fate.DONE if all(host.is_done for host in hosts) else Fate.UNKNOWN
    await _wait_for_end(reader, sent, watch)
    return _read_log(await _logged(reader, sent), sent.sql)


async def may_run_again(reader: Reader, sent: Sent, error: StatementFailed) -> bool:
    """Whether a statement that the server says has failed can be run again, as it is or corrected."""
    code = int(error.code or 0)
    if error.lost or is_idempotent(sent.sql):
        return not error.lost
    if not is_insert(sent.sql):
        return code not in HALFWAY
    if code in BEFORE or (code in VALUES and len(sent.sql) < ONE_BLOCK and "SELECT" not in sent.sql.upper()):
        return True
    return _read_log(await _logged(reader, sent), sent.sql) is Fate.UNTOUCHED


def _read_log(records: Sequence[Row], sql: str) -> Fate:
    """Judge the records of one statement: kind, number of the exception, rows written.

    The exception of a DDL statement is recorded as one before its start whenever it came, as such a
    statement is executed before its start is recorded (executeQuery.cpp).
    """
    seen = {kind: (int(code or 0), int(rows or 0)) for kind, code, rows in records if int(code or 0) != SAME_ID}
    if "QueryFinish" in seen:
        return Fate.DONE
    if "ExceptionWhileProcessing" in seen:
        nothing_written = is_insert(sql) and seen["ExceptionWhileProcessing"][1] == 0
        return Fate.UNTOUCHED if nothing_written else Fate.UNKNOWN
    if "ExceptionBeforeStart" not in seen or "QueryStart" in seen:
        return Fate.UNKNOWN
    stopped_before = is_insert(sql) or seen["ExceptionBeforeStart"][0] not in HALFWAY
    return Fate.UNTOUCHED if stopped_before else Fate.UNKNOWN


async def _wait_for_end(reader: Reader, sent: Sent, watch: Watch) -> None:
    """Return when no statement of this name, or of these words, runs; what may not be asked runs not."""
    digest = hashlib.sha256(sent.sql.encode()).hexdigest().upper()  # the words may hold a secret: they go into no log
    same = f"query_id = {clickhouse_text(sent.query_id)} OR hex(SHA256(query)) = '{digest}'"
    pause = FIRST_LOOK
    while rows := await answer_if_any(reader, f"SELECT round(elapsed) FROM system.processes WHERE {same}"):  # noqa: S608  (quoted)
        watch.progress(f"waiting for a statement that still runs on the server, for {rows[0][0]} s now")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LAST_LOOK)


async def _logged(reader: Reader, sent: Sent) -> Sequence[Row]:
    """Return what the log of the server says of a statement; nothing where there is no log, or none for us."""
    await answer_if_any(reader, "SYSTEM FLUSH LOGS")
    which = f"event_date >= toDate({clickhouse_text(sent.day)}) AND query_id = {clickhouse_text(sent.query_id)}"
    return await answer_if_any(reader, f"SELECT type, exception_code, written_rows FROM system.query_log WHERE {which}")  # noqa: S608  (quoted)


async def answer_if_any(reader: Reader, sql: str) -> Sequence[Row]:
    """Return the rows of a question that not every server, and not every user, has an answer to.

    Raises StatementFailed when the connection is lost: that is no answer.
    """
    try:
        return await reader.rows(sql)
    except StatementFailed as error:
        if error.lost:
            raise
        return ()
