import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration_files import UP, assert_keeps_lines, directory_of, refused
from startupctl.migrations.files import read_directory

LINES = st.sampled_from(
    ["-- migrate:up", "-- migrate:down", "--migrate:up transaction:false", "SELECT 1;", "", "-- a", "SELECT\r"]
)


def test_versions_are_the_digits_as_text_and_files_are_sorted_by_name(write):
    found = read_directory(write({"20260101_a.sql": UP, "001_b.sql": UP}), "auto")
    assert [one.version for one in found.migrations] == ["001", "20260101"]


def test_each_direction_is_a_script_with_the_lines_of_the_file(write):
    [found] = read_directory(write({"1.sql": UP}), "auto").migrations
    assert found.up.text == "-- migrate:up\nSELECT 1;\n"
    assert found.down.text == "\n\n\n-- migrate:down\nSELECT 2;\n"


def test_lines_are_those_of_the_file_in_several_blocks(write):
    text = "-- head\n\n-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n-- migrate:up transaction:false\nSELECT 3;\n-- migrate:down\n"
    [found] = read_directory(write({"1.sql": text}), "auto").migrations
    assert [number for number, line in enumerate(found.up.text.split("\n"), 1) if line.startswith("SELECT")] == [4, 8]
    assert found.up.transaction is False


@given(st.lists(LINES, max_size=12))
def test_scripts_keep_the_lines_whatever_the_blocks_are(lines):
    text = "\n".join(["-- migrate:up", *lines, "-- migrate:down", ""])
    with directory_of({"1.sql": text}) as folder:
        [found] = read_directory(folder, "dbmate").migrations
        assert_keeps_lines(found)
        both = [one or other for one, other in zip(*_padded(found), strict=True)]
        assert both == text.rstrip("\n").split("\n")


def _padded(found):
    up, down = found.up.text.rstrip("\n").split("\n"), found.down.text.rstrip("\n").split("\n")
    length = max(len(up), len(down))
    return up + [""] * (length - len(up)), down + [""] * (length - len(down))


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("-- migrate:up transaction:false\nX\n-- migrate:down\n", True),
        ("--migrate:up   transaction:false  \r\nX\r\n-- migrate:down\r\n", True),
        ("-- migrate:up transaction:true\nX\n-- migrate:down\n", False),
        ("-- migrate:up\nX\n-- migrate:down transaction:false\n", False),
    ],
)
def test_the_options_of_a_marker_decide_about_the_transaction(write, text, outside):
    [found] = read_directory(write({"1.sql": text}), "dbmate").migrations
    assert found.up.transaction is not outside


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"1_a.sql": UP, "2_b.sql": "SELECT 1;"}, "2_b.sql: has no `-- migrate:up`"),
        ({"1_a.sql": UP, "2_b.sql": "-- migrate:up\nSELECT 1;"}, "2_b.sql: has no `-- migrate:down`"),
        (
            {"1_a.sql": UP, "2_b.sql": "\n-- migrate: up\nSELECT 1;"},
            "2_b.sql:2:1: `-- migrate: up` is a half-written marker",
        ),
        ({"1_a.sql": UP, "2_b.sql": UP + "-- migrate :up\n"}, "2_b.sql:6:1: `-- migrate :up` is a half-written marker"),
        ({"1_a.sql": UP, "2_b.sql": "-- migrate:down\n-- migrate:up\n"}, "2_b.sql:1:1: begins with `-- migrate:down`"),
        (
            {"1_a.sql": UP, "2_b.sql": "-- a\n\nSELECT 0;\n" + UP},
            "2_b.sql:3:1: holds a statement before `-- migrate:up`",
        ),
        ({"1_a.sql": UP, "users.sql": UP}, "users.sql: is no name of a migration"),
        ({"1_a.sql": UP, "1_b.sql": UP}, "1_b.sql: has version 1, as `1_a.sql` has"),
    ],
)
def test_what_cannot_be_read_is_told_by_file_and_line(write, files, problem):
    assert problem in refused(write(files))


def test_prose_about_migrating_is_no_marker(write):
    read_directory(
        write({"1_a.sql": "-- migrate the users: they move\n" + UP + "-- migrate: the users move\n"}), "dbmate"
    )
