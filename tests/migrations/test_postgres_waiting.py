"""Who finds somebody else at the migrations waits without a driver, and has nothing left to do."""

import time

import yaml

HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"


def test_a_replica_that_only_waits_loads_no_driver(postgres, fresh_database, startupctl, tmp_path):
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_slow.sql").write_text("CREATE TABLE slow (id int);\nSELECT pg_sleep(2);\n")
    component = {"kind": "postgres", "url": postgres.url(fresh_database), "migrations": {"dir": "migrations"}}
    (tmp_path / "startup.yaml").write_text(yaml.safe_dump({"version": 1, "components": {"database": component}}))
    first = startupctl.start("init-db", "-o", "json")
    end = time.monotonic() + 20
    while postgres.sql(HELD, fresh_database) == [(0,)]:
        assert time.monotonic() < end, "it never began"
        time.sleep(0.01)
    second = startupctl("init-db", "-o", "json", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert first.finish().code == 0
    assert second.code == 0, second.err
    facts = second.json()["components"]["database"]["facts"]
    assert facts["migrations"] == {"applied": [], "already": 1, "pending": 0, "adopted": 0}
    assert facts["lock_wait"] > 0
    assert "waiting for the migration lock, held by startupctl:" in second.err
    imported = {line.rpartition("|")[2].strip() for line in second.err.splitlines() if line.startswith("import time:")}
    assert "startupctl" in imported
    assert "psycopg" not in imported
