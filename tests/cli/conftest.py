"""A service with one database and its migrations, on each of the databases that can be migrated."""

from __future__ import annotations

import itertools
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = itertools.count(1)
LEDGER = "startupctl_migrations"


@dataclass
class Project:
    """A manifest with a component `store` in a folder, and its database."""

    cli: object
    folder: Path
    keys: str
    others: str = ""
    migrations: dict = field(default_factory=lambda: {"dir": "db"})

    def __post_init__(self):
        (self.folder / "db").mkdir()
        self.configure()

    def configure(self, **migrations):
        self.migrations |= migrations
        lines = "".join(f"      {key}: {value}\n" for key, value in self.migrations.items())
        head = f"version: 1\ncomponents:\n{self.others}  store:\n{self.keys}"
        (self.folder / "startup.yaml").write_text(f"{head}    migrations:\n{lines}")

    def write(self, **files):
        """Write files by version: `v1="a"` makes table `a` and drops it again, other texts stand as they are."""
        for version, text in files.items():
            name = f"{version.removeprefix('v')}_it.sql"
            (self.folder / "db" / name).write_text(text if "\n" in text else self.both(text))

    def both(self, table):
        return f"-- migrate:up\n{self.table(table)};\n-- migrate:down\nDROP TABLE {table};\n"

    def migrate(self, *words, **more):
        return self.cli("migrate", *words, **more)

    def states(self):
        """Return the states by version."""
        found = self.migrate("status", "-o", "json")
        assert found.code == 0, found.err
        return {one["version"]: one["state"] for one in found.json()["migrations"]}

    def set_row(self, version, **values):
        """Change the row of a version."""
        changes = ", ".join(f"{column} = '{value}'" for column, value in values.items())
        self.change(f"UPDATE {LEDGER} SET {changes} WHERE version = '{version}'")


class OnSqlite(Project):
    def table(self, name):
        return f"CREATE TABLE {name} (id int)"

    def rows(self, sql):
        with sqlite3.connect(self.folder / "store.db") as connection:
            found = connection.execute(sql).fetchall()
        connection.close()
        return found

    change = rows

    def tables(self):
        return {row[0] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")} - {LEDGER}

    def dump(self):
        rows = self.rows(f"SELECT * FROM {LEDGER}") if LEDGER in str(self.rows("SELECT * FROM sqlite_master")) else None
        return self.rows("SELECT * FROM sqlite_master ORDER BY 1, 2"), rows


class OnPostgres(Project):
    def table(self, name):
        return f"CREATE TABLE {name} (id int)"

    def rows(self, sql):
        return self.server.sql(sql, self.database)

    change = rows

    def tables(self):
        return {row[0] for row in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")} - {LEDGER}

    def dump(self):
        columns = "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns"
        catalogue = self.rows(f"{columns} WHERE table_schema NOT LIKE 'pg%' ORDER BY 1, 2, 3")
        rows = self.rows(f"SELECT * FROM {LEDGER}") if LEDGER in str(catalogue) else None
        return catalogue, self.rows("SELECT oid FROM pg_class ORDER BY 1"), rows


class OnClickHouse(Project):
    def table(self, name):
        return f"CREATE TABLE {name} (id UInt64) ENGINE = MergeTree ORDER BY id"

    def rows(self, sql):
        text = self.server.query(sql.replace(LEDGER, f"{self.database}.{LEDGER}"))
        return [tuple(line.split("\t")) for line in text.splitlines()]

    def set_row(self, version, **values):
        columns = "version, name, format, raw_sha256, content_sha256, state, statement_no, statements_sha256, started_at, finished_at, host, tool_version, error, revision"
        texts = {column: f"'{value}'" for column, value in values.items()} | {"revision": "revision + 1"}
        chosen = ", ".join(texts.get(column, column) for column in columns.split(", "))
        self.rows(f"INSERT INTO {LEDGER} SELECT {chosen} FROM {LEDGER} FINAL WHERE version = '{version}'")

    def change(self, sql):
        raise NotImplementedError

    def tables(self):
        return {row[0] for row in self.rows(f"SELECT name FROM system.tables WHERE database = '{self.database}'")} - {
            LEDGER
        }

    def dump(self):
        tables = self.rows(
            f"SELECT name, create_table_query FROM system.tables WHERE database = '{self.database}' ORDER BY 1"
        )
        return tables, self.rows(f"SELECT * FROM {LEDGER} ORDER BY ALL") if LEDGER in str(tables) else None


@pytest.fixture
def on_sqlite(tmp_path, startupctl):
    sqlite3.connect(tmp_path / "store.db").close()
    return OnSqlite(startupctl, tmp_path, "    kind: sqlite\n    path: store.db\n    create: true\n")


@pytest.fixture
def on_postgres(tmp_path, startupctl, postgres, fresh_database):
    project = OnPostgres(startupctl, tmp_path, f"    kind: postgres\n    url: {postgres.url(fresh_database)}\n")
    project.server, project.database = postgres, fresh_database
    return project


@pytest.fixture
def on_clickhouse(tmp_path, startupctl, clickhouse, postgres, fresh_database):
    name = f"store_{next(NUMBERS)}"
    clickhouse.query(f"CREATE DATABASE {name}")
    keys = f"    kind: clickhouse\n    url: {clickhouse.url(name)}\n    depends_on: [locks]\n"
    others = f"  locks: {{kind: postgres, url: '{postgres.url(fresh_database)}'}}\n"
    project = OnClickHouse(startupctl, tmp_path, keys, others)
    project.server, project.database, project.lender = clickhouse, name, (postgres, fresh_database)
    yield project
    clickhouse.query(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture(params=["sqlite", "postgres", "clickhouse"])
def project(request):
    """One of the three."""
    return request.getfixturevalue(f"on_{request.param}")
