import hashlib
import itertools

import pytest

from startupctl.check import Unhealthy

ON_POSTGRES = (
    'CREATE TABLE "_prisma_migrations" (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, '
    "finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, "
    "started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)"
)
ON_SQLITE = (
    'CREATE TABLE "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, '
    '"finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT, "rolled_back_at" DATETIME, '
    '"started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0)'
)
NAMES = ("20260101000000_init", "20260102000000_plans", "20260103000000_rows")
_ids = itertools.count(1)


def text_of(name):
    return f"-- {name}\nSELECT 1;\n"


def files(*names):
    return {f"{name}/migration.sql": text_of(name) for name in names}


def row(place, name, *, finished="'2026-02-01 10:00:00+00'", rolled_back="NULL", checksum=None):
    digest = hashlib.sha256(text_of(name).encode()).hexdigest() if checksum is None else checksum
    place.sql(
        'INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, rolled_back_at) '
        f"VALUES ('{next(_ids)}', '{digest}', {finished}, '{name}', {rolled_back})"
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("make", "table", "finished"),
    [("postgres", ON_POSTGRES, "'2026-02-01 10:00:00+00'"), ("sqlite", ON_SQLITE, "1769940000000")],
)
async def test_its_rows_are_adopted_and_the_other_files_applied(
    make, table, finished, place_of, preparing, put, counts
):
    place = place_of(make)
    put(files(*NAMES))
    place.sql(table)
    row(place, NAMES[0], finished=finished)
    row(place, NAMES[1], finished=finished)
    assert counts(await place.kind().prepare(preparing)) == (2, [NAMES[2]])
    assert "2026-02-01 10:00:00" in str(place.sql("SELECT finished_at FROM startupctl_migrations ORDER BY 1")[0][0])


@pytest.mark.anyio
async def test_what_was_rolled_back_and_then_resolved_is_applied(postgres_place, preparing, put, counts):
    put(files(*NAMES))
    postgres_place.sql(ON_POSTGRES)
    row(postgres_place, NAMES[0])
    row(postgres_place, NAMES[1], finished="NULL", rolled_back="now()")
    row(postgres_place, NAMES[1])
    row(postgres_place, NAMES[2], rolled_back="now()")
    assert counts(await postgres_place.kind().prepare(preparing)) == (2, [NAMES[2]])


@pytest.mark.anyio
async def test_a_failed_migration_is_refused_with_both_ways_to_resolve_it(postgres_place, run, put):
    put(files(*NAMES))
    postgres_place.sql(ON_POSTGRES)
    row(postgres_place, NAMES[0])
    row(postgres_place, NAMES[1], finished="NULL")
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().check(run)
    found = caught.value.diagnosis
    assert (found.code.code, found.facts["file"]) == ("MIG009", NAMES[1])
    assert f"`prisma migrate resolve --applied {NAMES[1]}`" in found.hint
    assert f"`prisma migrate resolve --rolled-back {NAMES[1]}`" in found.hint


@pytest.mark.anyio
@pytest.mark.parametrize("variant", ["other line ends", "before 2021"])
async def test_checksums_that_prisma_takes_for_the_same(variant, postgres_place, run, put):
    put(files(NAMES[0]))
    postgres_place.sql(ON_POSTGRES)
    windows = hashlib.sha256(text_of(NAMES[0]).replace("\n", "\r\n").encode()).hexdigest()
    unpadded = "".join(f"{byte:x}" for byte in hashlib.sha256(text_of(NAMES[0]).encode()).digest())
    row(postgres_place, NAMES[0], checksum=windows if variant == "other line ends" else unpadded)
    assert (await postgres_place.kind().check(run))["migrations"]["adopted"] == 1


@pytest.mark.anyio
async def test_another_checksum_is_drift(postgres_place, run, put):
    put(files(*NAMES[:1]))
    postgres_place.sql(ON_POSTGRES)
    row(postgres_place, NAMES[0], checksum="0" * 64)
    with pytest.raises(Unhealthy) as caught:
        await postgres_place.kind().check(run)
    assert caught.value.diagnosis.code.code == "MIG005"
