import pytest

from atlas_files import sums, with_sum
from startupctl.check import Unhealthy

OWN_SCHEMA = "atlas_schema_revisions.atlas_schema_revisions"
COLUMNS = (
    "version varchar NOT NULL PRIMARY KEY, description varchar NOT NULL, type bigint NOT NULL DEFAULT 2, "
    "applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0, executed_at {time} NOT NULL, "
    "execution_time bigint NOT NULL, error text, error_stmt text, hash varchar NOT NULL, partial_hashes {json}, "
    "operator_version varchar NOT NULL"
)
FILES = {"1_init.sql": "SELECT 1;\n", "2_plans.sql": "SELECT 2;\n", "3_rows.sql": "SELECT 3;\n"}


def create(place, table, *, time="timestamptz", json="jsonb"):
    if "." in table:
        place.sql("CREATE SCHEMA atlas_schema_revisions")
    place.sql(f"CREATE TABLE {table} ({COLUMNS.format(time=time, json=json)})")


def row(place, table, name, digest, *, applied=1, total=1, at="2026-02-01 10:00:00+00", kind=2):
    version, _, description = name.removesuffix(".sql").partition("_")
    place.sql(
        f"INSERT INTO {table} VALUES ('{version}', '{description}', {kind}, {applied}, {total}, '{at}', 5, "
        f"NULL, NULL, '{digest}', NULL, 'Atlas CLI v0.38')"
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("make", "table", "shape"),
    [
        ("postgres", OWN_SCHEMA, {}),
        ("postgres", "atlas_schema_revisions", {}),
        ("sqlite", "atlas_schema_revisions", {"time": "datetime", "json": "json"}),
    ],
)
async def test_its_rows_are_adopted_and_the_other_files_applied(make, table, shape, place_of, preparing, put, counts):
    place = place_of(make)
    put(with_sum(FILES))
    create(place, table, **shape)
    row(place, table, ".atlas_cloud_identifier", "", applied=0, total=0)
    for name in list(FILES)[:2]:
        row(place, table, name, sums(FILES)[name])
    assert counts(await place.kind().prepare(preparing)) == (2, ["3_rows.sql"])


@pytest.mark.anyio
async def test_a_partly_applied_file_is_refused(postgres_place, run, put):
    put(with_sum(FILES))
    create(postgres_place, OWN_SCHEMA)
    row(postgres_place, OWN_SCHEMA, "1_init.sql", sums(FILES)["1_init.sql"])
    row(postgres_place, OWN_SCHEMA, "2_plans.sql", sums(FILES)["2_plans.sql"], applied=1, total=4)
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().check(run)
    found = caught.value.diagnosis
    assert (found.code.code, found.facts["file"]) == ("MIG009", "2_plans.sql")
    assert "1 of 4 statements applied" in found.summary
    assert "`atlas migrate set 2`" in found.hint


@pytest.mark.anyio
async def test_nothing_before_its_first_row_is_applied(postgres_place, preparing, put, counts):
    put(with_sum(FILES))
    create(postgres_place, OWN_SCHEMA)
    row(postgres_place, OWN_SCHEMA, "2_plans.sql", "", applied=0, total=0, kind=1)
    assert counts(await postgres_place.kind().prepare(preparing)) == (2, ["3_rows.sql"])


@pytest.mark.anyio
async def test_an_edited_file_is_drift_and_those_behind_it_are_not(postgres_place, run, put):
    create(postgres_place, OWN_SCHEMA)
    for name, digest in sums(FILES).items():
        row(postgres_place, OWN_SCHEMA, name, digest)
    put(with_sum({**FILES, "2_plans.sql": "SELECT 'edited';\n"}))
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().check(run)
    assert caught.value.diagnosis.code.code == "MIG005"
    assert "2_plans.sql" in caught.value.diagnosis.summary


@pytest.mark.anyio
async def test_a_file_that_came_in_late_makes_no_drift(postgres_place, run, put):
    create(postgres_place, OWN_SCHEMA)
    before = {name: FILES[name] for name in ("1_init.sql", "3_rows.sql")}
    for name, digest in sums(before).items():
        row(postgres_place, OWN_SCHEMA, name, digest)
    row(postgres_place, OWN_SCHEMA, "2_plans.sql", sums(FILES)["2_plans.sql"], at="2026-02-02 10:00:00+00")
    put(with_sum(FILES))
    assert (await postgres_place.kind().check(run))["migrations"]["adopted"] == 3


@pytest.mark.anyio
async def test_when_files_were_removed_no_hash_can_tell(postgres_place, run, put):
    create(postgres_place, OWN_SCHEMA)
    for name, digest in sums(FILES).items():
        row(postgres_place, OWN_SCHEMA, name, digest)
    put(with_sum({name: FILES[name] for name in ("2_plans.sql", "3_rows.sql")}))
    assert (await postgres_place.kind().check(run))["migrations"]["adopted"] == 2
