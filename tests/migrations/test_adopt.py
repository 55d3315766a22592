import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from atlas_files import with_sum
from places import MAKES, Lender
from startupctl.check import Mode, Unhealthy
from startupctl.migrations.adopt import adopt, baseline
from startupctl.migrations.foreign import flyway, golang_migrate
from startupctl.migrations.history import Table
from startupctl.migrations.repair import Cure, Repair
from startupctl.wire.pg_messages import PgError
from support import make_run

DBMATE = Path(sys.executable).with_name("dbmate")
TABLE = "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)"
GOOSE = (
    "CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, "
    "tstamp timestamp DEFAULT now())"
)
LEDGER = "SELECT version, state FROM startupctl_migrations ORDER BY version"


@pytest.fixture
def preparing(services, tmp_path):
    services.locks = Lender()
    return make_run(seconds=30, mode=Mode.PREPARE, folder=tmp_path, services=services)


@pytest.fixture
def dry(preparing):
    return replace(preparing, mode=Mode.DRY_RUN)


def files(*numbers):
    return {
        f"{number}_more.sql": f"-- migrate:up\nCREATE TABLE t{number} (id int);\n-- migrate:down\nDROP TABLE t{number};\n"
        for number in numbers
    }


def applied_by_dbmate(place, *versions, table=TABLE):
    place.sql(table)
    for version in versions:
        place.sql(f"INSERT INTO schema_migrations VALUES ('{version}')")


def applied_by_goose(place, *versions):
    place.sql(GOOSE)
    for version in (0, *versions):
        place.sql(f"INSERT INTO goose_db_version (version_id, is_applied) VALUES ({version}, true)")


async def refusal(work):
    with pytest.raises(Unhealthy) as caught:
        await work
    return caught.value.diagnosis


def counted(facts):
    return {name: len(value) if isinstance(value, list) else value for name, value in facts["migrations"].items()}


# -- a database that dbmate made ---------------------------------------------------------------


def dbmate(url, folder, *words):
    argv = [DBMATE, "--url", url, "--migrations-dir", folder, "--no-dump-schema", *words]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)


@pytest.mark.anyio
@pytest.mark.parametrize("make", ["postgres", "sqlite"])
async def test_a_database_of_dbmate_is_adopted_and_both_go_on(make, request, place_of, preparing, write, tmp_path):
    place = place_of(make)
    url = f"sqlite:{tmp_path}/app.db"
    if make == "postgres":
        url = request.getfixturevalue("postgres").url(place.name, scheme="postgres", sslmode="disable")
    folder = write(files(*range(1, 6)))
    dbmate(url, folder, "up")
    write(files(6, 7))
    kind, run = place.kind(), replace(preparing, mode=Mode.CHECK)
    pending = await refusal(kind.check(run))
    assert (pending.code.code, pending.facts["pending"], pending.facts["first"]) == ("MIG001", 2, "6_more.sql")
    facts = await kind.prepare(preparing)
    assert counted(facts) == {"applied": 2, "already": 5, "pending": 0, "adopted": 5}
    assert counted(await kind.check(run)) == {"applied": 0, "already": 7, "pending": 0, "adopted": 0}

    write(files(8))
    place.sql("INSERT INTO schema_migrations VALUES ('6'), ('7')")  # else dbmate would apply them again
    dbmate(url, folder, "up")
    assert counted(await kind.check(run)) == {"applied": 0, "already": 8, "pending": 0, "adopted": 1}
    assert counted(await kind.prepare(preparing)) == {"applied": 0, "already": 8, "pending": 0, "adopted": 1}
    assert [state for _, state in place.sql(LEDGER)] == ["adopted"] * 5 + ["done"] * 2 + ["adopted"]


@pytest.mark.anyio
@pytest.mark.parametrize("cure", ["rerun", "accept"])
async def test_what_dbmate_rolls_back_after_it_was_adopted_is_noticed(cure, postgres, postgres_place, preparing, write):
    url = postgres.url(postgres_place.name, scheme="postgres", sslmode="disable")
    folder, kind, look = write(files(1, 2)), postgres_place.kind(), replace(preparing, mode=Mode.CHECK)
    dbmate(url, folder, "up")
    await kind.prepare(preparing)
    dbmate(url, folder, "rollback")
    for work in (kind.check(look), kind.prepare(preparing)):
        found = await refusal(work)
        assert (
            found.code.code,
            "`2_more.sql` was adopted from dbmate (public.schema_migrations)" in found.summary,
        ) == (
            "MIG010",
            True,
        )
        assert "`startupctl migrate repair 2 --rerun`" in found.hint
    await Repair("2", Cure(cure))(preparing, kind.site(preparing))
    facts = await kind.prepare(preparing)
    assert counted(facts)["applied"] == (1 if cure == "rerun" else 0)
    assert counted(await kind.check(look))["already"] == 2
    assert postgres_place.sql(LEDGER) == [("1", "adopted"), ("2", "done")]


@pytest.mark.anyio
async def test_a_version_that_golang_migrate_went_below_is_noticed(postgres_place, preparing, write):
    write({f"{number}_a.up.sql": f"SELECT {number};" for number in (1, 2, 3)})
    postgres_place.sql(_TABLES["golang-migrate"])
    postgres_place.sql("INSERT INTO schema_migrations VALUES (3, false)")
    kind = postgres_place.kind()
    assert counted(await kind.prepare(preparing))["adopted"] == 3
    assert counted(await kind.check(preparing))["already"] == 3
    postgres_place.sql("UPDATE schema_migrations SET version = 2")
    found = await refusal(kind.check(preparing))
    assert (found.code.code, "`3_a.up.sql`" in found.summary) == ("MIG010", True)


# -- when it is done by itself -----------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_check_changes_nothing(make, place_of, preparing, write):
    place = place_of(make)
    write({"1_a.up.sql": "SELECT 1;"})
    engine = ", sequence UInt64) ENGINE = TinyLog" if make == "clickhouse" else ")"
    place.sql(f"CREATE TABLE schema_migrations (version bigint, dirty boolean{engine}")
    place.sql(f"INSERT INTO schema_migrations VALUES (1, false{', 1' if make == 'clickhouse' else ''})")
    facts = await place.kind().check(replace(preparing, mode=Mode.CHECK))
    assert counted(facts) == {"applied": 0, "already": 1, "pending": 0, "adopted": 1}
    with pytest.raises(Exception, match="startupctl_migrations"):
        place.sql("SELECT * FROM startupctl_migrations")


@pytest.mark.anyio
async def test_rows_that_fit_no_file_need_a_decision(postgres_place, preparing, write):
    write(files(51, 52))
    applied_by_dbmate(postgres_place, 1, 2)
    kind = postgres_place.kind()
    for work in (kind.check(preparing), kind.prepare(preparing)):
        found = await refusal(work)
        assert found.code.code == "MIG010"
        assert "public.schema_migrations of dbmate" in found.summary
        assert "`startupctl migrate baseline`" in found.hint
    assert (await baseline(preparing, kind.site(preparing), "0"))["adopted"] == []
    assert counted(await kind.prepare(preparing))["applied"] == 2


@pytest.mark.anyio
async def test_a_ledger_left_empty_by_a_crash_is_no_reason_to_apply_again(postgres_place, preparing, write):
    write(files(1, 2))
    applied_by_dbmate(postgres_place, 1, 2)
    site = postgres_place.kind().site(preparing)
    async with site.lock(()), site.session() as session:
        await site.ledger.create(session)
    assert counted(await postgres_place.kind().prepare(preparing))["adopted"] == 2


@pytest.mark.anyio
async def test_our_ledger_wins_over_the_other_table(postgres_place, preparing, write):
    write({f"{number}_a.up.sql": f"SELECT {number};" for number in (1, 2)})
    await postgres_place.kind().prepare(preparing)
    postgres_place.sql("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean)")
    postgres_place.sql("INSERT INTO schema_migrations VALUES (2, true)")
    write({"3_a.up.sql": "SELECT 3;"})
    facts = await postgres_place.kind().prepare(preparing)
    assert counted(facts) == {"applied": 1, "already": 2, "pending": 0, "adopted": 0}
    postgres_place.sql("UPDATE schema_migrations SET version = 4")
    write({"4_a.up.sql": "SELECT 4;"})
    assert (await refusal(postgres_place.kind().prepare(preparing))).code.code == "MIG009"


@pytest.mark.anyio
async def test_rows_without_files_are_a_newer_build(postgres_place, preparing, write, services):
    write(files(1, 2))
    applied_by_dbmate(postgres_place, 1, 2, 3)
    facts = await postgres_place.kind().prepare(preparing)
    assert (counted(facts)["adopted"], facts["schema_version"]) == (2, "3")
    assert [(code, told["last"]) for code, told in services.warnings] == [("MIG004", "3")]


@pytest.mark.anyio
async def test_what_another_tool_applied_is_not_applied_again(postgres_place, preparing, write):
    write(files(1, 2, 3))
    applied_by_goose(postgres_place, 1, 2)
    found = await refusal(postgres_place.kind().prepare(preparing))
    assert found.code.code == "MIG010"
    assert "goose applied versions of these dbmate files" in found.summary
    assert "`startupctl migrate adopt --from goose`" in found.hint
    facts = await adopt(preparing, postgres_place.kind().site(preparing), "goose")
    assert facts["adopted"] == ["1_more.sql", "2_more.sql"]
    assert facts["adopted_from"] == "goose (public.goose_db_version)"
    assert counted(await postgres_place.kind().prepare(preparing))["applied"] == 1


@pytest.mark.anyio
async def test_plain_files_are_not_applied_over_another_tools_work_either(postgres_place, preparing, write):
    write({"0001_a.sql": "SELECT 1;"})
    applied_by_goose(postgres_place, 1)
    assert (await refusal(postgres_place.kind().prepare(preparing))).code.code == "MIG010"


@pytest.mark.anyio
async def test_a_table_of_other_versions_is_of_another_service(postgres_place, preparing, write):
    write(files(20260101, 20260102))
    applied_by_goose(postgres_place, 1, 2)
    assert counted(await postgres_place.kind().prepare(preparing))["applied"] == 2


@pytest.fixture
def modest(postgres, postgres_place, postgres_kind):
    """A component whose role may create tables and read none of other roles."""
    role = f"modest_{postgres_place.name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    postgres_place.sql(f"GRANT ALL ON SCHEMA public TO {role}")
    url = postgres.url(postgres_place.name, user=role, password="pw")
    yield postgres_kind(url=url, migrations={"dir": "migrations"})
    postgres_place.sql(f"DROP OWNED BY {role}")
    postgres.sql(f"DROP ROLE {role}")


@pytest.mark.anyio
async def test_a_table_that_this_role_cannot_read_is_of_another_service(postgres_place, modest, preparing, write):
    write(files(1, 2))
    applied_by_goose(postgres_place, 1, 2)
    assert counted(await modest.prepare(preparing))["applied"] == 2


@pytest.mark.anyio
async def test_the_table_of_the_files_own_tool_must_be_readable(postgres_place, modest, preparing, write):
    write(files(1, 2))
    applied_by_dbmate(postgres_place, 1)
    with pytest.raises(PgError) as caught:
        await modest.prepare(preparing)
    assert caught.value.sqlstate == "42501"


class Counting:
    """Counts what a reader is asked."""

    def __init__(self, reader):
        self.reader, self.asked = reader, 0

    async def rows(self, sql):
        self.asked += 1
        return await self.reader.rows(sql)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("names", "at_first", "later"),
    [({"1_a.sql": "SELECT 1;"}, 2, 2), (files(1), 2, 3)],
    ids=["plain", "dbmate"],
)
async def test_it_costs_one_question_more_at_most(names, at_first, later, postgres_place, preparing, write):
    from startupctl.migrations.past import read_past
    from startupctl.migrations.runner import read_files

    write(names)
    site = postgres_place.kind().site(preparing)
    directory = await read_files(preparing, site.keys, site.ledger.database)

    async def questions():
        async with site.reader() as reader:
            counting = Counting(reader)
            await read_past(directory, site.ledger, counting)
        return counting.asked

    assert await questions() == at_first
    await postgres_place.kind().prepare(preparing)
    assert await questions() == later


NO_DRIVER = """
import anyio, pathlib, sys
sys.path.insert(0, sys.argv[3])
from support import make_run
from startupctl.kinds.postgres import Postgres
kind = Postgres(url=sys.argv[1], migrations={"dir": "migrations"})
facts = anyio.run(kind.check, make_run(seconds=20, folder=pathlib.Path(sys.argv[2])))
print(facts["migrations"]["adopted"], "psycopg" in sys.modules, "startupctl.migrations.adopt" in sys.modules)
"""


def test_a_check_reads_it_without_a_driver(postgres, postgres_place, write, tmp_path):
    write(files(1))
    applied_by_dbmate(postgres_place, 1)
    words = [postgres.url(postgres_place.name), tmp_path, Path(__file__).parents[1]]
    argv = [sys.executable, "-c", NO_DRIVER, *map(str, words)]
    assert subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout == "1 False False\n"


# -- the lock of the other tool ----------------------------------------------------------------

_TABLES = {
    "golang-migrate": "CREATE TABLE schema_migrations (version bigint, dirty boolean)",
    "goose": GOOSE,
    "flyway": (
        "CREATE TABLE flyway_schema_history (installed_rank int, version varchar, description varchar, type varchar, "
        "script varchar, checksum int, installed_on timestamp, success boolean)"
    ),
    "prisma": (
        "CREATE TABLE _prisma_migrations (migration_name varchar, checksum varchar, started_at timestamptz, "
        "finished_at timestamptz, rolled_back_at timestamptz)"
    ),
    "atlas": (
        "CREATE TABLE atlas_schema_revisions (version varchar, description varchar, applied int, total int, "
        "executed_at timestamptz, hash varchar)"
    ),
}
_FILES = {
    "golang-migrate": {"1_a.up.sql": "SELECT 1;"},
    "goose": {"1_a.sql": "-- +goose Up\nSELECT 1;"},
    "flyway": {"V1__a.sql": "SELECT 1;"},
    "prisma": {"1_a/migration.sql": "SELECT 1;"},
    "atlas": with_sum({"1_a.sql": "SELECT 1;"}),
}


def keys_of(tool, database):
    if tool == "golang-migrate":
        return golang_migrate.lock_keys(Table("schema_migrations", frozenset(), "public", database))
    if tool == "flyway":
        return flyway.lock_keys(Table("flyway_schema_history", frozenset(), "public", database))
    return {"goose": (4097083626,), "prisma": (72707369,), "atlas": (2686470616,)}[tool]


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "which"), [(tool, 0) for tool in _TABLES] + [("golang-migrate", 1)])
async def test_while_the_tool_itself_migrates_it_is_waited_for(
    tool, which, postgres, postgres_place, preparing, tmp_path
):
    for name, text in _FILES[tool].items():
        (tmp_path / "migrations" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "migrations" / name).write_text(text)
    postgres_place.sql(_TABLES[tool])
    kind = postgres_place.kind(lock_timeout=0.5, format=tool)
    url = postgres.url(postgres_place.name, application_name="their-tool")
    with closing(psycopg.connect(url, autocommit=True)) as session:
        session.execute(f"SELECT pg_advisory_lock({keys_of(tool, postgres_place.name)[which]})")
        found = await refusal(kind.prepare(preparing))
        assert found.code.code == "LCK001"
        assert "their-tool" in found.summary
    assert counted(await kind.prepare(preparing))["applied"] == 1


# -- adopting and declaring by hand ------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("make", ["postgres", "sqlite"])
async def test_a_dry_run_only_tells(make, place_of, preparing, dry, write):
    place = place_of(make)
    write(files(1, 2, 3))
    applied_by_dbmate(place, 1, 2)
    site = place.kind().site(dry)
    assert (await adopt(dry, site))["would_adopt"] == ["1_more.sql", "2_more.sql"]
    assert (await baseline(dry, site, "1"))["would_adopt"] == ["1_more.sql"]
    planned = await place.kind().prepare(dry)
    assert (planned["would_adopt"], planned["would_apply"]) == (["1_more.sql", "2_more.sql"], ["3_more.sql"])
    with pytest.raises(Exception, match="startupctl_migrations"):
        place.sql(LEDGER)


@pytest.mark.anyio
async def test_a_table_may_have_another_name_and_schema(postgres_place, preparing, write):
    write(files(1, 2))
    postgres_place.sql("CREATE SCHEMA ops")
    postgres_place.sql("CREATE TABLE ops.migrated (version varchar PRIMARY KEY)")
    postgres_place.sql("INSERT INTO ops.migrated VALUES ('1')")
    facts = await adopt(preparing, postgres_place.kind().site(preparing), table="ops.migrated")
    assert (facts["adopted"], facts["adopted_from"]) == (["1_more.sql"], "dbmate (ops.migrated)")


@pytest.mark.anyio
async def test_what_cannot_be_adopted_is_told(postgres_place, preparing, write):
    write({"1_a.sql": "SELECT 1;"})
    site = postgres_place.kind().site(preparing)
    assert (
        "no table of its usual name with the columns of goose"
        in (await refusal(adopt(preparing, site, "goose"))).summary
    )
    applied_by_goose(postgres_place, 7)
    assert "none of them is one of these files" in (await refusal(adopt(preparing, site))).summary
    applied_by_dbmate(postgres_place, 1)
    assert (
        "dbmate (public.schema_migrations) and goose (public.goose_db_version)"
        in (await refusal(adopt(preparing, site))).summary
    )
    assert (await adopt(preparing, site, "dbmate"))["adopted"] == ["1_a.sql"]


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKES)
async def test_a_baseline_declares_files_applied(make, place_of, preparing, write):
    place = place_of(make)
    write({f"{number:03}_a.sql": f"SELECT {number};" for number in (1, 2, 3)})
    site = place.kind().site(preparing)
    for _ in range(2):
        facts = await baseline(preparing, site, "002")
        assert counted(facts)["already"] == 2
    assert counted(await place.kind().prepare(preparing)) == {"applied": 1, "already": 2, "pending": 0, "adopted": 0}
    assert "has 3 rows already" in (await refusal(baseline(preparing, site, "1"))).summary


@pytest.mark.anyio
async def test_a_baseline_takes_all_files_or_those_up_to_a_known_version(postgres_place, preparing, write):
    write(files(1, 2))
    site = postgres_place.kind().site(preparing)
    assert (await refusal(baseline(preparing, site, "9"))).code.code == "MIG020"
    assert (await baseline(preparing, site))["adopted"] == ["1_more.sql", "2_more.sql"]
    assert postgres_place.sql("SELECT state, content_sha256 <> '' FROM startupctl_migrations") == [
        ("adopted", True),
        ("adopted", True),
    ]
    write({"1_more.sql": files(1)["1_more.sql"].replace("id int", "id bigint")})
    assert (await refusal(postgres_place.kind().check(preparing))).code.code == "MIG005"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", [Mode.PREPARE, Mode.DRY_RUN])
@pytest.mark.parametrize("to", [None, "1", "0"])
async def test_a_baseline_does_not_take_what_a_tool_left_half_applied(to, mode, postgres_place, preparing, write):
    write({f"{number}_a.up.sql": f"SELECT {number};" for number in (1, 2)})
    postgres_place.sql(_TABLES["golang-migrate"])
    postgres_place.sql("INSERT INTO schema_migrations VALUES (2, true)")
    run = replace(preparing, mode=mode)
    found = await refusal(baseline(run, postgres_place.kind().site(run), to))
    assert (found.code.code, "`2_a.up.sql`" in found.summary) == ("MIG009", True)
    assert mode is Mode.DRY_RUN or postgres_place.sql(LEDGER) == []
    postgres_place.sql("UPDATE schema_migrations SET dirty = false")
    assert (await baseline(run, postgres_place.kind().site(run))).keys() & {"adopted", "would_adopt"}


@pytest.mark.anyio
async def test_a_baseline_beside_a_half_applied_version_of_another_service_is_made(postgres_place, preparing, write):
    write({"1_a.sql": "SELECT 1;"})
    postgres_place.sql(_TABLES["golang-migrate"])
    postgres_place.sql("INSERT INTO schema_migrations VALUES (7, true)")
    site = postgres_place.kind().site(preparing)
    assert (await baseline(preparing, site))["adopted"] == ["1_a.sql"]
    assert counted(await postgres_place.kind().check(preparing))["already"] == 1


@pytest.mark.anyio
async def test_a_baseline_beyond_what_the_tool_applied_is_no_rollback(postgres_place, preparing, write):
    write(files(1, 2, 3))
    applied_by_dbmate(postgres_place, 1, 2)
    kind = postgres_place.kind()
    await baseline(preparing, kind.site(preparing))
    assert counted(await kind.check(preparing))["already"] == 3
    assert [state for _, state in postgres_place.sql(LEDGER)] == ["adopted", "adopted", "done"]
