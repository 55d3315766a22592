"""`migrate up` on real databases: as `init-db`, for one component, up to a version, or only said."""

from __future__ import annotations

import pytest


def test_it_applies_what_is_pending_and_names_it(project):
    project.write(v1="a", v2="b")
    found = project.migrate("up")
    assert found.code == 0, found.err
    assert found.out.splitlines()[:2] == ["applied 1_it.sql", "applied 2_it.sql"]
    assert project.tables() == {"a", "b"}
    again = project.migrate("up", "-o", "json").json()
    facts = again["components"]["store"]["facts"]
    assert (again["command"], facts["migrations"]["already"], facts["lock"]) == ("migrate up", 2, "not needed")


def test_it_stops_behind_the_version_that_is_named(project):
    project.write(v1="a", v2="b", v3="c")
    facts = project.migrate("up", "--to", "2", "-o", "json").json()["components"]["store"]["facts"]
    assert facts["migrations"] == {"applied": ["1_it.sql", "2_it.sql"], "already": 0, "pending": 1, "adopted": 0}
    assert project.tables() == {"a", "b"}
    assert project.states() == {"1": "applied", "2": "applied", "3": "pending"}
    assert project.migrate("up", "--to", "3_it.sql").code == 0
    assert project.tables() == {"a", "b", "c"}


def test_a_dry_run_says_what_would_be_applied_and_changes_nothing(project):
    project.write(v1="a", v2="b", v3="c")
    project.migrate("up", "--to", "1")
    before = project.dump()
    found = project.migrate("up", "--to", "2", "--dry-run")
    assert found.code == 0, found.err
    assert "would apply 2_it.sql" in found.out
    assert "3_it.sql" not in found.out
    assert project.dump() == before


def test_a_version_that_nobody_has_is_refused_with_the_near_one(project):
    project.write(v20260101="a")
    before = project.dump()
    found = project.migrate("up", "--to", "20260102", "-o", "json")
    diagnosis = found.json()["components"]["store"]["diagnosis"]
    assert (found.code, diagnosis["code"], diagnosis["hint"]) == (78, "MIG020", "did you mean 20260101?")
    assert project.dump() == before


def test_a_statement_that_fails_is_told_as_init_db_tells_it(project):
    project.write(v1="a", v2="-- migrate:up\nSELECT nothing_of_the_kind FROM a;\n-- migrate:down\n")
    found = project.migrate("up", "-o", "json")
    component = found.json()["components"]["store"]
    assert (found.code, component["diagnosis"]["code"]) == (78, "MIG002")
    assert component["facts"]["migrations"]["applied"] == ["1_it.sql"]
    assert "2_it.sql:2" in component["diagnosis"]["summary"]


@pytest.mark.parametrize("priority", ["LOW", "MEDIUM", "CRITICAL"])
def test_its_failure_does_not_depend_on_how_much_the_component_matters(on_sqlite, priority):
    manifest = on_sqlite.folder / "startup.yaml"
    manifest.write_text(manifest.read_text().replace("    kind:", f"    priority: {priority}\n    kind:"))
    on_sqlite.write(v1="-- migrate:up\nNONSENSE;\n-- migrate:down\n")
    assert on_sqlite.migrate("up").code == 78


def test_no_database_is_created(startupctl, tmp_path):
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "1_it.sql").write_text("SELECT 1;\n")
    manifest = "version: 1\ncomponents: {store: {kind: sqlite, path: new.db, create: true, migrations: {dir: db}}}\n"
    (tmp_path / "startup.yaml").write_text(manifest)
    found = startupctl("migrate", "up")
    assert found.code == 1
    assert "`startupctl init-db` creates it" in found.out
    assert not (tmp_path / "new.db").exists()


def test_where_nobody_lends_a_lock_that_of_clickhouse_itself_is_taken_and_seen(on_clickhouse):
    manifest = on_clickhouse.folder / "startup.yaml"
    manifest.write_text(manifest.read_text().replace("    depends_on: [locks]\n", ""))
    on_clickhouse.write(v1="a")
    component = on_clickhouse.migrate("up", "-o", "json").json()["components"]["store"]
    assert (component["usable"], component["facts"]["lock"]) == (True, "best-effort")
    seen = on_clickhouse.migrate("unlock", "-o", "json").json()["components"]["store"]["facts"]
    assert (seen["holder"], seen["removable"]) == (None, True)


def test_only_the_component_itself_is_looked_at(on_sqlite):
    manifest = on_sqlite.folder / "startup.yaml"
    gate = "  gate: {kind: env, required: [STARTUPCTL_NEVER_SET]}\n  store:\n    depends_on: [gate]\n"
    manifest.write_text(manifest.read_text().replace("  store:\n", gate))
    on_sqlite.write(v1="a")
    found = on_sqlite.migrate("up")
    assert (found.code, on_sqlite.tables()) == (0, {"a"})
    assert "without" not in found.out


@pytest.mark.parametrize("form", ["plain", "table"])
def test_a_dry_run_of_init_db_shows_the_first_statements_of_every_file(on_sqlite, form):
    five = "".join(f"CREATE TABLE t{number} (id int);\n" for number in range(5))
    on_sqlite.write(v1="a", v2=f"-- migrate:up\n{five}-- migrate:down\n")
    found = on_sqlite.cli("init-db", "--dry-run", "-o", form)
    assert found.code == 0, found.err
    lines = found.out.splitlines()
    assert lines[lines.index("store:") + 1 :] == [
        "  would apply 1_it.sql, in the transaction of the file",
        "    line 2: CREATE TABLE a (id int)",
        "  would apply 2_it.sql, in the transaction of the file",
        "    line 2: CREATE TABLE t0 (id int)",
        "    line 3: CREATE TABLE t1 (id int)",
        "    line 4: CREATE TABLE t2 (id int)",
        "    and 2 statements more",
    ]


def test_a_dry_run_of_many_files_is_cut_and_says_where_all_are_told(on_sqlite):
    on_sqlite.write(**{f"v{number}": f"t{number}" for number in range(1, 31)})
    found = on_sqlite.migrate("up", "--dry-run")
    assert found.out.count("would apply ") == 20
    assert "and 10 migrations more; -o json tells all" in found.out
    document = on_sqlite.migrate("up", "--dry-run", "-o", "json").json()
    assert len(document["components"]["store"]["facts"]["would_run"]) == 30
