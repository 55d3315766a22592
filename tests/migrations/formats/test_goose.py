import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration_files import GOOSE, assert_keeps_lines, directory_of, refused
from startupctl.check import Unhealthy
from startupctl.migrations.files import read_directory
from startupctl.migrations.postgres.lexer import POSTGRES

FUNCTION = """\
-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION one() RETURNS int AS $$
BEGIN
  RETURN 1;
END;
$$ LANGUAGE plpgsql
-- +goose StatementEnd
CREATE TABLE a (
  id int -- ends here; or not
); -- here
-- +goose Down
DROP FUNCTION one();
"""
LINES = st.sampled_from(
    [
        "-- +goose Down",
        "-- +goose StatementBegin",
        "--+goose statementend",
        "-- +goose ENVSUB ON",
        "-- +goose NO TRANSACTION",
        "-- a",
        "  -- a",
        "",
        "  ",
        "SELECT",
        "1;",
        "SELECT $HOME;\r",
        "SELECT ';' -- b;",
        "SELECT 1; SELECT 2;",
    ]
)


def only(folder):
    [found] = read_directory(folder, "goose").migrations
    return found


def texts(script):
    return [part.text for part in script.parts]


def test_a_statement_ends_with_a_line_that_ends_with_a_semicolon(write):
    text = "-- +goose Up\n-- a\nSELECT 1; SELECT 2;\n\nSELECT\n  -- b;\n  3; -- c\n\n-- +goose Down\nSELECT 4;\n"
    found = only(write({"1_a.sql": text}))
    assert texts(found.up) == ["SELECT 1; SELECT 2;", "SELECT\n  -- b;\n  3; -- c"]
    assert texts(found.down) == ["SELECT 4;"]
    assert_keeps_lines(found)


def test_a_marked_statement_is_one_and_needs_no_semicolon(write):
    found = only(write({"1_a.sql": FUNCTION}))
    function, table = found.up.parts
    assert function.text.startswith("CREATE FUNCTION")
    assert function.text.endswith("plpgsql")
    assert table.text == "CREATE TABLE a (\n  id int -- ends here; or not\n); -- here"
    assert found.up.text.count("\n", 0, table.start) + 1 == 9
    assert_keeps_lines(found)


def test_versions_are_numbers_and_late_files_are_no_habit(write):
    found = read_directory(write({"00010_b.sql": GOOSE, "9_a.sql": GOOSE}), "auto")
    assert [one.version for one in found.migrations] == ["9", "10"]
    assert not found.format.APPLIES_LATE


def test_a_file_without_a_way_back_has_none(write):
    assert only(write({"1_a.sql": "-- +goose Up\nSELECT 1;\n"})).down is None
    assert texts(only(write({"1_a.sql": "-- +goose Up\n-- +goose Down\n"})).down) == []


@pytest.mark.parametrize(
    "text",
    [
        "-- +goose NO TRANSACTION\n" + GOOSE,
        GOOSE + "-- +goose no transaction\n",
        "--   +goose NO TRANSACTION\n" + GOOSE,
    ],
)
def test_no_transaction_is_for_the_whole_file(write, text):
    found = only(write({"1_a.sql": text}))
    assert (found.up.transaction, found.down.transaction) == (False, False)


@pytest.mark.parametrize("up", ["-- +goose Up", "--+goose up", "-- +goose UP", "-- +goose Up --"])
def test_directives_are_read_as_goose_reads_them(write, up):
    assert texts(only(write({"1_a.sql": f"{up}\nSELECT 1;\n"})).up) == ["SELECT 1;"]


def test_goose_sends_lines_without_carriage_returns(write):
    found = only(write({"1_a.sql": GOOSE.replace("SELECT 1;", "SELECT 'a\nb';").replace("\n", "\r\n")}))
    assert texts(found.up) == ["SELECT 'a\nb';"]


def test_variables_are_put_in_where_the_file_asks_for_it(write, monkeypatch):
    monkeypatch.setenv("SCHEMA", "app")
    text = "-- +goose Up\nSELECT '$SCHEMA';\n-- +goose ENVSUB ON\nSELECT '$SCHEMA';\n-- +goose ENVSUB OFF\nSELECT '${SCHEMA}';\n"
    found = only(write({"1_a.sql": text}))
    assert texts(found.up) == ["SELECT '$SCHEMA';", "SELECT 'app';", "SELECT '${SCHEMA}';"]
    assert "SELECT '$SCHEMA';\n\nSELECT '${SCHEMA}';" in found.up.written
    assert_keeps_lines(found)


def test_what_was_written_decides_about_drift_not_what_was_put_in(write, monkeypatch):
    folder = write({"1_a.sql": "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '$SCHEMA';\n"})
    hashes = set()
    for schema in ("app", "web"):
        monkeypatch.setenv("SCHEMA", schema)
        hashes.add(only(folder).content_hash(POSTGRES))
    assert len(hashes) == 1


def test_a_missing_variable_is_an_obstacle_for_what_is_pending_only(write, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    folder = write({"1_a.sql": "-- +goose ENVSUB ON\n-- +goose Up\nSELECT '${NOWHERE?ask the operators}';\n"})
    found = only(folder)
    assert found.obstacle == "line 3 cannot be filled: `NOWHERE` is not set: ask the operators"
    assert found.cure == "set the variable for startupctl, or correct the line"


def test_a_program_is_a_migration_that_only_goose_applies(write):
    files = {"1_a.sql": GOOSE, "2_b.go": "package a", "3_b_test.go": "", "helpers.go": "", "00_x.go": ""}
    one, program = read_directory(write(files), "auto").migrations
    assert one.obstacle == ""
    assert (program.version, program.name, program.up.parts) == ("2", "2_b.go", ())
    assert program.obstacle == "it is written in Go; only the program it is built into can apply it, with goose"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT 1;\n", "1_b.sql:1:1: holds a statement before `-- +goose Up`"),
        ("-- a\n", "1_b.sql: has no `-- +goose Up`"),
        ("-- +goose Up\nSELECT 1\n", "1_b.sql:2:1: holds a statement that does not end: missing semicolon?"),
        ("-- +goose Up\n\nSELECT 1\n-- +goose Down\n", "1_b.sql:3:1: holds a statement that does not end"),
        ("-- +goose Up\nSELECT 1 --;\n", "1_b.sql:2:1: holds a statement that does not end"),
        ("-- +goose Up\n-- +goose Upp\n", "1_b.sql:2:1: `-- +goose Upp` is no directive of goose"),
        ("-- +goose Up\nA;\n  -- +goose Down\n", "1_b.sql:3:1: `-- +goose Down` is no directive of goose"),
        ("-- +goose Up\n-- see +goose below\n", "1_b.sql:2:1: `-- see +goose below` is no directive of goose"),
        ("-- +goose Up\nA;\n-- + goose Down\nB;\n", "1_b.sql:3:1: `-- + goose Down` is a half-written directive"),
        ("--+ goose Up\nA;\n", "1_b.sql:1:1: `--+ goose Up` is a half-written directive"),
        ("-- +goose Up\nA;\n-- goose down\nB;\n", "1_b.sql:3:1: `-- goose down` is a half-written directive"),
        ("-- +goose Down\nA;\n", "1_b.sql:1:1: has a `-- +goose Down` before the `Up`"),
        ("-- +goose Up\n-- +goose Up\n", "1_b.sql:2:1: has a `-- +goose Up` that is one too many"),
        (GOOSE + "-- +goose Down\n", "1_b.sql:5:1: has a `-- +goose Down` that is one too many"),
        ("-- +goose StatementBegin\n", "1_b.sql:1:1: `-- +goose StatementBegin` stands where no statement can begin"),
        ("-- +goose Up\n-- +goose StatementEnd\n", "1_b.sql:2:1: `-- +goose StatementEnd` ends nothing"),
        ("-- +goose Up\n-- +goose StatementBegin\nA\n", "1_b.sql:2:1: holds a `-- +goose StatementBegin` without"),
        (
            "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\nA;\n",
            "1_b.sql:4:1: holds a line that goose loses",
        ),
    ],
)
def test_what_goose_cannot_read_is_told_by_file_and_line(write, text, problem):
    assert problem in refused(write({"1_b.sql": text}), "goose")


@pytest.mark.parametrize("name", ["users.sql", "1.sql", "0_a.sql", "1-a.sql", "2_b.SQL"])
def test_a_name_that_goose_cannot_read_is_told(write, name):
    assert f"{name}: is no name of a migration" in refused(write({"1_a.sql": GOOSE, name: GOOSE}))


def test_the_same_number_of_a_file_and_a_program_is_told(write):
    assert "has version 1, as `" in refused(write({"1_a.sql": GOOSE, "01_b.go": ""}))


def test_the_last_statement_of_the_way_back_may_lack_its_semicolon(write):
    found = only(write({"1_a.sql": "-- +goose Up\nA;\n-- +goose Down\nB;\nDROP TABLE a\n"}))
    assert texts(found.down) == ["B;", "DROP TABLE a"]


@given(st.lists(LINES, max_size=14))
def test_parts_stand_in_the_file_whatever_it_holds(lines):
    with directory_of({"1_a.sql": "\n".join(["-- +goose Up", *lines])}) as folder:
        try:
            found = only(folder)
        except Unhealthy:
            return
        assert_keeps_lines(found)
        left = found.up.text
        for part in reversed(found.up.parts):
            left = left[: part.start] + left[part.start + len(part.text) :]
        assert left.strip() == ""
