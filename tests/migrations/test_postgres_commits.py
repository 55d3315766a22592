"""What of a run waits for the disk: its last commit, for all before it, and whatever cannot be taken back."""

import pytest

SEEN = "INSERT INTO seen SELECT {0}, current_setting('synchronous_commit');"
FILES = {
    "1_seen.sql": "CREATE TABLE seen (number int, waits text);" + SEEN.format(1),
    "2_steps.sql": "-- transaction:false\n" + SEEN.format(2),
    "3_whole.sql": SEEN.format(3),
    "4_last.sql": SEEN.format(4),
}


@pytest.mark.anyio
async def test_only_a_commit_that_others_follow_does_not_wait_for_the_disk(
    postgres, on_postgres, preparing, write, fresh_database
):
    write(FILES)
    await on_postgres(fresh_database).carry_out(preparing)
    found = dict(postgres.sql("SELECT number, waits FROM seen", fresh_database))
    assert found == {1: "off", 2: "on", 3: "off", 4: "on"}


@pytest.mark.anyio
async def test_what_comes_alone_waits_for_the_disk(postgres, on_postgres, preparing, write, fresh_database):
    write({name: FILES[name] for name in ("1_seen.sql",)})
    await on_postgres(fresh_database).carry_out(preparing)
    assert postgres.sql("SELECT waits FROM seen", fresh_database) == [("on",)]
