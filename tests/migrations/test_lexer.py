import pytest
from hypothesis import given

from sql_fragments import texts_of_marks
from startupctl.migrations.clickhouse import lexer as lexer_clickhouse
from startupctl.migrations.clickhouse.lexer import CLICKHOUSE
from startupctl.migrations.lexer import normalised, words
from startupctl.migrations.postgres import lexer as lexer_postgres
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.sqlite import lexer as lexer_sqlite
from startupctl.migrations.sqlite.lexer import SQLITE

NAMES = ["postgres", "clickhouse", "sqlite"]
LEXICONS = pytest.mark.parametrize("lexicon", [POSTGRES, CLICKHOUSE, SQLITE], ids=NAMES)
DIALECTS = pytest.mark.parametrize(
    ("lexicon", "cut"),
    [
        (POSTGRES, lexer_postgres.statements),
        (CLICKHOUSE, lexer_clickhouse.statements),
        (SQLITE, lexer_sqlite.statements),
    ],
    ids=NAMES,
)


@LEXICONS
@given(sql=texts_of_marks)
def test_joined_tokens_are_the_text(lexicon, sql):
    tokens = list(lexicon.tokens(sql))
    assert "".join(token.text for token in tokens) == sql
    assert all(token.text and sql.startswith(token.text, token.start) for token in tokens)


@LEXICONS
@given(sql=texts_of_marks)
def test_long_strides_see_the_same_tokens_as_short_ones(lexicon, sql):
    tokens = [token for token in lexicon.tokens(sql) if token.counts]
    assert list(lexicon.counting(sql)) == [token.text for token in tokens]
    pieces, piece = [], []
    for token in tokens:
        if token.text == ";":
            pieces, piece = [*pieces, piece], []
        else:
            piece.append(token)
    borders = [(piece[0].start, piece[-1].start + len(piece[-1].text)) for piece in [*pieces, piece] if piece]
    assert list(lexicon.pieces(sql)) == [(sql[start:end], start) for start, end in borders]


@DIALECTS
@given(sql=texts_of_marks)
def test_statements_and_what_lies_between_them_are_the_text(lexicon, cut, sql):
    position, between = 0, []
    for statement in cut(sql):
        assert statement.text
        assert sql.startswith(statement.text, statement.start)
        between.append(sql[position : statement.start])
        position = statement.start + len(statement.text)
    assert all(token.text == ";" for gap in between for token in lexicon.tokens(gap) if token.counts)


@LEXICONS
def test_layout_and_comments_do_not_count(lexicon):
    one = "CREATE TABLE a(id int, b text DEFAULT 'x  y');"
    other = "-- a table\r\nCREATE  TABLE a (\r\n  id int, /* why */\r\n  b text DEFAULT 'x  y'\r\n) ;\r\n"
    assert normalised(one, lexicon) == normalised(other, lexicon)
    assert normalised(one, lexicon) != normalised(one.replace("x  y", "x y"), lexicon)


@LEXICONS
def test_words_are_upper_case_and_names_in_quotes_are_not(lexicon):
    sql = '/* a */ create -- b\n index "My idx" on t (lower(a))'
    assert words(sql, lexicon, 3) == ("CREATE", "INDEX", '"My idx"')
    assert words(sql, lexicon, 6) == ("CREATE", "INDEX", '"My idx"', "ON", "T", "(")


@LEXICONS
def test_words_end_with_the_text(lexicon):
    assert words("vacuum", lexicon, 3) == ("VACUUM",)
    assert words(" -- nothing", lexicon, 3) == ()


@LEXICONS
def test_letters_that_no_keyword_has_do_not_become_one(lexicon):
    assert "SELECT" not in words("\u017felect 1", lexicon, 2)


@LEXICONS
def test_only_the_beginning_is_read_for_words(lexicon):
    class Guarded(str):
        __slots__ = ()

        def __getitem__(self, wanted):
            assert wanted.stop < 100
            return super().__getitem__(wanted)

    assert words(Guarded("INSERT INTO t VALUES " + "(1), " * 10_000), lexicon, 2) == ("INSERT", "INTO")


HOSTILE = {
    "rows": ("", "(1, 'it''s', NULL),"),
    "semicolons": ("", ";"),
    "one sign": ("", "+"),
    "signs": ("", "- "),
    "parentheses": ("", "("),
    "open comments": ("", "/*"),
    "comments": ("", "/* a */"),
    "dollars": ("", "$ "),
    "marks": ("", "$a$"),
    "quotes": ("", "''"),
    "backslashes": ("E'", "\\\\"),
    "texts with escapes": ("", "E'a'\n"),
    "a continued text": ("E", "'a'\n"),
    "a text continued by comments": ("E'a'", " --x\n"),
    "an open quote": ("'", "a;"),
    "an open mark": ("$a$", "$b$;"),
    "an open rule": ("CREATE RULE r AS (", "a;"),
    "an open body": ("CREATE FUNCTION f() BEGIN ATOMIC ", "a;"),
    "an open trigger": ("CREATE TRIGGER t BEGIN ", "a;"),
}


@pytest.mark.timeout(20)  # what is not linear takes minutes
@DIALECTS
@pytest.mark.parametrize(("head", "text"), HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_more_than_linear_time(lexicon, cut, head, text):
    sql = head + text * (200_000 // len(text))
    statements = cut(sql)
    assert sum(len(statement.text) for statement in statements) <= len(sql)
    assert normalised(sql, lexicon).count("\n") <= sql.count("\n")
