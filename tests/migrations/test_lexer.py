import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.migrations.lexer import normalised
from startupctl.migrations.lexer_clickhouse import CLICKHOUSE
from startupctl.migrations.lexer_clickhouse import statements as clickhouse_statements
from startupctl.migrations.lexer_postgres import POSTGRES
from startupctl.migrations.lexer_postgres import statements as postgres_statements
from startupctl.migrations.lexer_sqlite import SQLITE

LEXICONS = pytest.mark.parametrize("lexicon", [POSTGRES, CLICKHOUSE, SQLITE], ids=["postgres", "clickhouse", "sqlite"])
PIECES = [
    "'",
    '"',
    "`",
    "\\",
    "--",
    "//",
    "#",
    "# ",
    "/*",
    "*/",
    "$",
    "$$",
    "$tag$",
    ";",
    "\n",
    "\r\n",
    " ",
    "E",
    "x",
    "ab",
    "é",
    "1",
    "(",
    ")",
    "BEGIN ATOMIC",
    "END",
]
sql_texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@LEXICONS
@given(sql=sql_texts)
def test_joined_tokens_are_the_text(lexicon, sql):
    tokens = list(lexicon.tokens(sql))
    assert "".join(token.text for token in tokens) == sql
    assert all(sql.startswith(token.text, token.start) for token in tokens)


@pytest.mark.parametrize("cut", [postgres_statements, clickhouse_statements])
@given(sql=sql_texts)
def test_statements_stand_where_they_say_and_between_them_is_nothing_that_counts(cut, sql):
    lexicon = POSTGRES if cut is postgres_statements else CLICKHOUSE
    position, between = 0, []
    for part in cut(sql):
        assert sql.startswith(part.text, part.start)
        between.append(sql[position : part.start])
        position = part.start + len(part.text)
    assert all(token.text == ";" for gap in between for token in lexicon.tokens(gap) if token.counts)


@given(parts=st.lists(st.text(alphabet="abc1 ,()\n", min_size=1).filter(str.strip), max_size=6))
def test_a_file_of_simple_statements_is_cut_into_them(parts):
    assert [part.text for part in clickhouse_statements(";".join(parts))] == [part.strip() for part in parts]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'a;b'; SELECT 2", ["SELECT 'a;b'", "SELECT 2"]),
        ("SELECT 'it''s; ' ; SELECT 2", ["SELECT 'it''s; '", "SELECT 2"]),
        (r"SELECT 'a\';b'; SELECT 2", [r"SELECT 'a\';b'", "SELECT 2"]),
        (r"SELECT `a\`;b`; SELECT 2", [r"SELECT `a\`;b`", "SELECT 2"]),
        ('SELECT "a;b"; SELECT 2', ['SELECT "a;b"', "SELECT 2"]),
        ("SELECT $$a;b$$; SELECT 2", ["SELECT $$a;b$$", "SELECT 2"]),
        ("SELECT $x$a;$$;b$x$; SELECT 2", ["SELECT $x$a;$$;b$x$", "SELECT 2"]),
        ("SELECT 1 AS a$b; SELECT 2 AS c$b", ["SELECT 1 AS a$b", "SELECT 2 AS c$b"]),
        ("SELECT 1 -- one; two\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1 // one; two\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1 # one; two\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("#!/usr/bin/clickhouse;\nSELECT 1", ["SELECT 1"]),
        ("SELECT 1 /* a; /* b; */ c; */; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("/* only; a comment */ ; -- and; another", []),
        ("SELECT 1;;;", ["SELECT 1"]),
        ("SELECT \u2018a;b\u2019; SELECT 2", ["SELECT \u2018a;b\u2019", "SELECT 2"]),
        (
            "INSERT INTO t VALUES (1, ';'), (2, '\\\\'); SELECT 2",
            ["INSERT INTO t VALUES (1, ';'), (2, '\\\\')", "SELECT 2"],
        ),
    ],
)
def test_clickhouse_is_cut_as_its_own_lexer_does(sql, expected):
    assert [part.text for part in clickhouse_statements(sql)] == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (r"SELECT 'a\'; SELECT 2", [r"SELECT 'a\'", "SELECT 2"]),
        (r"SELECT E'a\';b'; SELECT 2", [r"SELECT E'a\';b'", "SELECT 2"]),
        (r"SELECT date'2020-01-01\'; SELECT 2", [r"SELECT date'2020-01-01\'", "SELECT 2"]),
        ("DO $$ BEGIN a; b; END $$; SELECT 2", ["DO $$ BEGIN a; b; END $$", "SELECT 2"]),
        ("SELECT $1; SELECT $1", ["SELECT $1", "SELECT $1"]),
        ("SELECT 1 # 2; SELECT 3", ["SELECT 1 # 2", "SELECT 3"]),
        (
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
            ["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; SELECT 3",
            ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END", "SELECT 3"],
        ),
        ("BEGIN; SELECT 1; END;", ["BEGIN", "SELECT 1", "END"]),
        ("SELECT 1 /* a; /* b; */ c; */; SELECT 2", ["SELECT 1", "SELECT 2"]),
    ],
)
def test_postgresql_is_cut_as_the_server_counts(sql, expected):
    assert [part.text for part in postgres_statements(sql)] == expected


def test_postgresql_counts_the_same_statements(postgres):
    import psycopg
    from psycopg import pq

    sql = "SELECT 1; ; SELECT ';'; /* ; */ SELECT $$;$$ -- ;\n; DO $a$ BEGIN PERFORM 1; END $a$;"
    with psycopg.connect(postgres.url()) as connection:
        cursor = connection.execute(sql.encode())
        count = 1
        while cursor.nextset():
            count += 1
        assert cursor.pgresult.status == pq.ExecStatus.COMMAND_OK
    assert count == len(postgres_statements(sql)) == 4


@LEXICONS
def test_layout_and_comments_do_not_count(lexicon):
    one = "CREATE TABLE a(id int, b text DEFAULT 'x  y');"
    other = "-- a table\r\nCREATE  TABLE a (\r\n  id int, /* why */\r\n  b text DEFAULT 'x  y'\r\n) ;\r\n"
    assert normalised(one, lexicon) == normalised(other, lexicon)
    assert normalised(one, lexicon) != normalised(one.replace("x  y", "x y"), lexicon)
