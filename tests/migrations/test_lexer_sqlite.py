import contextlib
import sqlite3

import pytest
from hypothesis import given

from sql_fragments import Fragments, texts_of_marks
from startupctl.migrations.sqlite.lexer import SQLITE, statements

FRAGMENTS = Fragments(
    counting=(
        *("SELECT", "a$b", "$1", "?1", "1", ",", "(1)", "été", "begin", "as end", "CASE WHEN a THEN 1 END", "$$"),
        *("'a;b'", "'it''s;'", r"'\;'", "x'00'", '"a;b"', '""";"', "`a;b`", "[a;b]", "[it's;]"),
    ),
    blanks=(" ", "\n", "\r\n", "\t", "\f", "-- ; '\n", "/* ; /* ' */", "/**/"),
    bodies=(
        ("CREATE TRIGGER t AFTER INSERT ON a BEGIN", "; END"),
        ("create temp trigger if not exists t instead of update on v when new.a > 1\nbegin", ";\n-- ;\nend"),
        ("CREATE TEMPORARY/* ; */TRIGGER t DELETE ON a FOR EACH ROW BEGIN", ";;END"),
    ),
)


@given(file=FRAGMENTS.files())
def test_a_file_is_cut_into_what_it_was_made_of(file):
    assert [part.text for part in statements(file[1])] == file[0]


def complete_parts(sql):
    """Cut where SQLite itself says that a statement is complete; return what counts for it."""
    begin = 0
    for position, sign in enumerate(sql):
        if sign == ";" and sqlite3.complete_statement(sql[begin : position + 1]):
            yield sql[begin:position]
            begin = position + 1
    yield sql[begin:]


def trimmed(sql):
    tokens = [token for token in SQLITE.tokens(sql) if token.counts]
    return [sql[tokens[0].start : tokens[-1].start + len(tokens[-1].text)]] if tokens else []


@given(sql=texts_of_marks)
def test_a_statement_ends_where_sqlite_calls_it_complete(sql):
    assert [part.text for part in statements(sql)] == [part for whole in complete_parts(sql) for part in trimmed(whole)]


TRIGGER = "CREATE {} t AFTER INSERT ON a BEGIN INSERT INTO b VALUES (CASE WHEN new.x > 1 THEN ';' END); {} END"
FILES = {
    "simple": ("SELECT 1;;SELECT 2;", 2),
    "nothing": ("/* ; */ ; -- ;\n", 0),
    "quotes": ("SELECT ';', 'it''s;'; SELECT 1 AS \"a;\"\"b\"; SELECT 2 AS [a;'b]; SELECT 3 AS `;``;`", 4),
    "backslash": (r"SELECT '\'; SELECT '\;'", 2),
    "comments do not nest": ("SELECT 1 /* ; /* ' */; SELECT 2 /*/ ; */ -- ;\n; SELECT 3", 3),
    "a comment goes on behind a carriage return": ("SELECT 1 -- ;\r; SELECT 2", 1),
    "a comment that is never closed": ("SELECT 1; SELECT 2 /* ;", 2),
    "blobs": ("SELECT x'3b'; SELECT X''", 2),
    "a byte order mark": ("\ufeffSELECT 1; \ufeff;SELECT 2", 2),
    "a transaction": ("BEGIN; SELECT 1; END", 3),
    "a trigger": (TRIGGER.format("TRIGGER", "") + "; SELECT 1", 2),
    "a longer trigger": (TRIGGER.format("TRIGGER IF NOT EXISTS", 'DELETE FROM b; SELECT 1 AS "end";') + ";", 1),
    "a temporary trigger": (TRIGGER.format("TEMP TRIGGER", "SELECT 1;") + "; SELECT 1", 2),
    "a trigger in other words": (
        TRIGGER.format("temporary /* ; */ trigger", "-- ;\n").lower(),
        1,
    ),
    "a table called trigger": ('CREATE TABLE "trigger" (x); SELECT 1; SELECT 2', 3),
}


@pytest.fixture
def database():
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript("CREATE TABLE a (x); CREATE TABLE b (x)")
        yield connection


@pytest.mark.parametrize(("sql", "count"), FILES.values(), ids=FILES)
def test_each_statement_is_one_for_sqlite(sql, count, database):
    parts = statements(sql)
    for part in parts:
        database.execute(part.text)  # refuses two at once, and one that is not whole
    assert len(parts) == count


def test_a_trigger_that_is_never_closed_goes_on_to_the_end():
    assert len(statements("CREATE TRIGGER t DELETE ON a BEGIN SELECT 1; SELECT 2; SELECT 3;")) == 1


@pytest.mark.parametrize("sql", ["SELECT 'a;", 'SELECT "a;', "SELECT `a;", "SELECT [a;", "SELECT /* a;"])
def test_what_is_never_closed_goes_on_to_the_end(sql):
    assert len(statements(sql)) == 1
