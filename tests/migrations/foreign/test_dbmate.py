import pytest

from places import MAKES
from startupctl.check import Unhealthy

ON_CLICKHOUSE = (
    "CREATE TABLE schema_migrations (version String, ts DateTime DEFAULT now(), applied UInt8 DEFAULT 1) "
    "ENGINE = ReplacingMergeTree(ts) PRIMARY KEY version ORDER BY version"
)
TABLES = {
    "postgres": "CREATE TABLE public.schema_migrations (version varchar primary key)",
    "sqlite": "CREATE TABLE schema_migrations (version varchar(128) primary key)",
    "clickhouse": ON_CLICKHOUSE,
}
RAILS = (
    "CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)",
    "CREATE TABLE ar_internal_metadata (key varchar NOT NULL PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL)",
    "INSERT INTO ar_internal_metadata VALUES ('environment', 'production', now(), now())",
)


def files(*versions):
    return {f"{version}_more.sql": f"-- migrate:up\nSELECT {version};\n-- migrate:down\n" for version in versions}


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_its_rows_are_adopted_and_the_other_files_applied(make, place_of, preparing, put, counts):
    place = place_of(make)
    put(files("001", "002", "003"))
    place.sql(TABLES[make])
    place.sql("INSERT INTO schema_migrations (version) VALUES ('001'), ('002')")
    facts = await place.kind().prepare(preparing)
    assert counts(facts) == (2, ["003_more.sql"])
    assert facts["adopted_from"].startswith("dbmate (")
    final = "FINAL" if make == "clickhouse" else ""
    assert place.sql(f"SELECT version, state FROM startupctl_migrations {final} ORDER BY 1") == [
        ("001", "adopted"),
        ("002", "adopted"),
        ("003", "done"),
    ]


@pytest.mark.anyio
async def test_what_was_rolled_back_on_clickhouse_is_pending(place_of, preparing, put, counts):
    place = place_of("clickhouse")
    put(files("1", "2"))
    place.sql(ON_CLICKHOUSE)
    place.sql("INSERT INTO schema_migrations (version, ts) VALUES ('1', 1700000000), ('2', 1700000000)")
    place.sql("INSERT INTO schema_migrations VALUES ('2', 1700000001, 0)")
    assert counts(await place.kind().prepare(preparing)) == (1, ["2_more.sql"])


@pytest.mark.anyio
async def test_versions_are_compared_as_text(postgres_place, run, put):
    put(files("001"))
    postgres_place.sql(TABLES["postgres"])
    postgres_place.sql("INSERT INTO schema_migrations VALUES ('1')")
    with pytest.raises(Unhealthy, match="has rows, and none of them is one of these files"):
        await postgres_place.kind().check(run)


@pytest.mark.anyio
async def test_the_versions_of_rails_are_not_dbmates(postgres_place, preparing, put, counts):
    put(files("20260101000000", "20260102000000"))
    for statement in RAILS:
        postgres_place.sql(statement)
    postgres_place.sql("INSERT INTO schema_migrations VALUES ('20260101000000')")
    facts = await postgres_place.kind().prepare(preparing)
    assert counts(facts) == (0, ["20260101000000_more.sql", "20260102000000_more.sql"])
    assert postgres_place.sql("SELECT version FROM schema_migrations") == [("20260101000000",)]
