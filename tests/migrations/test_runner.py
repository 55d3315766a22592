from dataclasses import replace

import pytest

from places import MAKES, Lender
from startupctl.check import Mode, Unhealthy
from startupctl.migrations.rehearsal import SHOWN
from support import make_run

GO = "package migrations\n"


@pytest.fixture
def preparing(services, tmp_path):
    services.locks = Lender()
    return make_run(seconds=30, mode=Mode.PREPARE, folder=tmp_path, services=services)


@pytest.fixture
def dry(preparing):
    return replace(preparing, mode=Mode.DRY_RUN)


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    return caught.value


def goose(number):
    return f"-- +goose Up\nSELECT {number};\n"


# -- what only another tool can apply ----------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_a_file_that_cannot_be_applied_here_stops_all_behind_it(make, place_of, preparing, dry, write):
    place = place_of(make)
    write({"1_a.sql": goose(1), "2_b.sql": goose(2), "3_code.go": GO, "4_d.sql": goose(4)})
    for work in (place.kind().check(dry), place.kind().prepare(dry)):
        found = (await refusal(work)).diagnosis
        assert (found.code.code, "3_code.go" in found.summary) == ("MIG008", True)
    stopped = await refusal(place.kind().prepare(preparing))
    assert stopped.diagnosis.code.code == "MIG008"
    assert "its own tool" in stopped.diagnosis.hint
    counts = stopped.facts["migrations"]
    assert (counts["applied"], counts["pending"]) == (["1_a.sql", "2_b.sql"], 2)
    assert (await refusal(place.kind().prepare(preparing))).facts["migrations"]["already"] == 2


@pytest.mark.anyio
async def test_when_its_tool_has_applied_it_the_rest_follows(postgres_place, preparing, write):
    write({"1_a.sql": goose(1), "2_code.go": GO, "3_c.sql": goose(3)})
    await refusal(postgres_place.kind().prepare(preparing))
    postgres_place.sql(
        "CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint, is_applied boolean, tstamp timestamp)"
    )
    postgres_place.sql("INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (2, true)")
    facts = await postgres_place.kind().prepare(preparing)
    assert facts["migrations"] == {"applied": ["3_c.sql"], "already": 2, "pending": 0, "adopted": 1}


# -- what is applied again ---------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_a_repeatable_file_is_applied_last_and_again_when_it_changed(make, place_of, preparing, write):
    place = place_of(make)
    write({"R__view.sql": "SELECT 'view';\n", "V2__b.sql": "SELECT 2;\n"})
    kind = place.kind()
    facts = await kind.prepare(preparing)
    assert (facts["migrations"]["applied"], facts["schema_version"]) == (["V2__b.sql", "R__view.sql"], "2")
    write({"R__view.sql": "SELECT 'another';\n", "V3__c.sql": "SELECT 3;\n"})
    pending = (await refusal(kind.check(preparing))).diagnosis
    assert (pending.code.code, pending.facts["pending"], pending.facts["first"]) == ("MIG001", 2, "V3__c.sql")
    facts = await kind.prepare(preparing)
    assert facts["migrations"] == {"applied": ["V3__c.sql", "R__view.sql"], "already": 1, "pending": 0, "adopted": 0}
    write({"R__view.sql": "-- in other words\nSELECT 'another';\n"})
    assert (await kind.check(preparing))["migrations"]["already"] == 3
    write({"V1__late.sql": "SELECT 1;\n"})
    assert (await refusal(kind.check(preparing))).diagnosis.code.code == "MIG006"


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_a_repeatable_file_that_failed_is_tried_again(make, place_of, preparing, write):
    place = place_of(make)
    write({"R__view.sql": "SELECT 1;\n", "V1__a.sql": "SELECT 1;\n"})
    await place.kind().prepare(preparing)
    write({"R__view.sql": "SELECT nonsense_here;\n"})
    assert (await refusal(place.kind().prepare(preparing))).diagnosis.code.code == "MIG002"
    write({"R__view.sql": "SELECT 2;\n"})
    facts = await place.kind().prepare(preparing)
    assert facts["migrations"]["applied"] == ["R__view.sql"]
    assert (await place.kind().check(preparing))["migrations"]["pending"] == 0


# -- a dry run ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_dry_run_tells_statements_with_line_and_manner(postgres_place, dry, write):
    write(
        {
            "1_a.sql": "CREATE TABLE a (id int);\n\nCREATE ROLE nobody_yet\n  PASSWORD 'hidden';\n",
            "2_b.sql": "-- transaction:false\nCREATE INDEX CONCURRENTLY i ON a (id);\n",
        }
    )
    facts = await postgres_place.kind().prepare(dry)
    assert facts["would_run"]["1_a.sql"] == [
        {"line": 1, "statement": "CREATE TABLE a (id int)", "how": "in the transaction of the file"},
        {"line": 3, "statement": "CREATE ROLE nobody_yet", "how": "in the transaction of the file"},
    ]
    [index] = facts["would_run"]["2_b.sql"]
    assert (index["line"], index["how"]) == (2, "outside of a transaction")
    assert "hidden" not in str(facts)


@pytest.mark.anyio
async def test_of_a_long_file_a_dry_run_tells_the_beginning_and_the_count(postgres_place, dry, write):
    write({"1_a.sql": "SELECT 1;\n" * (SHOWN + 7)})
    shown = (await postgres_place.kind().prepare(dry))["would_run"]["1_a.sql"]
    assert [one["line"] for one in shown[:-1]] == list(range(1, SHOWN + 1))
    assert shown[-1] == {"more": 7}


# -- going on ----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_was_gone_on_with_is_told(place_of, preparing, write):
    place = place_of("clickhouse")
    first = "CREATE TABLE a (id UInt64) ENGINE = MergeTree ORDER BY id;\n"
    write({"1_a.sql": first + "SELEKT 1;\n"})
    await refusal(place.kind().prepare(preparing))
    write({"1_a.sql": first + "SELECT 1;\n", "2_b.sql": "SELECT 2;\n"})
    facts = await place.kind().prepare(preparing)
    assert (facts["migrations"]["applied"], facts["resumed"]) == (["1_a.sql", "2_b.sql"], ["1_a.sql"])


# -- two services in one database --------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("001_init.sql", "CREATE TABLE mine (id int);\n", None),
        ("001_setup.sql", "CREATE TABLE mine (id int);\n", "MIG007"),
        ("001_init.sql", "CREATE TABLE theirs (id int);\n", "MIG005"),
    ],
    ids=["the same file", "another name", "another content"],
)
async def test_two_services_with_one_table_are_told_to_part(name, text, code, postgres_place, preparing, write):
    folder = write({"001_init.sql": "CREATE TABLE mine (id int);\n"})
    await postgres_place.kind().prepare(preparing)
    (folder / "001_init.sql").unlink()
    write({name: text})
    if code is None:
        assert (await postgres_place.kind().prepare(preparing))["migrations"]["already"] == 1
        return
    found = (await refusal(postgres_place.kind().prepare(preparing))).diagnosis
    assert found.code.code == code
    assert "`migrations.table`" in found.hint


@pytest.mark.anyio
async def test_two_services_with_a_table_each_are_in_nobodys_way(postgres_place, preparing, write):
    write({"001_init.sql": "CREATE TABLE mine (id int);\n"})
    await postgres_place.kind().prepare(preparing)
    write({"001_init.sql": "CREATE TABLE theirs (id int);\n"})
    facts = await postgres_place.kind(table="second_service").prepare(preparing)
    assert facts["migrations"]["applied"] == ["001_init.sql"]
