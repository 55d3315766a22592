import pytest

from places import MAKES
from startupctl.check import Unhealthy
from startupctl.migrations.foreign.golang_migrate import lock_keys
from startupctl.migrations.history import Table

TABLES = {
    "postgres": "CREATE TABLE public.schema_migrations (version bigint not null primary key, dirty boolean not null)",
    "sqlite": "CREATE TABLE schema_migrations (version uint64, dirty bool)",
    "clickhouse": "CREATE TABLE schema_migrations (version Int64, dirty UInt8, sequence UInt64) Engine=TinyLog",
}


def files(*versions):
    return {f"{version}_more.up.sql": f"SELECT {version};" for version in versions}


def set_version(place, make, version, *, dirty, sequence=1):
    """Write a row as the tool does: one, on ClickHouse the last of many."""
    values = f"{version}, {'true' if dirty else 'false'}" + (f", {sequence}" if make == "clickhouse" else "")
    place.sql(f"INSERT INTO schema_migrations VALUES ({values})")


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_everything_up_to_its_version_is_adopted(make, place_of, preparing, put, counts):
    place = place_of(make)
    put(files("0001", "0002", "0003"))
    place.sql(TABLES[make])
    if make == "clickhouse":
        set_version(place, make, 3, dirty=False, sequence=1)
    set_version(place, make, 2, dirty=False, sequence=2)
    facts = await place.kind().prepare(preparing)
    assert counts(facts) == (2, ["0003_more.up.sql"])
    assert facts["unverified"] == 1, "the file below the version may have come late"


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_a_dirty_version_is_refused_with_its_commands(make, place_of, preparing, put):
    place = place_of(make)
    put(files("1", "2", "3"))
    place.sql(TABLES[make])
    set_version(place, make, 2, dirty=True)
    with pytest.raises(Unhealthy) as caught:
        await place.kind().prepare(preparing)
    found = caught.value.diagnosis
    assert found.code.code == "MIG009"
    assert "`2_more.up.sql` (version 2)" in found.summary
    assert "`dirty`" in found.summary
    assert "`migrate force 2`" in found.hint


@pytest.mark.anyio
async def test_a_way_down_that_failed_at_the_first_file_is_dirty_too(postgres_place, run, put):
    put(files("1"))
    postgres_place.sql(TABLES["postgres"])
    set_version(postgres_place, "postgres", -1, dirty=True)
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().check(run)
    assert caught.value.diagnosis.code.code == "MIG009"


@pytest.mark.anyio
async def test_what_it_applied_meanwhile_is_adopted_and_a_file_that_came_late_is_not(
    postgres_place, preparing, put, counts
):
    put(files("1", "2", "4"))
    postgres_place.sql(TABLES["postgres"])
    set_version(postgres_place, "postgres", 2, dirty=False)
    assert counts(await postgres_place.kind().prepare(preparing)) == (2, ["4_more.up.sql"])
    postgres_place.sql("UPDATE schema_migrations SET version = 6")
    put(files("5", "6"))
    assert counts(await postgres_place.kind().prepare(preparing)) == (2, [])
    put(files("3"))
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().prepare(preparing)
    assert (caught.value.diagnosis.code.code, "3_more.up.sql" in caught.value.diagnosis.summary) == ("MIG006", True)
    facts = await postgres_place.kind(out_of_order="apply").prepare(preparing)
    assert counts(facts) == (0, ["3_more.up.sql"])


@pytest.mark.anyio
async def test_a_version_without_a_file_is_a_newer_build(postgres_place, preparing, put, counts, services):
    put(files("1", "2"))
    postgres_place.sql(TABLES["postgres"])
    set_version(postgres_place, "postgres", 9, dirty=False)
    assert counts(await postgres_place.kind().prepare(preparing)) == (2, [])
    assert [(code, facts["last"]) for code, facts in services.warnings] == [("MIG004", "9")]


@pytest.mark.anyio
async def test_the_versions_of_ecto_are_not_its(postgres_place, preparing, put, counts):
    put(files("1"))
    postgres_place.sql("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp(0))")
    postgres_place.sql("INSERT INTO schema_migrations VALUES (1, now())")
    assert counts(await postgres_place.kind().prepare(preparing)) == (0, ["1_more.up.sql"])


def test_the_command_line_and_programs_take_two_locks():
    assert lock_keys(Table("schema_migrations", frozenset(), "public", "mydb")) == (616192132, 2103762914)
