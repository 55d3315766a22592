"""`migrate unlock` on real databases: who holds the lock, how that ends, and removing what was left behind."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager

import pytest

SLOW = "-- migrate:up\nSELECT pg_sleep(60);\n-- migrate:down\n"


def facts(found):
    return found.json()["components"]["store"]["facts"]


@contextmanager
def migrating(project):
    """Run `migrate up` until the lock is held; it is killed in the end."""
    running = project.cli.start("migrate", "up", "--max-retries", "0").process
    try:
        end = time.monotonic() + 30
        while not facts(project.migrate("unlock", "-o", "json"))["holder"]:
            assert time.monotonic() < end, "it never took the lock"
        yield running
    finally:
        running.kill()
        running.communicate()


def test_nobody_holds_it(project):
    project.write(v1="a")
    found = project.migrate("unlock")
    assert (found.code, found.out) == (0, "store: nobody holds the migration lock\n")
    assert project.migrate("unlock", "--force").code == 0


def test_on_postgres_the_holder_is_named_with_the_statement_that_ends_it(on_postgres):
    on_postgres.write(v1=SLOW)
    with migrating(on_postgres) as running:
        found = on_postgres.migrate("unlock", "--force", "-o", "json")
        told = facts(found)
        assert (found.code, told["removable"], told["removed"]) == (1, False, False)
        assert f":{running.pid} " in told["holder"]
        status = on_postgres.migrate("status", "-o", "json").json()
        assert status["lock"]["holder"] == told["holder"]
        assert told["ending"] in on_postgres.migrate("unlock").out
        on_postgres.rows(told["ending"])
        assert running.wait(timeout=30) == 1
    assert on_postgres.migrate("unlock").code == 0


def test_on_sqlite_the_process_is_named(on_sqlite):
    on_sqlite.write(v1="a")
    assert on_sqlite.migrate("up").code == 0
    with (on_sqlite.folder / "store.db.startupctl.lock").open("r+") as file:
        file.write("web-1:4711 2026-01-31 12:00:00+00:00")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        found = on_sqlite.migrate("unlock")
        assert found.code == 1
        assert "held by web-1:4711 since 2026-01-31 12:00:00+00:00" in found.out
        assert "to end it: kill 4711, on host web-1" in found.out
    assert on_sqlite.migrate("unlock").code == 0


def test_a_lock_that_is_lent_is_seen_where_it_is_lent(on_clickhouse):
    slow = "SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0"
    on_clickhouse.write(v1=f"-- migrate:up\n{slow};\n-- migrate:down\n")
    with migrating(on_clickhouse):
        told = facts(on_clickhouse.migrate("unlock", "-o", "json"))
        assert "pg_terminate_backend" in told["ending"]
        assert told["removable"] is False


@pytest.fixture
def lent_by_redis(on_clickhouse, valkey):
    """The lender is a Redis, whose lease can be left behind."""
    manifest = on_clickhouse.folder / "startup.yaml"
    lines = [line for line in manifest.read_text().splitlines(keepends=True) if "locks: {" not in line]
    text = "".join(lines).replace("components:\n", f"components:\n  locks: {{kind: redis, url: '{valkey.url()}'}}\n")
    manifest.write_text(text)
    on_clickhouse.write(v1="a")
    yield on_clickhouse
    valkey.cli("DEL", "startupctl:lock")


def test_a_lease_that_was_left_behind_is_removed_only_by_force_and_named(lent_by_redis, valkey):
    valkey.cli("SET", "startupctl:lock", "abc web-9:7 2026-01-31 12:00:00+00:00", "PX", 60000)
    found = lent_by_redis.migrate("unlock")
    assert found.code == 1
    assert "held by web-9:7 since 2026-01-31" in found.out
    assert "startupctl migrate unlock --force" in found.out
    assert facts(lent_by_redis.migrate("unlock", "-o", "json"))["holder"] == "web-9:7"
    removed = lent_by_redis.migrate("unlock", "--force")
    assert (removed.code, "removed the migration lock of web-9:7" in removed.out) == (0, True)
    assert lent_by_redis.migrate("unlock").code == 0
    assert lent_by_redis.migrate("up").code == 0


def test_the_lock_of_a_tools_migrations_can_be_asked_for(on_sqlite):
    manifest = on_sqlite.folder / "startup.yaml"
    text = manifest.read_text().replace("dir: db", "tool: {check: [alembic, current], up: [alembic, upgrade]}")
    manifest.write_text(text)
    assert on_sqlite.migrate("unlock").code == 0
