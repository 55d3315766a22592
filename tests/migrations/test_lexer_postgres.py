import psycopg
import pytest
from hypothesis import given, settings
from psycopg.pq import ExecStatus, TransactionStatus

from sql_fragments import Fragments
from startupctl.migrations.postgres.lexer import POSTGRES, statements

FRAGMENTS = Fragments(
    counting=(
        *("select", "a$b$c", "$1", "1", ",", "(1)", "t.end", "as end", "begin", "été", "CASE WHEN a THEN 1 END"),
        *("'a;b'", "'it''s;'", r"E'\';'", r"E'\\'", r"'\;'", "U&'\\0061;'", "B'01;'", '"a;b"', '""";"', 'U&"a;"'),
        *("$$;$$", "$t$;$$;$t$", "$été$;$été$", "$_1$'$_1$"),
    ),
    blanks=(" ", "\n", "\r\n", "\t", "\f", "-- ; '\n", "--;\r", "/* ; */", "/* ; /* ' */ ; */", "/**/"),
    bodies=(
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC", "; END"),
        ("create or replace procedure p(a int) begin\n/* ; */ atomic", ";\n-- ;\nend"),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO (", ")"),
        ("CREATE OR REPLACE RULE r AS ON UPDATE TO t WHERE (new.a > 1) DO INSTEAD (", ";)"),
    ),
)


@given(file=FRAGMENTS.files())
def test_a_file_is_cut_into_what_it_was_made_of(file):
    assert [part.text for part in statements(file[1])] == file[0]


FUNCTION = "CREATE FUNCTION f{} LANGUAGE sql BEGIN ATOMIC {}"
COUNTED = {
    "simple": ("SELECT 1; SELECT 2", 2),
    "nothing": (" ;; /* ; */ -- ;\n ; ", 0),
    "quotes": ("SELECT ';', 'it''s;'; SELECT 1 AS \"a;b\"; SELECT 1 AS \"a\"\";\"", 3),
    "backslash": (r"SELECT '\'; SELECT '\;'", 2),
    "escapes": (r"SELECT E'\';'; SELECT e'\\'; SELECT E'a\\\';'", 3),
    "continued with escapes": ("SELECT E'a'\n  'b\\';c'; SELECT 2", 2),
    "continued behind a comment": ("SELECT E'a' -- it's ;\n-- ;\n 'b\\';c'; SELECT 2", 2),
    "not continued in the same line": ("SELECT E'a', E'b'\n, '\\'; SELECT 2", 2),
    "continued without escapes": ("SELECT 'a'\n'b\\'; SELECT 2", 2),
    "Unicode escapes": ("SELECT U&'\\0061;\\\\'; SELECT U&'!0061;' UESCAPE '!'; SELECT 1 AS U&\"a;\"", 3),
    "bits": ("SELECT B'01', X'1F', N';'; SELECT 2", 2),
    "dollar quotes": ("SELECT $$;$$; SELECT $a$;$$;$b$;$a$; SELECT $_1$;$_1$; SELECT $été$;$été$", 4),
    "a mark within a mark": ("SELECT $a$ $aa$a$; SELECT $$ $a$ $$", 2),
    "dollars in names": ("SELECT 1 AS a$b$c; SELECT 1 AS a$$; SELECT 1 AS été$$", 3),
    "dollar quotes behind a sign": ("SELECT 'a'||$$;$$; SELECT (1)=1 AND $$;$$=$$;$$", 2),
    "parameters": ("PREPARE p AS SELECT $1::int, $1::int; EXECUTE p(1); DEALLOCATE p", 3),
    "comments": ("SELECT 1 /* ; /* ; */ ' */; SELECT 2 -- ; '\n; /**/ SELECT 3 /*/ ; */", 3),
    "a comment ends with a carriage return": ("SELECT 1 -- ;\r; SELECT 2", 2),
    "comments in operators": ("SELECT 2*/* ; */3; SELECT 5+-- ;\n3; SELECT @ -1", 3),
    "DO": ("DO $$ BEGIN PERFORM 1; PERFORM 2; END $$; DO 'BEGIN PERFORM 1; END'", 2),
    "a transaction": ("BEGIN; SELECT 1; END; START TRANSACTION; COMMIT", 5),
    "a rule": ("CREATE TABLE t (a int); CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT (2);); SELECT 3", 3),
    "a rule with one command": (
        "CREATE TABLE t (a int); CREATE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING; SELECT 1",
        3,
    ),
    "a table called rule": ("CREATE TABLE rule (a int); SELECT * FROM rule", 2),
    "a body": (FUNCTION.format("() RETURNS int", "SELECT 1; SELECT 2; END; SELECT 3"), 2),
    "CASE in a body": (FUNCTION.format("() RETURNS int", "SELECT CASE WHEN true THEN 1 END; END; SELECT 2"), 2),
    "names called end and begin": (
        FUNCTION.format("() RETURNS int", "SELECT 1 AS end; SELECT t.end FROM (SELECT 1 AS begin, 2 AS end) t; END"),
        1,
    ),
    "a body in other words": (
        "create or replace procedure p() begin -- ;\natomic select 1;;\n/* ; */ end ; SELECT 2",
        2,
    ),
    "an empty body": ("CREATE PROCEDURE p() BEGIN ATOMIC END; SELECT 2", 2),
    "columns called begin and atomic": ("SELECT begin atomic FROM (SELECT 1 AS begin) t; SELECT 2", 2),
    "a parameter called begin": (
        "CREATE DOMAIN atomic AS int; CREATE FUNCTION f(begin atomic) RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT 2",
        3,
    ),
    "a function in a string": ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'; SELECT 3", 2),
    "RETURN": ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1; SELECT 3", 2),
    "numbers": ("SELECT 1.5e-3, .5, 1e5; SELECT 0-1", 2),
}


def results_of(connection, sql):
    """Send one message; return how many statements the server found in it."""
    connection.pgconn.send_query(sql.encode())
    found = 0
    while result := connection.pgconn.get_result():
        assert result.status != ExecStatus.FATAL_ERROR, result.error_message.decode()
        found += result.status != ExecStatus.EMPTY_QUERY
    return found


@pytest.mark.parametrize(("sql", "count"), COUNTED.values(), ids=COUNTED)
def test_the_server_counts_the_same_statements(sql, count, postgres, fresh_database):
    with psycopg.connect(postgres.url(fresh_database)) as connection:
        assert results_of(connection, sql) == count
    assert len(statements(sql)) == count


@pytest.mark.parametrize("build", ["15", "18"])
def test_each_statement_is_one_for_the_server(build, postgres_server):
    with psycopg.connect(postgres_server(build).url()) as connection:
        for sql, _ in COUNTED.values():
            assert [results_of(connection, part.text) for part in statements(sql)] == [1] * len(statements(sql))
            if connection.info.transaction_status != TransactionStatus.IDLE:
                connection.rollback()
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            connection.commit()


VALID = Fragments(
    counting=(
        *("SELECT ';'", "SELECT $$;$$", r"SELECT '\'", r"SELECT E'\';'", "SELECT 1 AS a$b", "SELECT $_$;$$;$_$"),
        *('SELECT 1 AS ";"', "SELECT 1 -- ;\n", "DO $$ BEGIN PERFORM 1; END $$", "SELECT U&'\\0061;'", "SELECT B'1'"),
    ),
    blanks=FRAGMENTS.blanks,
)


@given(file=VALID.files_of_one_each())
@settings(max_examples=60)
def test_the_server_counts_what_files_were_made_of(file, postgres):
    with psycopg.connect(postgres.url()) as connection:
        assert results_of(connection, file[1]) == len(statements(file[1])) == len(file[0])


@pytest.mark.parametrize("sql", ["1$$;$$", "$1$$;$$", "'a'$$;$$", "$a$;$a$$b$;$b$"])
def test_a_dollar_behind_a_digit_a_quote_or_a_dollar_quote_opens_one(sql):
    assert [part.text for part in statements(f"{sql};{sql}")] == [sql, sql]


@pytest.mark.parametrize(
    "sql", ["SELECT 'a;", 'SELECT "a;', "SELECT $$a;", "SELECT /* a; /* b */", "SELECT (1", r"E'\';"]
)
def test_what_is_never_closed_goes_on_to_the_end(sql):
    assert len(statements(sql)) == 1
    assert "".join(token.text for token in POSTGRES.tokens(sql)) == sql


def test_a_space_that_the_server_takes_for_a_letter_is_one():
    assert [part.text for part in statements("SELECT 1;\u00a0")] == ["SELECT 1", "\u00a0"]
