"""`migrate repair` on real databases: what does not fit is listed, and mended only in a way that fits it."""

from __future__ import annotations

import pytest


def listed(project):
    """Return the findings by version; there must be some."""
    found = project.migrate("repair", "-o", "json")
    assert found.code == 1, found.err
    return {one["version"]: one for one in found.json()["components"]["store"]["facts"]["findings"]}


def refusal(found):
    diagnosis = found.json()["components"]["store"]["diagnosis"]
    return found.code, diagnosis["code"], diagnosis["summary"]


@pytest.fixture
def two(project):
    """Two migrations that are applied."""
    project.write(v1="a", v2="b")
    assert project.migrate("up").code == 0
    return project


def test_nothing_to_repair_is_said_and_is_no_failure(two):
    found = two.migrate("repair")
    assert (found.code, found.out) == (0, "store: nothing to repair\n")


def test_an_edited_file_is_listed_and_accepted(two):
    (two.folder / "db" / "2_it.sql").write_text(two.both("changed"))
    before = two.dump()
    finding = listed(two)["2"]
    assert (finding["state"], finding["repairs"][0]) == ("drifted", "startupctl migrate repair 2 --accept")
    assert two.dump() == before
    found = two.migrate("repair", "2", "--accept")
    assert found.code == 0, found.err
    assert "2_it.sql: done, `2_it.sql`, content " in found.out
    assert " -> done" in found.out
    assert two.cli("check").code == 0
    assert two.states() == {"1": "applied", "2": "applied"}


def test_a_renamed_file_is_accepted_under_its_new_name(two):
    (two.folder / "db" / "2_it.sql").rename(two.folder / "db" / "2_new.sql")
    assert two.cli("check", "--fail-on", "HIGH").code == 78
    finding = listed(two)["2"]
    assert (finding["state"], "`2_new.sql` now" in finding["what"]) == ("renamed", True)
    assert two.migrate("repair", "2_new.sql", "--accept").code == 0
    assert two.cli("check").code == 0


@pytest.mark.parametrize("state", ["running", "failed"])
def test_half_applied_is_taken_as_applied(two, state):
    two.set_row("2", state=state, error="it broke", statements_sha256="x")
    finding = listed(two)["2"]
    assert (finding["state"], "it broke" in finding["what"]) == (state, True)
    assert two.migrate("repair", "2", "--accept").code == 0
    assert two.states() == {"1": "applied", "2": "applied"}
    assert two.cli("check").code == 0


def test_half_applied_is_pending_again(two):
    two.set_row("2", state="failed", statements_sha256="x")
    found = two.migrate("repair", "2", "--rerun")
    assert (found.code, "-> no row" in found.out) == (0, True)
    assert two.states() == {"1": "applied", "2": "pending"}


def test_the_row_of_a_file_that_is_gone_is_forgotten(two):
    (two.folder / "db" / "2_it.sql").unlink()
    assert listed(two)["2"]["repairs"] == ["startupctl migrate repair 2 --forget"]
    assert two.migrate("repair", "2", "--forget").code == 0
    assert two.states() == {"1": "applied"}


def test_a_person_reads_what_is_wrong_and_the_commands(two):
    (two.folder / "db" / "2_it.sql").write_text(two.both("changed"))
    found = two.migrate("repair")
    assert found.out.splitlines() == [
        "drifted 2_it.sql: its file was edited after it was applied",
        "  startupctl migrate repair 2 --accept",
        "  startupctl migrate repair 2 --rerun",
        "store: 1 migration to repair",
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["1", "--accept"], "MIG022", "nothing is wrong with it"),
        (["2", "--forget"], "MIG022", "which takes `--accept` or `--rerun`, not `--forget`"),
        (["7", "--accept"], "MIG020", "no migration in"),
    ],
)
def test_what_does_not_fit_the_case_is_refused_and_changes_nothing(two, words, code, said):
    (two.folder / "db" / "2_it.sql").write_text(two.both("changed"))
    before = two.dump()
    exit_code, number, summary = refusal(two.migrate("repair", *words, "-o", "json"))
    assert (exit_code, number) == (78, code)
    assert said in summary
    assert two.dump() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1"], "add --accept, --rerun or --forget"),
        (["--accept"], "name its version"),
        (["1", "--accept", "--rerun"], "exclude each other"),
    ],
)
def test_a_wish_that_is_not_whole_is_a_mistake(on_sqlite, words, said):
    found = on_sqlite.migrate("repair", *words)
    assert (found.code, said in found.err) == (2, True)


def test_the_commands_a_failure_names_are_those_that_mend_it(on_clickhouse):
    table = on_clickhouse.table("half")
    on_clickhouse.write(v1=f"-- migrate:up\n{table};\nINSERT INTO half SELECT throwIf(1);\n-- migrate:down\n")
    assert on_clickhouse.migrate("up").code == 78
    on_clickhouse.set_row("1", state="running", statements_sha256="x")
    diagnosis = on_clickhouse.migrate("up", "-o", "json").json()["components"]["store"]["diagnosis"]
    assert diagnosis["code"] == "MIG003"
    assert "`startupctl migrate repair 1 --rerun`" in diagnosis["hint"]
    assert on_clickhouse.migrate("repair", "1", "--accept").code == 0
    assert on_clickhouse.cli("check").code == 0
