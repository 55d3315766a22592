"""Processes that are killed at any moment while they migrate a SQLite file: the next run finishes, and nothing runs twice.

`STARTUPCTL_KILLS` is how many are killed, `STARTUPCTL_REPLICAS` how many race.
"""

import os
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

KILLS = int(os.environ.get("STARTUPCTL_KILLS", "10"))
REPLICAS = int(os.environ.get("STARTUPCTL_REPLICAS", "12"))
MANIFEST = """
version: 1
components:
  database: {kind: sqlite, path: shop.db, create: true, migrations: {dir: migrations}}
"""
TRACE = "INSERT INTO trace VALUES ('{0}');"
MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) "
ROWS = f"INSERT INTO rows (text) {MANY.format(20000)} SELECT printf('%050d', i) FROM n;"
SLOW = f"CREATE TABLE slow AS {MANY.format(60000)} SELECT i FROM n; DROP TABLE slow;"
REBUILD = """PRAGMA foreign_keys=OFF;
PRAGMA defer_foreign_keys=ON;
CREATE TABLE new_rows (id INTEGER PRIMARY KEY, text TEXT NOT NULL, more TEXT DEFAULT 'm');
INSERT INTO new_rows (id, text) SELECT id, text FROM rows;
DROP TABLE rows;
ALTER TABLE new_rows RENAME TO rows;
CREATE INDEX rows_text ON rows (text);
INSERT INTO trace VALUES ('5');
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
"""
FILES = {
    "01_tables.sql": "CREATE TABLE trace (what TEXT); CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT);"
    " CREATE TABLE children (row INTEGER REFERENCES rows (id) ON DELETE CASCADE);",
    "02_rows.sql": f"PRAGMA foreign_keys=ON; {ROWS} INSERT INTO children SELECT id FROM rows; {TRACE.format(2)}",
    "03_vacuum.sql": "VACUUM;",
    "04_wal.sql": f"PRAGMA journal_mode=WAL;\n{TRACE.format('4')}",
    "05_rebuild.sql": REBUILD,
    "06_steps.sql": f"-- transaction:false\n{TRACE.format('6a')}\nDELETE FROM rows WHERE id % 2;\n"
    f"VACUUM;\n{TRACE.format('6b')}\nPRAGMA wal_checkpoint(TRUNCATE);\n{TRACE.format('6c')}",
    "07_slow.sql": f"{SLOW} {TRACE.format(7)}",
    "08_own.sql": f"BEGIN;\n{TRACE.format('8a')}\nCOMMIT;\n{SLOW}\nBEGIN;\n{TRACE.format('8b')}\nEND;",
    "09_trigger.sql": "CREATE TRIGGER t AFTER INSERT ON trace BEGIN\n SELECT 1; SELECT CASE WHEN 1 THEN 2 END;\nEND;",
    "10_delete.sql": f"PRAGMA journal_mode=DELETE;\nVACUUM;\n{TRACE.format(10)}",
    "11_last.sql": f"CREATE VIEW last AS SELECT count(*) AS n FROM rows; {TRACE.format(11)}",
}


def write(folder, files=FILES):
    (folder / "migrations").mkdir()
    for name, text in files.items():
        (folder / "migrations" / name).write_text(text)
    (folder / "startup.yaml").write_text(MANIFEST)


def contents(folder):
    """Return the schema and all rows, the ledger by what it says of each file."""
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        ask = lambda sql: connection.execute(sql).fetchall()  # noqa: E731  (a word for five calls)
        assert ask("PRAGMA integrity_check") == [("ok",)]
        return {
            "schema": ask("SELECT type, name, sql FROM sqlite_master ORDER BY type, name"),
            "rows": ask("SELECT * FROM rows"),
            "children": ask("SELECT * FROM children"),
            "trace": ask("SELECT what FROM trace ORDER BY what"),
            "journal": ask("PRAGMA journal_mode"),
            "ledger": ask(
                "SELECT version, name, state, statement_no, error FROM startupctl_migrations ORDER BY version"
            ),
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return what a run that nobody disturbs leaves, and how many seconds it takes."""
    from servers import command_line

    folder = tmp_path_factory.mktemp("undisturbed")
    write(folder)
    begun = time.monotonic()
    ran = command_line.CommandLine(folder)("init-db")
    assert ran.code == 0, ran.err
    return contents(folder), time.monotonic() - begun


def test_nothing_is_lost_by_a_run_that_nobody_disturbs(undisturbed):
    found, _ = undisturbed
    assert [what for (what,) in found["trace"]] == ["10", "11", "2", "4", "5", "6a", "6b", "6c", "7", "8a", "8b"]
    assert (len(found["rows"]), len(found["children"]), found["journal"]) == (10000, 20000, [("delete",)])


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_process_is_followed_by_one_that_finishes(tmp_path, startupctl, undisturbed, number):
    wanted, seconds = undisturbed
    write(tmp_path)
    chance = random.Random(number)
    for _ in range(2):
        running = startupctl.start("init-db")
        began(tmp_path)
        time.sleep(chance.uniform(0, seconds))
        running.process.kill()
        running.finish()
    ran = startupctl("init-db")
    assert ran.code == 0, ran.err
    assert contents(tmp_path) == wanted


def began(folder):
    """Wait until the file of the database is there."""
    end = time.monotonic() + 20
    while not (folder / "shop.db").exists():
        assert time.monotonic() < end, "it never began"
        time.sleep(0.01)


def test_replicas_that_race_apply_each_file_once(tmp_path, startupctl, undisturbed):
    write(tmp_path)
    with ThreadPoolExecutor(REPLICAS) as pool:
        replicas = list(pool.map(lambda _: startupctl("init-db", "-o", "json", timeout=110), range(REPLICAS)))
    assert [one.code for one in replicas] == [0] * REPLICAS, [one.err for one in replicas]
    facts = [one.json()["components"]["database"]["facts"]["migrations"] for one in replicas]
    assert sorted(name for one in facts for name in one["applied"]) == sorted(FILES)
    assert contents(tmp_path) == undisturbed[0]


WRITE_VERSION = 18  # byte of the header; a higher number than SQLite knows makes the file read-only for everybody


def test_a_file_that_may_not_be_written_is_told(tmp_path, startupctl):
    write(tmp_path, {"01_table.sql": "CREATE TABLE one (id);"})
    assert startupctl("init-db").code == 0
    (tmp_path / "migrations" / "02_more.sql").write_text("INSERT INTO one VALUES (1);")
    before = set_write_version(tmp_path / "shop.db", 3)
    ran = startupctl("init-db", "--max-retries", "0")
    assert ran.code != 0
    assert "READONLY" in ran.out + ran.err
    set_write_version(tmp_path / "shop.db", before)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        assert connection.execute("SELECT version, state FROM startupctl_migrations").fetchall() == [("1", "done")]
        assert connection.execute("SELECT * FROM one").fetchall() == []


def set_write_version(path, version):
    """Write the version that is needed to write to a database; return what it was."""
    with path.open("r+b") as file:
        file.seek(WRITE_VERSION)
        [before] = file.read(1)
        file.seek(WRITE_VERSION)
        file.write(bytes([version]))
    return before
