"""What a ClickHouse user would need to migrate: asked before anything is changed, for a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.quoting import clickhouse_name
from startupctl.wire.clickhouse import ClickHouseError

if TYPE_CHECKING:
    from startupctl.databases.session import Reader

READ_ONLY, PROHIBITED, DENIED = 164, 392, 497
NO_DDL = ("0", "false")


async def require_create(reader: Reader, database: str) -> None:
    """Return when this user may create a database; raises ClickHouseError as creating it would."""
    await _require_changes(reader)
    await _require_grant(reader, "CREATE DATABASE", f"{clickhouse_name(database)}.*")


async def require_ledger(reader: Reader, table: str) -> None:
    """Return when this user may record migrations; raises ClickHouseError as recording would. `table` is quoted."""
    await _require_changes(reader)
    await _require_grant(reader, "CREATE TABLE, SELECT, INSERT", table)


async def _require_changes(reader: Reader) -> None:
    rows = await _answer(reader, "SELECT getSetting('readonly'), getSetting('allow_ddl')")
    if not rows:
        return
    [(read_only, may_define)] = rows
    if read_only not in ("", "0"):
        raise ClickHouseError(READ_ONLY, f"the setting `readonly` of this user is {read_only}")
    if may_define in NO_DDL:
        raise ClickHouseError(PROHIBITED, "the setting `allow_ddl` of this user is 0")


async def _require_grant(reader: Reader, rights: str, where: str) -> None:
    if await _answer(reader, f"CHECK GRANT {rights} ON {where}") == [["0"]]:
        raise ClickHouseError(DENIED, f"this user lacks one of the grants {rights} ON {where}")


async def _answer(reader: Reader, sql: str) -> list[list[str | None]]:
    """Return the rows; none from a server that does not know the question: servers before 24.9 have no CHECK GRANT."""
    try:
        return [list(row) for row in await reader.rows(sql)]
    except ClickHouseError:
        return []
