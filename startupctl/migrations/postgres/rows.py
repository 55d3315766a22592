"""The row of one migration on PostgreSQL, and what makes this role the one that may write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from startupctl.migrations.rows import LedgerRow

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = "clock_timestamp()"
OURSELVES = ("RESET SESSION AUTHORIZATION", "RESET ROLE")
"""What makes this role the one that may write to the ledger."""


class PostgresRow(LedgerRow):
    """One row; it can be locked."""

    def __init__(self, table: str, values: Mapping[str, str], *, repeatable: bool = False) -> None:
        super().__init__(table, values, NOW, repeatable=repeatable)

    def require(self) -> str:
        """Lock the row; divides by zero when there is none."""
        row = f"SELECT FROM {self.table} WHERE {self.version} FOR UPDATE"
        return f"SELECT 1 / count(*) FROM ({row}) AS own"  # noqa: S608  (quoted)
