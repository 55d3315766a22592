"""Databases of three makes as one: what tests of migrations ask of any of them."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from startupctl.kinds.clickhouse import ClickHouse
from startupctl.kinds.postgres import Postgres
from startupctl.kinds.sqlite import Sqlite
from startupctl.migrations.lock import HeldLock

if TYPE_CHECKING:
    from collections.abc import Callable

MAKES = ("postgres", "sqlite", "clickhouse")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A database that is there and empty; `kind(**migrations)` is a component on it, `sql` runs a statement."""

    name: str
    kind: Callable[..., Any]
    sql: Callable[[str], list[tuple]]


class Lender:
    """Lends a lock that nobody else wants, whatever its name."""

    def __getitem__(self, name):
        return self._held()

    @asynccontextmanager
    async def _held(self):
        async def beat():
            pass

        yield HeldLock("borrowed", 0.0, beat)


def postgres_place(server, database, off_the_loop):
    def kind(**migrations):
        return off_the_loop(Postgres, url=server.url(database), migrations={"dir": "migrations", **migrations})

    return Place(database, kind, lambda text: server.sql(text, database))


def sqlite_place(folder):
    path = folder / "app.db"

    def sql(text):
        with closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(text).fetchall()

    sql("PRAGMA user_version = 1")
    return Place("app.db", lambda **keys: Sqlite(path="app.db", migrations={"dir": "migrations", **keys}), sql)


def clickhouse_place(server):
    name = f"place_{next(_numbers)}"
    server.query(f"CREATE DATABASE {name}")

    def kind(**migrations):
        return ClickHouse(url=server.url(name), migrations={"dir": "migrations", **migrations})

    def sql(text):
        return [tuple(line.split("\t")) for line in server.query(text, name).splitlines()]

    return Place(name, kind, sql)
