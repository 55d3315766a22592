import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration_files import assert_keeps_lines, directory_of, refused
from startupctl.migrations.files import read_directory


def test_a_pair_is_one_migration_and_the_way_back_may_be_missing(write):
    folder = write({"2_b.up.sql": "B", "0010_c.up.sql": "C", "001_a.up.sql": "A", "001_a.down.sql": "-A"})
    found = read_directory(folder, "auto").migrations
    assert [(one.version, one.name, one.up.text, one.down and one.down.text) for one in found] == [
        ("1", "001_a.up.sql", "A", "-A"),
        ("2", "2_b.up.sql", "B", None),
        ("10", "0010_c.up.sql", "C", None),
    ]
    assert found[0].down.path.name == "001_a.down.sql"


def test_the_number_alone_makes_a_pair_and_any_ending_will_do(write):
    [found] = read_directory(write({"1_a.up.pgsql": "A", "1_b.down.SQL": "-A"}), "golang-migrate").migrations
    assert (found.up.text, found.down.text) == ("A", "-A")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"1_a.up.sql": "", "2_b.down.sql": ""}, "2_b.down.sql: has no file for the way up"),
        ({"1_a.up.sql": "", "01_b.up.sql": ""}, "1_a.up.sql: has version 1, as `01_b.up.sql` has"),
        ({"1_a.up.sql": "", "1_a.up.sql.orig": ""}, "1_a.up.sql.orig: has version 1, as `1_a.up.sql` has"),
        ({"1_a.up.sql": "", "2_b.sql": ""}, "2_b.sql: is no name of a migration"),
        ({"1_a.up.sql": "", "b.up.sql": ""}, "b.up.sql: is no name of a migration"),
        ({"1_a.up.sql": "SELECT '\0';"}, "1_a.up.sql:1:1: holds a NUL character"),
        ({"1_a.up.sql": "", "1_a.down.sql": "A;\n-- +goose Down"}, "1_a.down.sql:2:1: `-- +goose Down` marks the file"),
    ],
)
def test_what_cannot_be_read_is_told_by_file_and_line(write, files, problem):
    assert problem in refused(write(files))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_text_is_the_file(text):
    with directory_of({"1_a.up.sql": text, "1_a.down.sql": text}) as folder:
        [found] = read_directory(folder, "auto").migrations
        assert_keeps_lines(found)
        assert found.up.text == found.down.text == text.removeprefix("\ufeff")
