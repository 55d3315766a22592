import pytest

from migration_files import with_sum
from startupctl.check import Unhealthy

FUNCTION = "CREATE FUNCTION {name}() RETURNS int AS $$\nBEGIN\n  RETURN 1;\nEND;\n$$ LANGUAGE plpgsql"
FORMS = {
    "atlas": with_sum(
        {
            "1_a.sql": "CREATE TABLE a (id int);",
            "2_b.sql": f"-- atlas:delimiter \\n\\n\n\n{FUNCTION.format(name='one')}\n\nCREATE VIEW b AS SELECT one() AS id\n",
            "3_c.sql": "-- atlas:txmode none\n\nCREATE INDEX CONCURRENTLY c ON a (id);",
        }
    ),
    "flyway": {
        "V1__a.sql": "CREATE TABLE ${name} (id int);",
        "U1__a.sql": "DROP TABLE ${name};",
        "more/V1.1__c.sql": "CREATE INDEX CONCURRENTLY c ON a (id);",
        "more/V1.1__c.sql.conf": "executeInTransaction=false\n",
        "R__b.sql": "CREATE OR REPLACE VIEW b AS SELECT id FROM ${name};",
    },
    "golang-migrate": {
        "1_a.up.sql": "CREATE TABLE a (id int); CREATE VIEW b AS SELECT id FROM a;",
        "1_a.down.sql": "DROP VIEW b; DROP TABLE a;",
        "2_c.up.sql": "CREATE INDEX CONCURRENTLY c ON a (id);",
    },
    "goose": {
        "1_a.sql": (
            "-- +goose Up\nCREATE TABLE a (id int); CREATE TABLE d (id int);\n-- +goose StatementBegin\n"
            f"{FUNCTION.format(name='one')}\n-- +goose StatementEnd\n"
            "-- +goose StatementBegin\nCREATE VIEW b AS SELECT one() AS id\n-- +goose StatementEnd\n"
            "-- +goose Down\nDROP TABLE a;\n"
        ),
        "2_c.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY c ON a (id);\n",
    },
    "prisma": {
        "1_a/migration.sql": "CREATE TABLE a (id int);\nCREATE VIEW b AS SELECT id FROM a;",
        "2_c/migration.sql": "CREATE INDEX CONCURRENTLY c ON a (id);",
        "migration_lock.toml": 'provider = "postgresql"\n',
    },
}


@pytest.mark.anyio
@pytest.mark.parametrize("form", FORMS)
async def test_the_files_of_a_tool_are_applied_once(
    form, postgres, fresh_database, on_postgres, preparing, write, monkeypatch
):
    write(FORMS[form])
    wanted = on_postgres(fresh_database, placeholders={"name": "a"} if form == "flyway" else {})
    facts = await wanted.carry_out(preparing)
    assert (facts["format"], facts["migrations"]["pending"]) == (form, 0)
    made = "SELECT relname FROM pg_class WHERE relname IN ('a', 'b', 'c') ORDER BY 1"
    assert postgres.sql(made, fresh_database) == [("a",), ("b",), ("c",)]
    again = await wanted.carry_out(preparing)
    assert (again["migrations"]["applied"], again["migrations"]["already"]) == ([], len(facts["migrations"]["applied"]))


@pytest.mark.anyio
async def test_a_repeatable_file_is_applied_again_when_it_or_its_values_changed(
    postgres, fresh_database, on_postgres, preparing, write
):
    files = {"V1__a.sql": "CREATE TABLE a (x int);", "R__b.sql": "INSERT INTO a VALUES (${x});"}
    write(files)
    for x in ("1", "1", "2"):
        await on_postgres(fresh_database, placeholders={"x": x}).carry_out(preparing)
    write({"V2__c.sql": "INSERT INTO a VALUES (3);", "R__b.sql": "INSERT INTO a VALUES (${x} + 2);"})
    facts = await on_postgres(fresh_database, placeholders={"x": "2"}).carry_out(preparing)
    assert facts["migrations"]["applied"] == ["V2__c.sql", "R__b.sql"]
    assert postgres.sql("SELECT x FROM a", fresh_database) == [(1,), (2,), (3,), (4,)]


@pytest.mark.anyio
async def test_what_stands_before_an_obstacle_is_applied(postgres, fresh_database, on_postgres, preparing, write):
    up = "-- +goose Up\nCREATE TABLE {} (id int);\n"
    write({"1_a.sql": up.format("a"), "2_b.go": "package b", "3_c.sql": up.format("c")})
    with pytest.raises(Unhealthy) as caught:
        await on_postgres(fresh_database).carry_out(preparing)
    assert (
        "2_b.go: it is written in Go; only the program it is built into can apply it" in caught.value.diagnosis.summary
    )
    assert postgres.sql("SELECT to_regclass('a') IS NULL, to_regclass('c') IS NULL", fresh_database) == [(False, True)]


@pytest.mark.anyio
async def test_a_variable_is_missed_only_while_its_file_is_pending(
    postgres, fresh_database, on_postgres, preparing, write, monkeypatch
):
    write({"1_a.sql": "-- +goose Up\n-- +goose ENVSUB ON\nCREATE TABLE a (x text DEFAULT '${WHO?name somebody}');\n"})
    wanted = on_postgres(fresh_database)
    with pytest.raises(Unhealthy) as caught:
        await wanted.carry_out(preparing)
    assert "`WHO` is not set: name somebody, set the variable for startupctl" in caught.value.diagnosis.summary
    monkeypatch.setenv("WHO", "ada")
    await wanted.carry_out(preparing)
    monkeypatch.delenv("WHO")
    assert (await wanted.carry_out(preparing))["migrations"]["already"] == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("form", "name", "text", "place"),
    [
        ("goose", "1_a.sql", "-- +goose Up\nSELECT 1;\n\n-- b\nSELECT\n  nope;\n", "1_a.sql:6:3"),
        ("golang-migrate", "1_a.up.sql", "SELECT 1;\r\n  SELECT nope;", "1_a.up.sql:2:10"),
        ("flyway", "V1__a.sql", "SELECT '${x}';\nSELECT nope;", "V1__a.sql:2:8"),
        ("prisma", "1_a/migration.sql", "\ufeff-- a\nSELECT nope;", "1_a/migration.sql:2:8"),
    ],
)
async def test_a_statement_that_fails_is_told_by_the_line_of_the_file(
    form, name, text, place, fresh_database, on_postgres, preparing, write
):
    write({name: text})
    wanted = on_postgres(fresh_database, format=form, placeholders={"x": "y"} if form == "flyway" else {})
    with pytest.raises(Unhealthy) as caught:
        await wanted.carry_out(preparing)
    assert f"{place}: " in caught.value.diagnosis.summary
