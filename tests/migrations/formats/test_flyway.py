import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration_files import assert_keeps_lines, directory_of, refused
from startupctl.migrations.files import read_directory
from startupctl.migrations.formats.flyway import canonical


def read(folder, **placeholders):
    return read_directory(folder, "flyway", placeholders).migrations


def test_versions_are_compared_part_by_part_and_repeatable_files_come_last(write):
    names = [
        "V10__a.sql",
        "V2__b.sql",
        "V2_1__c.sql",
        "V2.0.9__d.sql",
        "R__z.sql",
        "R__aZ.sql",
        "R__a_b.sql",
        "V03.sql",
    ]
    found = read(write(dict.fromkeys(names, "SELECT 1;")))
    assert [(one.version, one.name) for one in found] == [
        ("2", "V2__b.sql"),
        ("2.0.9", "V2.0.9__d.sql"),
        ("2.1", "V2_1__c.sql"),
        ("3", "V03.sql"),
        ("10", "V10__a.sql"),
        ("R__a_b", "R__a_b.sql"),
        ("R__aZ", "R__aZ.sql"),
        ("R__z", "R__z.sql"),
    ]
    assert [one.repeatable for one in found] == [False] * 5 + [True] * 3


@pytest.mark.parametrize("same", [("1", "01", "1.0", "1_0", "1.0.0"), ("1.2", "1_2", "01.02", "1.2.0"), ("0", "0.0")])
def test_versions_that_flyway_takes_for_the_same_have_one_spelling(same):
    assert {canonical(version) for version in same} == {same[0]}


def test_folders_below_are_searched_and_no_part_of_a_name(write):
    found = read(write({"users/V1__a.sql": "A", "plans/deep/V2__b.sql": "B"}))
    assert [(one.name, one.up.text, one.path.parent.name) for one in found] == [
        ("V1__a.sql", "A", "users"),
        ("V2__b.sql", "B", "deep"),
    ]


def test_an_undo_file_is_the_way_back(write):
    found = read(write({"V1__a.sql": "A", "U1.0__x.sql": "-A", "V2__b.sql": "B"}))
    assert [one.down and one.down.text for one in found] == ["-A", None]


def test_the_file_beside_a_file_says_how_it_is_run(write):
    files = {
        "V1__a.sql": "SELECT '${x}';",
        "V1__a.sql.conf": "# a\n\nexecuteInTransaction=false\r\nplaceholderReplacement = FALSE\n",
        "V2__b.sql": "B",
        "V2__b.sql.conf": "shouldExecute=false",
        "V3__c.sql": "C",
        "V3__c.sql.conf": "executeInTransaction=true\nshouldExecute=true\nencoding=UTF-8",
    }
    found = read(write(files))
    assert [(one.name, one.up.text, one.up.transaction) for one in found] == [
        ("V1__a.sql", "SELECT '${x}';", False),
        ("V3__c.sql", "C", True),
    ]


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252", "UTF-16"])
def test_a_file_may_have_an_encoding_of_its_own(write, encoding):
    folder = write({"V1__a.sql.conf": f"encoding={encoding}\n"})
    (folder / "V1__a.sql").write_bytes("SELECT 'ä';".encode(encoding))
    assert read(folder)[0].up.text == "SELECT 'ä';"


def test_values_are_put_in_whatever_the_case_of_their_names(write):
    text = "CREATE TABLE ${Schema}.a (\n  -- ${schema}${none}\n  b text DEFAULT '${flyway:filename}' $${schema}\n);"
    [found] = read(write({"sub/V1__a.sql": text}), sCHEMA="app", none="")
    assert found.up.text == "CREATE TABLE app.a (\n  -- app\n  b text DEFAULT 'V1__a.sql' $app\n);"
    assert found.up.written == text


def test_other_values_are_another_content_of_a_repeatable_file_only(write):
    folder = write({"V1__a.sql": "${x}", "R__b.sql": "${x}", "R__c.sql": "C"})
    one, other = read(folder, x="1"), read(folder, x="2")
    assert [first.raw == second.raw for first, second in zip(one, other, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT 1;\n  '${Who}'", "V1__a.sql:2:4: `${Who}` has no value, give `Who` under `migrations.placeholders`"),
        ("${flyway:timestamp}", "V1__a.sql:1:1: `${flyway:timestamp}` has no value, which only Flyway knows"),
        ("-- ${who", "V1__a.sql:1:4: holds a `${` that no `}` closes"),
        ("SELECT 1;\n-- +goose Down", "V1__a.sql:2:1: `-- +goose Down` marks the file of another tool"),
    ],
)
def test_a_text_that_cannot_be_filled_is_told_by_line_and_column(write, text, problem):
    assert problem in refused(write({"V1__a.sql": text}))


def test_a_value_never_stands_in_a_message(write):
    folder = write({"V1__a.sql": "${secret} ${who}"})
    assert "hunter2" not in refused(folder, "flyway", placeholders={"secret": "hunter2"})


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"V1.0__b.sql": ""}, "has version 1, as `V1"),
        ({"sub/V1__a.sql": ""}, "has version 1, as `V1__a.sql` has"),
        ({"R__b.sql": "", "sub/R__b.sql": ""}, "has version R__b, as `R__b.sql` has"),
        ({"U2__b.sql": ""}, "U2__b.sql: undoes version 2, which no file has"),
        ({"B5__b.sql": ""}, "B5__b.sql: is a baseline, of which only Flyway knows whether it applies, remove it where"),
        ({"beforeMigrate.sql": ""}, "beforeMigrate.sql: is a callback, which startupctl does not run"),
        ({"sub/afterEachMigrate__x.sql": ""}, "sub/afterEachMigrate__x.sql: is a callback"),
        ({"createSchema.sql": ""}, "createSchema.sql: is a callback"),
        ({"v2__b.sql": ""}, "v2__b.sql: is no name of a migration, name it as V1__what_it_does.sql"),
        ({"V2_b.sql": ""}, "V2_b.sql: is no name of a migration"),
        ({"Vx__b.sql": ""}, "Vx__b.sql: is no name of a migration"),
        ({"R1__b.sql": ""}, "R1__b.sql: is no name of a migration"),
        ({"sub/seed.sql": ""}, "sub/seed.sql: is no name of a migration"),
        ({"V2__b.sql.conf": ""}, "V2__b.sql.conf: stands beside no file of its name"),
        (
            {"V1__a.sql.conf": "\nexecuteInTransactions=false"},
            "V1__a.sql.conf:2:1: `executeInTransactions` is no setting",
        ),
        (
            {"V1__a.sql.conf": "executeInTransaction=no"},
            "V1__a.sql.conf:1:1: `executeInTransaction` is neither true nor",
        ),
        ({"V1__a.sql.conf": "shouldExecute=${x}==1"}, "V1__a.sql.conf:1:1: `shouldExecute` is neither true nor false"),
        ({"V1__a.sql.conf": "encoding=klingon"}, "V1__a.sql.conf:1:1: `klingon` is no encoding"),
        ({"V1__a.sql.conf": "encoding=hex"}, "V1__a.sql.conf:1:1: `hex` is no encoding"),
    ],
)
def test_what_cannot_be_read_is_told_by_file_and_line(write, files, problem):
    assert problem in refused(write({"V1__a.sql": "SELECT 1;", **files}), "flyway")


def test_a_program_is_a_migration_that_only_flyway_applies(write):
    one, program = read(write({"V1__a.sql": "A", "V2__b.java": "class V2__b {}", "Helper.java": ""}))
    assert (one.obstacle, program.version, program.name, program.up.parts) == ("", "2", "V2__b.java", ())
    assert program.obstacle == "it is a program, not SQL; only Flyway can apply it"


@given(st.text(st.sampled_from("ab\n $'-;"), max_size=60), st.text(st.sampled_from("xy"), max_size=3))
def test_scripts_keep_the_lines_whatever_is_put_in(text, value):
    with directory_of({"V1__a.sql": f"{text}${{v}}{text}", "U1__a.sql": text}) as folder:
        [found] = read(folder, v=value)
        assert_keeps_lines(found)
        assert found.up.text == text + value + text
        assert found.up.text.count("\n") == found.up.written.count("\n")
