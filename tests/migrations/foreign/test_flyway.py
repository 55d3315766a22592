import zlib

import pytest

from places import MAKES
from startupctl.check import Unhealthy
from startupctl.migrations.foreign.flyway import java_hash, key, lock_keys
from startupctl.migrations.history import Table

TABLES = {
    "postgres": (
        "CREATE TABLE flyway_schema_history (installed_rank INT NOT NULL, version VARCHAR(50), "
        "description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER, "
        "installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT now(), "
        "execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL, "
        "CONSTRAINT flyway_schema_history_pk PRIMARY KEY (installed_rank))"
    ),
    "sqlite": (
        "CREATE TABLE flyway_schema_history (installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50), "
        "description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INT, "
        "installed_by VARCHAR(100) NOT NULL, installed_on TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')), "
        "execution_time INT NOT NULL, success BOOLEAN NOT NULL)"
    ),
    "clickhouse": (
        "CREATE TABLE flyway_schema_history (installed_rank Int32, version Nullable(String), description String, "
        "type String, script String, checksum Nullable(Int32), installed_by String, installed_on DateTime DEFAULT now(), "
        "execution_time Int32, success Bool) ENGINE = MergeTree PRIMARY KEY (script)"
    ),
}
FILES = {
    "V1__plans.sql": "SELECT 1;\nSELECT 'ä';\n",
    "V1.1__rows.sql": "SELECT 11;\r\n",
    "V2_0__more.sql": "SELECT 2;\n",
    "R__first_view.sql": "SELECT 'view';\n",
}


def checksum(text):
    """As Flyway computes it: the lines without their ends, in signed 32 bits."""
    total = zlib.crc32("".join(text.splitlines()).encode())
    return total - 2**32 if total >= 2**31 else total


def row(place, rank, version, script, *, kind="SQL", text=None, success=True):
    description = script.partition("__")[2].removesuffix(".sql").replace("_", " ") or script
    values = [
        rank,
        f"'{version}'" if version else "NULL",
        f"'{description}'",
        f"'{kind}'",
        f"'{script}'",
        checksum(FILES[script] if text is None else text) if script in FILES else "NULL",
        "'app'",
        7,
        "true" if success else "false",
    ]
    columns = "installed_rank, version, description, type, script, checksum, installed_by, execution_time, success"
    place.sql(f"INSERT INTO flyway_schema_history ({columns}) VALUES ({', '.join(map(str, values))})")


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_its_rows_are_adopted_and_the_other_files_applied(make, place_of, preparing, put, counts):
    place = place_of(make)
    put(FILES)
    place.sql(TABLES[make])
    row(place, 0, None, "<< Flyway Schema Creation >>", kind="SCHEMA")
    row(place, 1, "1", "V1__plans.sql")
    row(place, 2, "1.1", "V1.1__rows.sql")
    row(place, 3, None, "R__first_view.sql")
    assert counts(await place.kind().prepare(preparing)) == (3, ["V2_0__more.sql"])


@pytest.mark.anyio
async def test_an_edited_file_is_drift_and_an_edited_repeatable_one_is_pending(postgres_place, preparing, put, counts):
    put(FILES)
    postgres_place.sql(TABLES["postgres"])
    row(postgres_place, 1, "1", "V1__plans.sql")
    row(postgres_place, 2, "1.1", "V1.1__rows.sql")
    row(postgres_place, 3, "2", "V2_0__more.sql")
    row(postgres_place, 4, None, "R__first_view.sql", text="SELECT 'before';\n")
    put({"V1__plans.sql": "SELECT 'edited';\n"})
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().check(preparing)
    assert caught.value.diagnosis.code.code == "MIG005"
    assert "V1__plans.sql" in caught.value.diagnosis.summary
    put(FILES)
    assert counts(await postgres_place.kind().prepare(preparing)) == (3, ["R__first_view.sql"])


@pytest.mark.anyio
async def test_a_failed_row_is_refused_until_it_is_repaired(postgres_place, preparing, put, counts):
    put(FILES)
    postgres_place.sql(TABLES["postgres"])
    row(postgres_place, 1, "1", "V1__plans.sql")
    row(postgres_place, 2, "1.1", "V1.1__rows.sql", success=False)
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().prepare(preparing)
    found = caught.value.diagnosis
    assert (found.code.code, found.facts["file"]) == ("MIG009", "V1.1__rows.sql")
    assert "`flyway repair`" in found.hint
    postgres_place.sql("DELETE FROM flyway_schema_history WHERE NOT success")
    applied = ["V1.1__rows.sql", "V2_0__more.sql", "R__first_view.sql"]
    assert counts(await postgres_place.kind().prepare(preparing)) == (1, applied)


@pytest.mark.anyio
async def test_a_baseline_stands_for_all_before_it(postgres_place, preparing, put, counts):
    put(FILES)
    postgres_place.sql(TABLES["postgres"])
    row(postgres_place, 1, "1.1", "<< Flyway Baseline >>", kind="BASELINE")
    facts = await postgres_place.kind().prepare(preparing)
    assert counts(facts) == (2, ["V2_0__more.sql", "R__first_view.sql"])
    assert facts["unverified"] == 1


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["UNDO_SQL", "DELETE"])
async def test_what_was_undone_or_deleted_is_pending(kind, postgres_place, run, put):
    put(FILES)
    postgres_place.sql(TABLES["postgres"])
    row(postgres_place, 1, "1", "V1__plans.sql")
    row(postgres_place, 2, "1.1", "V1.1__rows.sql")
    row(postgres_place, 3, "1.1", "V1.1__rows.sql", kind=kind)
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().check(run)
    assert (caught.value.diagnosis.code.code, caught.value.diagnosis.facts["first"]) == ("MIG001", "V1.1__rows.sql")


@pytest.mark.anyio
async def test_a_version_that_is_none_is_a_row_without_a_file(postgres_place, preparing, put, counts, services):
    put(FILES)
    postgres_place.sql(TABLES["postgres"])
    row(postgres_place, 1, "1", "V1__plans.sql")
    row(postgres_place, 2, "1.beta", "V1.beta__odd.sql")
    assert counts(await postgres_place.kind().prepare(preparing))[0] == 1
    assert [(code, facts["last"]) for code, facts in services.warnings] == [("MIG004", "V1.beta__odd.sql")]


def test_versions_are_compared_part_by_part():
    assert key("1.0") == key("1") == key("01_0")
    assert key("2") < key("2.0.1") < key("10")
    assert key("10") < key("R__anything")


def test_the_lock_is_the_one_of_java():
    assert java_hash("hello") == 99162322
    assert java_hash("polygenelubricants") == -(2**31)
    assert java_hash("\N{FLOPPY DISK}") == 0xD83D * 31 + 0xDCBE
    assert lock_keys(Table("flyway_schema_history", frozenset(), "public", "mydb")) == (77433833903597,)
