import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration_files import assert_keeps_lines, directory_of, refused, with_sum
from startupctl.check import Unhealthy
from startupctl.migrations.files import read_directory

TWO = {"1_a.sql": "SELECT 1;\n", "2_b.sql": "SELECT 2;\n"}


def read(folder):
    return read_directory(folder, "auto").migrations


def test_files_are_applied_in_the_order_of_their_names(write):
    found = read_directory(write(with_sum({"10_c.sql": "C", "9.sql": "A", "20_b_x.sql": "B"})), "auto")
    assert [(one.version, one.name, one.down) for one in found.migrations] == [
        ("10", "10_c.sql", None),
        ("20", "20_b_x.sql", None),
        ("9", "9.sql", None),
    ]
    assert not found.format.APPLIES_LATE


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"1_a.sql": "SELECT 1 ;\n"}, "1_a.sql: is not what `atlas.sum` counted: it, or its place among the others"),
        ({"2_b.sql": "SELECT 2;"}, "2_b.sql: is not what `atlas.sum` counted"),
        ({"0_z.sql": ""}, "0_z.sql: is not counted in `atlas.sum`"),
        (
            {"3_c.sql": ""},
            "3_c.sql: is not counted in `atlas.sum`, look at what was changed, then run `atlas migrate hash`",
        ),
        ({"1_a.sql": None}, "1_a.sql: is counted in `atlas.sum` and is not there"),
        ({"2_b.sql": None}, "2_b.sql: is counted in `atlas.sum` and is not there"),
        ({"atlas.sum": ""}, "atlas.sum:1:1: was changed by hand: its first line does not fit the others"),
        ({"atlas.sum": "h1:\n<<<<<<< HEAD\n"}, "atlas.sum:2:1: holds a line that is no sum of a file"),
    ],
)
def test_the_first_file_that_is_not_the_one_that_was_counted_is_named(write, changes, problem):
    folder = write(with_sum(TWO))
    for name, text in changes.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
    assert problem in refused(folder)


def test_a_missing_sum_is_told(write):
    assert "atlas.sum: is missing, so nobody can tell" in refused(write(TWO), "atlas")


def test_the_sum_counts_bytes_and_leaves_out_what_says_so(write):
    files = {"1_a.sql": "\ufeffSELECT 'ä';\r\n", "2_b.sql": "-- atlas:sum ignore\n\nSELECT 2;", "3_c.sql": "C"}
    folder = write(with_sum(files))
    assert len(read(folder)) == 3
    (folder / "2_b.sql").write_text("-- atlas:sum ignore\n\nSELECT 3;")
    assert len(read(folder)) == 3


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("-- atlas:txmode none\n\nVACUUM;", False),
        ("-- atlas:nolint\n-- atlas:txmode none\n  \nVACUUM;", False),
        ("-- atlas:txmode none\r\n\r\nVACUUM;", False),
        ("-- atlas:txmode file\n\nSELECT 1;", True),
        ("-- atlas:txmode none\nVACUUM;", True),  # it is the statement's comment
        ("SELECT 1;\n-- atlas:txmode none\n\nSELECT 2;", True),
    ],
)
def test_the_comments_at_the_top_decide_about_the_transaction(write, text, inside):
    [found] = read(write(with_sum({"1_a.sql": text})))
    assert found.up.transaction is inside


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- atlas:txmode all\n\nA;", "1_a.sql:1:1: `atlas:txmode all` is not known for one file, write none or file"),
        ("-- a\n-- atlas:txmode nope\n\nA;", "1_a.sql:2:1: `atlas:txmode nope` is not known for one file"),
        ("-- atlas:txmode none\n-- atlas:txmode file\n\nA;", "1_a.sql:2:1: has a second `atlas:txmode`"),
        ("-- atlas: txmode none\n\nA;", "1_a.sql:1:1: `-- atlas: txmode none` is a half-written directive"),
        ("-- atlas tx-mode none\n\nA;", "1_a.sql:1:1: `-- atlas tx-mode none` is a half-written directive"),
        ("-- atlas:checkpoint\n\nA;", "1_a.sql: is a checkpoint, and the files that lead to it are gone"),
        ("-- atlas:delimiter \\n\\n\n\nA (;", "1_a.sql:3:3: cannot be cut at its delimiter: a `(` stays open"),
        ("-- atlas:delimiter \\n\\n\n\nA );", "1_a.sql:3:3: cannot be cut at its delimiter: a `)` closes nothing"),
        ("-- atlas:delimiter \\n\\n\n\nA '", "1_a.sql:3:3: cannot be cut at its delimiter: a `'` stays open"),
        ("A;\n-- migrate:down\nB;", "1_a.sql:2:1: `-- migrate:down` marks the file of another tool"),
    ],
)
def test_what_cannot_be_read_is_told_by_file_and_line(write, text, problem):
    assert problem in refused(write(with_sum({"1_a.sql": text})))


def test_a_checkpoint_is_passed_over_where_the_files_before_it_are(write):
    files = {"1_a.sql": "A", "2_b.sql": "-- atlas:checkpoint v1\n\nA", "3_c.sql": "C"}
    assert [one.name for one in read(write(with_sum(files)))] == ["1_a.sql", "3_c.sql"]


@pytest.mark.parametrize("directive", ["txtar", "import ../base"])
def test_what_only_atlas_can_apply_is_an_obstacle(write, directive):
    one, other = read(write(with_sum({"1_a.sql": "A", "2_b.sql": f"-- atlas:{directive}\n\nB"})))
    assert (one.obstacle, other.up.parts) == ("", ())
    assert other.obstacle.endswith("; only Atlas can apply it")


@pytest.mark.parametrize(
    ("delimiter", "body", "parts"),
    [
        (r"\n\n", "A;\nB;\n\n\nC", ["A;\nB;", "C"]),
        (r"\n---\n", "A\n---\nB\n---\n", ["A", "B"]),
        ("-- end", "-- a\nA; -- b\nB\n-- end\n-- end\nC -- c", ["A; -- b\nB", "C -- c"]),
        ("//", "A '//' \"//\" `//` (//) /* // */ B // C $$ // $$ D $x$ $$ // $x$// ", [
            "A '//' \"//\" `//` (//) /* // */ B",
            "C $$ // $$ D $x$ $$ // $x$",
        ]),
        ("//", r"A E'\'//' // 'a''//' // ", [r"A E'\'//'", "'a''//'"]),
        (";;", "", []),
    ],
)  # fmt: skip
def test_a_file_is_cut_at_the_delimiter_it_names(write, delimiter, body, parts):
    [found] = read(write(with_sum({"1_a.sql": f"-- atlas:delimiter {delimiter}\n\n{body}"})))
    assert [part.text for part in found.up.parts] == parts
    assert_keeps_lines(found)


def test_a_file_that_names_no_delimiter_in_its_first_line_is_cut_by_the_dialect(write):
    texts = ["A;", "-- a\n-- atlas:delimiter //\n\nA;", "--atlas:delimiter //\n\nA;"]
    files = {f"{number}.sql": text for number, text in enumerate(texts)}
    assert [one.up.parts for one in read(write(with_sum(files)))] == [None] * 3


@given(st.text(st.sampled_from("ab;'\"()-/*$x\n "), max_size=40))
def test_parts_stand_in_the_file_whatever_it_holds(body):
    with directory_of(with_sum({"1.sql": f"-- atlas:delimiter \\n\\n\n{body}"})) as folder:
        try:
            [found] = read(folder)
        except Unhealthy:
            return
        assert_keeps_lines(found)
