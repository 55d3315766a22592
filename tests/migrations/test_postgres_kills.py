"""Clients and servers that are killed at any moment: the next run finishes, and nothing runs twice.

`STARTUPCTL_KILLS` is how many clients are killed, `STARTUPCTL_REPLICAS` how many race.
"""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from signal import SIGKILL

import psutil
import pytest

KILLS = int(os.environ.get("STARTUPCTL_KILLS", "12"))
REPLICAS = int(os.environ.get("STARTUPCTL_REPLICAS", "8"))
MANIFEST = """
version: 1
components:
  database: {{kind: postgres, url: "{url}", migrations: {{dir: migrations, url: "{direct}"}}}}
"""
TRACE = "INSERT INTO trace VALUES ('{0}');"
SLOW = "SELECT pg_sleep(0.05);"
CIC = "-- transaction:false\nCREATE INDEX CONCURRENTLY rows_{0} ON rows (id, text);"
FILES = {
    "01_rows.sql": "CREATE TABLE trace (what text); CREATE TABLE rows (id int, text text);"
    " INSERT INTO rows SELECT n, repeat('x', 50) FROM generate_series(1, 20000) AS n;",
    "02_index.sql": CIC.format(2),
    "03_more.sql": f"CREATE TABLE three (id int); {SLOW} {TRACE.format(3)}",
    "04_steps.sql": f"-- transaction:false\n{TRACE.format('4a')}\nSET search_path = public;\nBEGIN; {SLOW} {TRACE.format('4b')} COMMIT;\n"
    f"CREATE INDEX CONCURRENTLY rows_4 ON rows (text, id);\n{TRACE.format('4c')}\nDROP INDEX CONCURRENTLY rows_4;\n"
    f"VACUUM rows;\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS four ON rows (id);\n{TRACE.format('4d')}",
    "05_own.sql": f"BEGIN;\nCREATE TABLE five (id int); {SLOW}\n{TRACE.format(5)}\nCOMMIT;",
    "06_mixed.sql": f"{TRACE.format('6a')}\nCREATE INDEX CONCURRENTLY rows_6 ON rows (id) WHERE id > 5;\n{TRACE.format('6b')}",
    "07_more.sql": f"ALTER TABLE three ADD more int; {SLOW} {TRACE.format(7)}",
    "08_index.sql": CIC.format(8),
    "09_two.sql": f"BEGIN; {TRACE.format('9a')} COMMIT;\n{SLOW}\nBEGIN; {TRACE.format('9b')} COMMIT;",
    "10_more.sql": f"{TRACE.format(10)} {SLOW}",
    "11_index.sql": CIC.format(11),
    "12_last.sql": f"CREATE VIEW last AS SELECT count(*) FROM rows; {TRACE.format(12)}",
}
SCHEMA = """
SELECT n.nspname, c.relname, c.relkind, coalesce(pg_get_indexdef(i.indexrelid), ''), coalesce(i.indisvalid, true),
  (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2"""
TRACED = ["4a", "4b", "4c", "4d", "3", "5", "6a", "6b", "7", "9a", "9b", "10", "12"]


@pytest.fixture
def shop(tmp_path):
    """Write the files and a manifest for a database."""
    (tmp_path / "migrations").mkdir()

    def write(url, direct="", files=FILES):
        for name, text in files.items():
            (tmp_path / "migrations" / name).write_text(text)
        (tmp_path / "startup.yaml").write_text(MANIFEST.format(url=url, direct=direct))

    return write


def require_whole(server, database):
    """Every file was applied, every statement once, and the schema is the one wanted."""
    assert server.sql("SELECT count(*) FROM startupctl_migrations WHERE state = 'done'", database) == [(len(FILES),)]
    assert sorted(what for (what,) in server.sql("SELECT what FROM trace", database)) == sorted(TRACED)
    schema = server.sql(SCHEMA, database)
    indexes = sorted(
        name for _, name, kind, _, valid, _ in schema if kind == "i" and valid and name.startswith(("rows", "four"))
    )
    assert indexes == ["four", "rows_11", "rows_2", "rows_6", "rows_8"]
    assert [row for row in schema if not row[4]] == []
    tables = {
        name: columns for _, name, kind, _, _, columns in schema if kind in "rv" and not name.startswith("startupctl")
    }
    assert tables == {
        "five": "id integer",
        "last": "count bigint",
        "rows": "id integer, text text",
        "three": "id integer, more integer",
        "trace": "what text",
    }


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_client_is_followed_by_one_that_finishes(postgres, fresh_database, startupctl, shop, number):
    shop(postgres.url(fresh_database))
    running = startupctl.start("init-db")
    began(postgres, fresh_database)
    time.sleep(random.Random(number).uniform(0, 0.45))
    running.process.kill()
    running.finish()
    ran = startupctl("init-db")
    assert ran.code == 0, ran.err
    require_whole(postgres, fresh_database)


def began(server, database):
    """Wait until the table of the migrations is there."""
    end = time.monotonic() + 20
    while server.sql("SELECT to_regclass('startupctl_migrations')", database) == [(None,)]:
        assert time.monotonic() < end, "it never began"
        time.sleep(0.01)


def test_a_server_that_is_killed_again_and_again_is_finished(postgres_server, startupctl, shop):
    server = postgres_server(fsync="on")
    shop(server.url())
    for number in range(3):
        running = startupctl.start("init-db", "--max-retries", "0")
        if number == 0:
            began(server, "postgres")
        else:
            time.sleep(0.5)
        time.sleep(random.Random(number).uniform(0, 0.5))
        kill_all(server)
        running.finish()
        server.start()
    ran = startupctl("init-db")
    assert ran.code == 0, ran.err
    require_whole(server, "postgres")


def kill_all(server):
    """Kill the server with all its processes, as a machine that loses its power does."""
    processes = [psutil.Process(server.proc.pid), *psutil.Process(server.proc.pid).children(recursive=True)]
    for process in processes:
        try:
            process.send_signal(SIGKILL)
        except psutil.NoSuchProcess:
            continue
    server.proc.wait(10)
    psutil.wait_procs(processes[1:], 10)


@pytest.mark.parametrize("pooled", [False, True])
def test_replicas_that_race_apply_each_file_once(postgres, fresh_database, startupctl, shop, pgbouncer, pooled):
    files = {f"{number:02}_row.sql": f"INSERT INTO trace VALUES ('{number}');" for number in range(2, 31)}
    files |= {f"{number:02}_index.sql": CIC.format(number) for number in range(31, 36)}
    files["01_rows.sql"] = FILES["01_rows.sql"]
    direct = postgres.url(fresh_database)
    shop(
        pgbouncer(postgres, pool_size=REPLICAS).url(fresh_database) if pooled else direct,
        direct if pooled else "",
        files,
    )
    with ThreadPoolExecutor(REPLICAS) as pool:
        replicas = list(pool.map(lambda _: startupctl("init-db", "-o", "json", timeout=110), range(REPLICAS)))
    assert [one.code for one in replicas] == [0] * REPLICAS, [one.err for one in replicas]
    facts = [one.json()["components"]["database"]["facts"]["migrations"] for one in replicas]
    assert sorted(name for one in facts for name in one["applied"]) == sorted(files)
    assert postgres.sql("SELECT count(*), count(DISTINCT what) FROM trace", fresh_database) == [(29, 29)]
    assert postgres.sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid", fresh_database) == [(0,)]
