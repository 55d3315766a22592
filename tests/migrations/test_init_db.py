"""The whole way: a manifest, the command line, real servers, several replicas at once."""

import itertools
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from servers.command_line import PROGRAM

NUMBERS = itertools.count(1)
MANIFEST = """
version: 1
name: shop
components:
  database:
    kind: postgres
    url: {postgres}
    create: true
    migrations: {{dir: pg}}
  events:
    kind: clickhouse
    url: {clickhouse}
    create: true
    migrations: {{dir: ch}}
    depends_on: [database]
"""


@pytest.fixture
def shop(tmp_path, postgres, clickhouse):
    """A manifest with two databases that are not there yet; returns their name."""
    name = f"shop_{next(NUMBERS)}"
    (tmp_path / "startup.yaml").write_text(
        MANIFEST.format(postgres=postgres.url(name), clickhouse=clickhouse.url(name))
    )
    for folder, files in {
        "pg": {"1_plans.sql": "CREATE TABLE plans (id int);", "2_rows.sql": "INSERT INTO plans VALUES (1);"},
        "ch": {
            "1_events.sql": "CREATE TABLE events (id UInt64) ENGINE = MergeTree ORDER BY id;",
            "2_rows.sql": "INSERT INTO events VALUES (1);\nINSERT INTO events VALUES (2);",
        },
    }.items():
        (tmp_path / folder).mkdir()
        for file, text in files.items():
            (tmp_path / folder / file).write_text(text)
    yield name
    postgres.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    clickhouse.query(f"DROP DATABASE IF EXISTS {name}")


def test_replicas_at_once_apply_each_file_once(shop, startupctl, postgres, clickhouse):
    with ThreadPoolExecutor(4) as pool:
        replicas = list(pool.map(lambda _: startupctl("init-db", "-o", "json"), range(4)))
    assert [one.code for one in replicas] == [0] * 4, [one.err for one in replicas]
    for component in ("database", "events"):
        facts = [one.json()["components"][component]["facts"] for one in replicas]
        assert sum(one["created"] for one in facts) == 1
        applied = sorted(name for one in facts for name in one["migrations"]["applied"])
        assert len(applied) == len(set(applied)) == 2
    assert postgres.sql("SELECT count(*) FROM plans", shop) == [(1,)]
    assert clickhouse.query(f"SELECT count() FROM {shop}.events").strip() == "2"
    assert startupctl("check").code == 0


def test_check_before_init_db_is_fixable_and_tells_the_command(shop, startupctl):
    ran = startupctl("check", "-o", "json")
    report = ran.json()
    assert report["components"]["database"]["diagnosis"]["code"] == "PG001"
    assert startupctl("init-db", "--dry-run").code == 0
    assert startupctl("init-db").code == 0
    assert startupctl("check").code == 0


def test_a_signal_ends_the_statement_on_the_server_before_the_process_leaves(shop, startupctl, postgres, tmp_path):
    (tmp_path / "pg" / "3_slow.sql").write_text("CREATE TABLE half (id int);\nSELECT pg_sleep(30);")
    process = subprocess.Popen(
        [PROGRAM, "init-db"],
        cwd=tmp_path,
        env=startupctl.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    asked = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{shop}' AND state = 'active' AND query LIKE '%pg_sleep%'"
    end = time.monotonic() + 20
    while not postgres.sql(asked):
        assert time.monotonic() < end, "it never came to the statement"
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 143, out
    assert not postgres.sql(asked)
    assert postgres.sql("SELECT version FROM startupctl_migrations ORDER BY 1", shop) == [("1",), ("2",)]
    assert postgres.sql("SELECT to_regclass('half')", shop) == [(None,)]
