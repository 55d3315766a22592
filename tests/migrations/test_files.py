import os

import pytest

from startupctl.check import Unhealthy
from startupctl.migrations.files import read_directory
from startupctl.migrations.formats import format_name, format_names
from startupctl.migrations.lexer_postgres import POSTGRES

UP = "-- migrate:up\nSELECT 1;\n\n-- migrate:down\nSELECT 2;\n"


def refused(folder, wanted="auto"):
    with pytest.raises(Unhealthy) as caught:
        read_directory(folder, wanted)
    assert caught.value.diagnosis.code.code == "MIG008"
    return caught.value.diagnosis.summary.replace(f"{folder}/", "")


def test_every_format_is_found_by_its_name():
    assert {"dbmate", "plain"} <= set(format_names())


def test_a_pipe_and_a_folder_are_refused_and_never_waited_for(write):
    folder = write({"1.sql": "SELECT 1;"})
    os.mkfifo(folder / "2.sql")
    (folder / "3.sql").mkdir()
    found = refused(folder)
    assert "2.sql: cannot be read: `2.sql` is not a regular file" in found
    assert "3.sql: cannot be read: `3.sql` is not a regular file" in found


def test_numbered_files_are_applied_by_their_numbers(write):
    folder = write(
        {"10_c.sql": "SELECT 3;", "2_b.sql": "SELECT 2;", "001.sql": "SELECT 1;", "README.md": "", ".hidden.sql": ""}
    )
    found = read_directory(folder, "auto")
    assert format_name(found.format) == "plain"
    assert [(one.version, one.name) for one in found.migrations] == [
        ("1", "001.sql"),
        ("2", "2_b.sql"),
        ("10", "10_c.sql"),
    ]


def test_markers_make_it_dbmate(write):
    found = read_directory(write({"20260101_a.sql": UP, "001_b.sql": UP}), "auto")
    assert format_name(found.format) == "dbmate"
    assert [one.version for one in found.migrations] == ["001", "20260101"]
    assert found.migrations[0].up.text == "-- migrate:up\nSELECT 1;\n"


def test_lines_are_those_of_the_file_in_several_blocks(write):
    text = "-- head\n\n-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n-- migrate:up transaction:false\nSELECT 3;\n-- migrate:down\n"
    [found] = read_directory(write({"1.sql": text}), "auto").migrations
    assert [number for number, line in enumerate(found.up.text.split("\n"), 1) if line.startswith("SELECT")] == [4, 8]
    assert found.up.transaction is False


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


def test_a_numbered_file_may_ask_to_run_outside_of_a_transaction(write):
    files = {"1.sql": "-- transaction:false\nVACUUM;", "2.sql": "-- no transaction:false here\nSELECT 1;"}
    assert [one.up.transaction for one in read_directory(write(files), "auto").migrations] == [False, True]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"1_a.sql": "SELECT 1;", "users.sql": ""}, "users.sql: is no name of a numbered migration"),
        ({"1_a.sql": "SELECT 1;", "01_b.sql": ""}, "1_a.sql: has version 1, as `01_b.sql` has"),
        ({"1_a.sql": "SELECT 1;", "1_b.down.sql": ""}, "1_b.down.sql: has no file for the way up"),
        (
            {"1_a.sql": "SELECT 1;\n-- + goose Down\nDROP TABLE a;"},
            "1_a.sql:2:1: `-- + goose Down` marks the file of another tool",
        ),
        ({"1_a.sql": UP, "2_b.sql": "SELECT 1;"}, "2_b.sql: has no `-- migrate:up`"),
        ({"1_a.sql": UP, "2_b.sql": "-- migrate:up\nSELECT 1;"}, "2_b.sql: has no `-- migrate:down`"),
        (
            {"1_a.sql": UP, "2_b.sql": "\n-- migrate: up\nSELECT 1;"},
            "2_b.sql:2:1: `-- migrate: up` is a half-written marker",
        ),
        ({"1_a.sql": UP, "2_b.sql": "-- migrate:down\n-- migrate:up\n"}, "2_b.sql:1:1: begins with `-- migrate:down`"),
        (
            {"1_a.sql": UP, "2_b.sql": "-- a\n\nSELECT 0;\n" + UP},
            "2_b.sql:3:1: holds a statement before `-- migrate:up`",
        ),
        ({"1_a.sql": UP, "users.sql": UP}, "users.sql: is no name of a migration"),
        ({"1_a.sql": UP, "1_b.sql": UP}, "1_b.sql: has version 1, as `1_a.sql` has"),
        ({"1_a.sql": "SELECT 1;\nSELECT '\0';"}, "1_a.sql:2:1: holds a NUL character"),
        ({}, "holds no migration"),
    ],
)
def test_what_cannot_be_read_is_told_by_file_and_line(write, files, problem):
    assert problem in refused(write(files))


def test_prose_about_migrating_is_no_marker(write):
    read_directory(
        write({"1_a.sql": "-- migrate the users: they move\n" + UP + "-- migrate: the users move\n"}), "dbmate"
    )


def test_another_encoding_is_told_with_its_line(write):
    folder = write({})
    (folder / "1_a.sql").write_bytes("SELECT 1;\nSELECT 'ä';".encode("latin-1"))
    assert refused(folder) == "1_a.sql:2:1: is not UTF-8 text, save it as UTF-8"


def test_a_missing_directory_is_told(tmp_path):
    assert refused(tmp_path / "nowhere").endswith("cannot be read: No such file or directory, correct `migrations.dir`")


def test_many_problems_are_counted(write):
    folder = write({f"{name}.sql": "" for name in "abcdef"} | {"1.sql": ""})
    assert refused(folder).endswith("; and 3 more")


def test_a_byte_order_mark_is_no_part_of_the_text(write):
    folder = write({})
    (folder / "1_a.sql").write_bytes(b"\xef\xbb\xbfSELECT 1;")
    [found] = read_directory(folder, "auto").migrations
    assert found.up.text == "SELECT 1;"


def test_two_layouts_have_one_content_hash_and_two_file_hashes(write):
    folder = write({"1_a.sql": "SELECT 1;", "2_b.sql": "-- one\nSELECT\n  1 ;\n"})
    one, other = read_directory(folder, "auto").migrations
    assert one.content_hash(POSTGRES) == other.content_hash(POSTGRES)
    assert one.raw != other.raw
