"""`migrate adopt` and `migrate baseline` on real databases: what is recorded is told, nothing is run."""

from __future__ import annotations

import pytest


def facts(found):
    assert found.code == 0, found.err
    return found.json()["components"]["store"]["facts"]


@pytest.fixture
def dbmate(on_postgres):
    """A database that dbmate migrated up to the second of three files."""
    on_postgres.write(v1="a", v2="b", v3="c")
    on_postgres.rows("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)")
    on_postgres.rows("CREATE TABLE a (id int); CREATE TABLE b (id int)")
    on_postgres.rows("INSERT INTO schema_migrations VALUES ('1'), ('2')")
    return on_postgres


def test_what_another_tool_applied_is_taken_over_and_named(dbmate):
    assert dbmate.migrate("status", "-o", "json").json()["adopted_from"] == "dbmate (public.schema_migrations)"
    found = dbmate.migrate("adopt")
    assert found.code == 0, found.err
    assert found.out.splitlines()[:2] == ["adopted 1_it.sql", "adopted 2_it.sql"]
    assert dbmate.states() == {"1": "adopted", "2": "adopted", "3": "pending"}
    assert dbmate.tables() == {"a", "b", "schema_migrations"}


def test_a_dry_run_of_adopt_changes_nothing(dbmate):
    before = dbmate.dump()
    found = dbmate.migrate("adopt", "--from", "dbmate", "--dry-run")
    assert (found.code, found.out.splitlines()[0]) == (0, "would adopt 1_it.sql")
    assert dbmate.dump() == before


def test_a_table_of_another_name_is_found_when_it_is_named(dbmate):
    dbmate.rows("ALTER TABLE schema_migrations RENAME TO old_versions")
    assert dbmate.migrate("adopt").code == 78
    assert facts(dbmate.migrate("adopt", "--table", "old_versions", "-o", "json"))["adopted"] == [
        "1_it.sql",
        "2_it.sql",
    ]


def test_a_tool_that_nobody_knows_is_a_mistake_that_names_the_near_one(dbmate):
    found = dbmate.migrate("adopt", "--from", "dbmat")
    assert (found.code, "did you mean dbmate?" in found.err) == (2, True)


def test_nothing_to_adopt_is_refused(project):
    project.write(v1="a")
    before = project.dump()
    found = project.migrate("adopt", "-o", "json")
    assert (found.code, found.json()["components"]["store"]["diagnosis"]["code"]) == (78, "MIG010")
    assert project.dump() == before


def test_what_was_adopted_is_not_taken_back_while_the_tools_table_would_say_so_again(dbmate):
    dbmate.migrate("adopt")
    found = dbmate.migrate("down", "-o", "json")
    diagnosis = found.json()["components"]["store"]["diagnosis"]
    assert (found.code, diagnosis["code"]) == (78, "MIG021")
    dbmate.rows("DROP TABLE schema_migrations")
    assert dbmate.migrate("down").code == 0
    assert dbmate.tables() == {"a"}


def test_a_baseline_records_files_up_to_a_version_and_runs_none(project):
    project.write(v1="a", v2="b", v3="c")
    before = project.dump()
    found = project.migrate("baseline", "--to", "2", "--dry-run")
    assert (found.code, found.out.splitlines()[:2]) == (0, ["would adopt 1_it.sql", "would adopt 2_it.sql"])
    assert project.dump() == before
    assert facts(project.migrate("baseline", "--to", "2", "-o", "json"))["adopted"] == ["1_it.sql", "2_it.sql"]
    assert project.states() == {"1": "adopted", "2": "adopted", "3": "pending"}
    assert project.tables() == set()
    assert project.migrate("up").code == 0
    assert project.tables() == {"c"}


def test_a_baseline_of_a_version_that_nobody_has_is_refused(project):
    project.write(v1="a")
    before = project.dump()
    assert project.migrate("baseline", "--to", "7").code == 78
    assert project.dump() == before
