import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration_files import assert_keeps_lines, directory_of, refused
from startupctl.migrations.files import read_directory


def test_numbered_files_are_applied_by_their_numbers(write):
    folder = write(
        {"10_c.sql": "SELECT 3;", "2_b.sql": "SELECT 2;", "001.sql": "SELECT 1;", "README.md": "", ".hidden.sql": ""}
    )
    found = read_directory(folder, "auto")
    assert [(one.version, one.name, one.down) for one in found.migrations] == [
        ("1", "001.sql", None),
        ("2", "2_b.sql", None),
        ("10", "10_c.sql", None),
    ]


def test_a_file_may_ask_to_run_outside_of_a_transaction(write):
    files = {"1.sql": "-- transaction:false\nVACUUM;", "2.sql": "-- no transaction:false here\nSELECT 1;"}
    assert [one.up.transaction for one in read_directory(write(files), "auto").migrations] == [False, True]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"1_a.sql": "SELECT 1;", "users.sql": ""}, "users.sql: is no name of a numbered migration"),
        ({"1_a.sql": "SELECT 1;", "2_b.SQL": ""}, "2_b.SQL: is no name of a numbered migration"),
        ({"1_a.sql": "SELECT 1;", "01_b.sql": ""}, "1_a.sql: has version 1, as `01_b.sql` has"),
        ({"1_a.sql": "SELECT 1;", "1_a.rollback.sql": ""}, "1_a.rollback.sql: is no name of a numbered migration"),
        ({"1_a.sql": "SELECT 1;\n-- migrate :up\n"}, "1_a.sql:2:1: `-- migrate :up` marks the file of another tool"),
        ({"1_a.sql": "-- atlas:txmode none\n\nSELECT 1;"}, "1_a.sql:1:1: `-- atlas:txmode none` marks the file"),
    ],
)
def test_what_cannot_be_read_is_told_by_file_and_line(write, files, problem):
    assert problem in refused(write(files))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_text_is_the_file(text):
    with directory_of({"1.sql": text}) as folder:
        [found] = read_directory(folder, "plain").migrations
        assert_keeps_lines(found)
        assert found.up.text == text.removeprefix("\ufeff")
