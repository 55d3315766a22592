"""`migrate down` on real databases: the newest first, all that are asked for or none."""

from __future__ import annotations

import pytest


def refusal(found):
    """Return the code and the words of a refusal."""
    diagnosis = found.json()["components"]["store"]["diagnosis"]
    return found.code, diagnosis["code"], diagnosis["summary"]


@pytest.fixture
def three(project):
    """Three migrations that are applied."""
    project.write(v1="a", v2="b", v3="c")
    assert project.migrate("up").code == 0
    return project


def test_the_newest_is_taken_back(three):
    found = three.migrate("down")
    assert found.code == 0, found.err
    assert found.out.splitlines()[0] == "reverted 3_it.sql"
    assert three.tables() == {"a", "b"}
    assert three.states() == {"1": "applied", "2": "applied", "3": "pending"}


@pytest.mark.parametrize(
    ("words", "left"),
    [(["--steps", "2"], {"a"}), (["--to", "1"], {"a"}), (["--to", "3"], {"a", "b", "c"}), (["--to", "0"], set())],
)
def test_how_many_can_be_said(three, words, left):
    found = three.migrate("down", *words, "-o", "json")
    assert found.code == 0, found.err
    reverted = found.json()["components"]["store"]["facts"]["migrations"]["reverted"]
    assert (len(reverted), reverted, three.tables()) == (3 - len(left), sorted(reverted, reverse=True), left)
    assert three.migrate("up").code == 0
    assert three.tables() == {"a", "b", "c"}


def test_more_steps_than_there_are_take_back_all_and_then_there_is_nothing_to_do(three):
    assert three.migrate("down", "--steps", "9").code == 0
    assert three.tables() == set()
    assert three.migrate("down").code == 0


def test_a_dry_run_changes_nothing(three):
    before = three.dump()
    found = three.migrate("down", "--to", "1", "--dry-run")
    assert found.code == 0, found.err
    assert found.out.splitlines()[:2] == ["would revert 3_it.sql", "would revert 2_it.sql"]
    assert three.dump() == before


@pytest.mark.parametrize(
    "down", ["-- migrate:down\n", "-- migrate:down\n-- nothing\n\n", "-- migrate:down\n;\n/* DROP TABLE d */\n"]
)
def test_one_without_a_way_down_lets_none_be_taken_back(three, down):
    three.write(v4=f"-- migrate:up\n{three.table('d')};\n{down}", v5="e")
    assert three.migrate("up").code == 0
    before = three.dump()
    code, number, said = refusal(three.migrate("down", "--steps", "2", "-o", "json"))
    assert (code, number) == (78, "MIG021")
    assert "`4_it.sql` cannot be taken back: it has no way down" in said
    assert three.dump() == before


def test_one_that_was_edited_is_not_taken_back(three):
    (three.folder / "db" / "3_it.sql").write_text(three.both("other"))
    code, number, said = refusal(three.migrate("down", "-o", "json"))
    assert (code, number, "its file is not the one that was applied" in said) == (78, "MIG021", True)
    assert three.tables() == {"a", "b", "c"}


def test_something_later_without_a_file_stands_in_the_way(three):
    (three.folder / "db" / "3_it.sql").unlink()
    code, number, said = refusal(three.migrate("down", "-o", "json"))
    assert (code, number, "`3_it.sql` was applied after it" in said) == (78, "MIG021", True)
    assert three.tables() == {"a", "b", "c"}


def test_something_half_applied_stands_in_the_way(three):
    three.set_row("2", state="running")
    code, number, said = refusal(three.migrate("down", "-o", "json"))
    assert (code, number, "it was begun and never finished" in said) == (78, "MIG021", True)


def test_what_fails_is_told_by_its_line_and_what_came_before_it_stays_done(three):
    three.write(v4=f"-- migrate:up\n{three.table('d')};\n-- migrate:down\nDROP TABLE nothing_here;\n", v5="e")
    assert three.migrate("up").code == 0
    found = three.migrate("down", "--steps", "2", "-o", "json")
    component = found.json()["components"]["store"]
    assert (component["diagnosis"]["code"], component["facts"]["migrations"]["reverted"]) == ("MIG002", ["5_it.sql"])
    assert "4_it.sql:4" in component["diagnosis"]["summary"]
    assert "migrate down" in component["diagnosis"]["hint"]
    assert "Taken back before it in this run: 5_it.sql" in component["diagnosis"]["cause"]
    assert three.states()["4"] in ("applied", "failed")
    (three.folder / "db" / "4_it.sql").write_text(
        f"-- migrate:up\n{three.table('d')};\n-- migrate:down\nDROP TABLE d;\n"
    )


def test_a_way_down_that_stopped_between_two_steps_goes_on(on_postgres):
    down = "-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY d_id;\nDROP TABLE {};\n"
    up = "-- migrate:up\nCREATE TABLE d (id int);\nCREATE INDEX d_id ON d (id);\n"
    on_postgres.write(v1="a", v2=up + down.format("nothing_here"))
    assert on_postgres.migrate("up").code == 0
    found = on_postgres.migrate("down", "-o", "json")
    assert (found.code, found.json()["components"]["store"]["diagnosis"]["code"]) == (78, "MIG002")
    assert on_postgres.states()["2"] == "failed"
    (on_postgres.folder / "db" / "2_it.sql").write_text(up + down.format("d"))
    assert on_postgres.migrate("down").code == 0
    assert (on_postgres.states(), on_postgres.tables()) == ({"1": "applied", "2": "pending"}, {"a"})


def test_several_at_once_take_back_the_same_one(three):
    racers = [three.cli.start("migrate", "down", "-o", "json") for _ in range(3)]
    ended = [racer.finish() for racer in racers]
    assert [one.code for one in ended] == [0] * 3, [one.err for one in ended]
    reverted = [one.json()["components"]["store"]["facts"]["migrations"]["reverted"] for one in ended]
    assert max(name for names in reverted for name in names) == "3_it.sql"
    assert three.tables() in ({"a", "b"}, {"a"}, set())  # one that looks when another is done takes the next one back


def test_init_db_at_the_same_time_waits_and_says_what_it_sees_at_the_end(three):
    racers = [three.cli.start(*words) for words in (["migrate", "down"], ["init-db"], ["migrate", "down"], ["init-db"])]
    ended = [racer.finish() for racer in racers]
    assert [one.code for one in ended[::2]] == [0, 0], [one.err + one.out for one in ended]
    for one in ended[1::2]:  # what another took back before it had verified is pending again
        assert one.code == 0 or (one.code, "MIG001" in one.out) == (3, True), one.err + one.out
    states = three.states()
    assert {"a", "b", "c"} >= three.tables()
    assert [version for version, state in states.items() if state == "applied"] == [
        {"a": "1", "b": "2", "c": "3"}[name] for name in sorted(three.tables())
    ]


def test_check_and_init_db_take_nothing_back(three):
    (three.folder / "db" / "3_it.sql").unlink()
    assert [three.cli("check").code, three.cli("init-db").code] == [0, 0]
    assert three.tables() == {"a", "b", "c"}


def test_steps_and_a_version_exclude_each_other(three):
    found = three.migrate("down", "--steps", "1", "--to", "1")
    assert (found.code, "`--steps` and `--to` exclude each other" in found.err) == (2, True)
    assert three.migrate("down", "--steps", "0").code == 2
