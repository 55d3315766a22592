"""What all `migrate` commands have from the engine: lenders, signals, secrets, priorities; and what they cost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from servers.command_line import PROGRAM


def test_a_lender_that_refuses_is_told_in_its_own_words(on_clickhouse):
    manifest = on_clickhouse.folder / "startup.yaml"
    on_clickhouse.write(v1="a")
    before = on_clickhouse.dump()
    manifest.write_text(manifest.read_text().replace("postgres:s3cret@", "postgres:wr0ngpass@"))
    for words in (["up"], ["status"], ["unlock"]):
        found = on_clickhouse.migrate(*words, "-o", "json")
        diagnosis = found.json()["components"]["store"]["diagnosis"]
        assert (found.code, diagnosis["code"]) == (78, "PG002"), words
        assert "wr0ngpass" not in found.out + found.err
    assert on_clickhouse.dump() == before


def test_a_lender_that_comes_up_late_is_waited_for(on_clickhouse, postgres_server):
    server = postgres_server(start=False)
    manifest = on_clickhouse.folder / "startup.yaml"
    lines = [line for line in manifest.read_text().splitlines(keepends=True) if "locks: {" not in line]
    lender = f"components:\n  locks: {{kind: postgres, url: '{server.url()}'}}\n"
    manifest.write_text("".join(lines).replace("components:\n", lender))
    on_clickhouse.write(v1="a")
    waiting = on_clickhouse.cli.start("migrate", "up")
    server.start()
    assert waiting.finish().code == 0
    assert on_clickhouse.tables() == {"a"}


def test_a_signal_ends_a_way_down_with_a_whole_report_and_nothing_half_done(on_postgres):
    on_postgres.write(
        v1="-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\nDROP TABLE a;\nSELECT pg_sleep(60);\n"
    )
    assert on_postgres.migrate("up").code == 0
    asked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    with subprocess.Popen(
        [PROGRAM, "migrate", "down", "-o", "json"],
        cwd=on_postgres.folder,
        env=on_postgres.cli.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + 30
        while not on_postgres.rows(asked):
            assert time.monotonic() < end, "it never came to the statement"
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["components"]["store"]["status"]) == (143, "CANCELLED")
    assert (on_postgres.rows(asked), on_postgres.tables(), on_postgres.states()) == ([], {"a"}, {"1": "applied"})


def test_a_component_of_another_moment_can_be_migrated(on_sqlite):
    manifest = on_sqlite.folder / "startup.yaml"
    manifest.write_text(manifest.read_text().replace("    kind:", "    when: serve\n    kind:"))
    on_sqlite.write(v1="a")
    assert on_sqlite.migrate("up").code == 0


def test_a_report_can_go_to_a_file_beside_the_words_for_a_person(on_sqlite):
    on_sqlite.write(v1="a")
    found = on_sqlite.migrate("status", "-o", "plain", "-o", "json=status.json")
    assert found.out.startswith("STATE")
    assert json.loads((on_sqlite.folder / "status.json").read_text())["schema"] == "startupctl.migrations/1"


@pytest.mark.parametrize("words", [["--version"], ["check"], ["init-db"]])
def test_other_commands_load_nothing_of_it(on_sqlite, words):
    on_sqlite.write(v1="a")
    assert on_sqlite.cli("init-db").code == 0
    program = "import sys; from startupctl.cli.app import run_cli; run_cli(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", program, *words, "-q"]
        if words != ["--version"]
        else [sys.executable, "-c", program, *words],
        cwd=on_sqlite.folder,
        env=on_sqlite.cli.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(ran.stderr.split())
    ours = {
        "cli.migrating",
        "reports.migrations",
        "commands.migrate",
        "migrations.status",
        "migrations.down",
        "migrations.repair",
        "migrations.unlock",
    }
    assert loaded.isdisjoint(f"startupctl.{name}" for name in ours)


def test_status_loads_no_driver(on_postgres):
    on_postgres.write(v1="a")
    program = "import sys; from startupctl.cli.app import run_cli; run_cli(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", program, "migrate", "status"],
        cwd=on_postgres.folder,
        env=on_postgres.cli.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"psycopg", "rich", "redis"}.isdisjoint(ran.stderr.split())
