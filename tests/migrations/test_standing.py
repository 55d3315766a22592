import pytest

from startupctl.check import Unhealthy
from startupctl.migrations.files import read_directory
from startupctl.migrations.keys import OutOfOrder
from startupctl.migrations.ledger import Entry, State
from startupctl.migrations.past import Adoption
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.standing import compare, require_fit, require_none_pending, require_way, warn_of_others


def up(text):
    return f"-- migrate:up\n{text}\n-- migrate:down\n"


@pytest.fixture
def directory(write):
    return read_directory(
        write({f"{number}_{name}.sql": f"SELECT {number};" for number, name in enumerate("abc", 1)}), "auto"
    )


def entries(directory, versions="123", state=State.DONE, **changes):
    return [
        Entry(
            **{
                "version": one.version,
                "name": one.name,
                "format": one.format,
                "raw": one.raw,
                "content_hash": one.content_hash(POSTGRES),
                "state": state,
                "finished_at": "2026-01-31",
                **changes,
            }
        )
        for one in directory.migrations
        if one.version in versions
    ]


def code_of(standing, policy=OutOfOrder.AUTO):
    try:
        require_fit(standing, policy)
    except Unhealthy as unhealthy:
        return unhealthy.diagnosis.code.code
    return None


@pytest.mark.parametrize(
    ("versions", "already", "pending", "version"), [("", 0, 3, ""), ("1", 1, 2, "1"), ("123", 3, 0, "3")]
)
def test_what_has_no_row_is_pending(directory, versions, already, pending, version):
    standing = compare(directory, entries(directory, versions), POSTGRES)
    assert (len(standing.applied), len(standing.pending)) == (already, pending)
    assert code_of(standing) is None
    assert standing.facts()["schema_version"] == version


def test_adopted_rows_count_as_applied(directory):
    assert not compare(directory, entries(directory, state=State.ADOPTED), POSTGRES).pending


@pytest.mark.parametrize("state", [State.RUNNING, State.FAILED])
def test_a_row_that_is_not_done_leaves_its_file_pending(directory, state):
    standing = compare(directory, entries(directory, "1", state=state), POSTGRES)
    assert [one.version for one in standing.pending] == ["1", "2", "3"]
    assert [entry.state for _, entry in standing.begun] == [state]


def test_another_content_is_drift(directory):
    rows = entries(directory, "1", raw="0", content_hash="0")
    standing = compare(directory, rows, POSTGRES)
    assert code_of(standing) == "MIG005"


def test_the_same_content_in_another_layout_is_a_note(directory, run, services):
    standing = compare(directory, entries(directory, "1", raw="0"), POSTGRES)
    assert code_of(standing) is None
    warn_of_others(standing, run)
    assert services.warnings == [("MIG011", {"count": 1, "file": "1_a.sql"})]


def test_another_name_for_a_version_is_a_conflict(directory):
    assert code_of(compare(directory, entries(directory, "1", name="1_other.sql"), POSTGRES)) == "MIG007"


def test_rows_without_files_are_a_warning(directory, run, services):
    later = Entry("9", "9_later.sql", "plain", "", "", State.DONE)
    standing = compare(directory, [*entries(directory), later], POSTGRES)
    assert code_of(standing) is None
    warn_of_others(standing, run)
    assert [(code, facts["last"]) for code, facts in services.warnings] == [("MIG004", "9_later.sql")]
    assert standing.facts()["schema_version"] == "9"


@pytest.mark.parametrize(
    ("policy", "expected"), [(OutOfOrder.AUTO, "MIG006"), (OutOfOrder.ERROR, "MIG006"), (OutOfOrder.APPLY, None)]
)
def test_a_file_older_than_an_applied_one_is_a_matter_of_policy(directory, policy, expected):
    standing = compare(directory, entries(directory, "13"), POSTGRES)
    assert [one.version for one in standing.late] == ["2"]
    assert code_of(standing, policy) == expected


@pytest.mark.parametrize(("policy", "expected"), [(OutOfOrder.AUTO, None), (OutOfOrder.ERROR, "MIG006")])
def test_dbmate_applies_older_files_by_itself(write, policy, expected):
    directory = read_directory(write({"1_a.sql": up("A"), "2_b.sql": up("B")}), "auto")
    standing = compare(directory, entries(directory, "2"), POSTGRES)
    assert code_of(standing, policy) == expected


def test_pending_files_are_told_with_the_first(directory):
    with pytest.raises(Unhealthy) as caught:
        require_none_pending(compare(directory, entries(directory, "1"), POSTGRES))
    assert caught.value.diagnosis.code.code == "MIG001"
    assert "2 of 3 migrations" in caught.value.diagnosis.summary
    assert "`2_b.sql`" in caught.value.diagnosis.summary
    assert caught.value.facts["migrations"] == {"applied": [], "already": 1, "pending": 2, "adopted": 0}


def test_what_is_taken_over_is_counted_with_its_source(directory):
    rows = entries(directory, "12", state=State.ADOPTED, raw="", content_hash="")
    adoption = Adoption(tuple(rows), "goose (public.goose_db_version)", unverified=1)
    facts = compare(directory, rows, POSTGRES, adoption).facts()
    assert facts["migrations"] == {"applied": [], "already": 2, "pending": 1, "adopted": 2}
    assert (facts["adopted_from"], facts["unverified"]) == ("goose (public.goose_db_version)", 1)
    nothing = compare(directory, rows, POSTGRES, Adoption((), "goose (public.goose_db_version)")).facts()
    assert (nothing["migrations"]["adopted"], "adopted_from" in nothing) == (0, False)


def test_a_repeatable_file_is_pending_when_it_changed_and_never_late(write):
    directory = read_directory(
        write({"V1__a.sql": "SELECT 1;", "V2__b.sql": "SELECT 2;", "R__c.sql": "SELECT 3;"}), "auto"
    )
    rows = entries(directory, {"2", "R__c"}) + entries(directory, {"R__c"}, raw="0", content_hash="0")
    standing = compare(directory, rows, POSTGRES)
    assert [one.version for one in standing.pending] == ["1", "R__c"]
    assert [one.version for one in standing.late] == ["1"]
    assert [one.version for one, _ in standing.outdated] == ["R__c"]
    assert standing.drifted == ()


def test_what_only_another_tool_can_apply_is_an_obstacle(write):
    directory = read_directory(
        write({"1_a.sql": "-- +goose Up\nSELECT 1;", "2_b.go": "package m", "3_c.go": ""}), "auto"
    )
    standing = compare(directory, entries(directory, "1"), POSTGRES)
    assert standing.obstacle.name == "2_b.go"
    with pytest.raises(Unhealthy) as caught:
        require_way(standing)
    assert (caught.value.diagnosis.code.code, caught.value.facts["migrations"]["pending"]) == ("MIG008", 2)
