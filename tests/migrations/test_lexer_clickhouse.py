import pytest
from hypothesis import given

from sql_fragments import Fragments
from startupctl.migrations.clickhouse.lexer import statements

FRAGMENTS = Fragments(
    counting=(
        *("SELECT", "a$b", "1", ",", "(1)", "%", "été", "begin"),
        *("'a;b'", r"'\';'", r"'\\'", "'it''s;'", r'"\";"', r"`\`;`", "x'00'"),
        *("$$;$$", "$x_1$;$$;$x_1$", "\u2018;'\u2019", "\u201c;\u201d"),
    ),
    blanks=(
        " ",
        "\n",
        "\r\n",
        "\t",
        "-- ; '\n",
        "// ; '\n",
        "# ; '\n",
        "#! ;\n",
        "/* ; /* ' */ ; */",
        "\xa0",
        "\u3000",
    ),
)


@given(file=FRAGMENTS.files())
def test_a_file_is_cut_into_what_it_was_made_of(file):
    assert [part.text for part in statements(file[1])] == file[0]


ANSWERED = {
    "simple": ("SELECT 1;;SELECT 2;", ["1", "2"]),
    "nothing": ("/* ; */ ; -- ;\n", []),
    "quotes": ("SELECT 'a;b'; SELECT 'it''s;'", ["a;b", "it\\'s;"]),
    "backslashes": (r"SELECT 'a\';b' AS `c\`;d`; SELECT '\\'; SELECT 1 AS " + r'"e\";"', [r"a\';b", r"\\", "1"]),
    "names": ('SELECT 1 AS "a;b"; SELECT 2 AS `c``;d`', ["1", "2"]),
    "heredocs": ("SELECT $$a;b$$; SELECT $x1_$c;$$;d$x1_$; SELECT $1$;'$1$", ["a;b", "c;$$;d", ";\\'"]),
    "dollars that open no heredoc": ("SELECT $x-$x FROM (SELECT 3 AS $x); SELECT 1 AS $y", ["0", "1"]),
    "dollars in names": ("SELECT 1 AS a$b; SELECT 2 AS c$b; SELECT 3 AS d$$", ["1", "2", "3"]),
    "a number before a heredoc": ("SELECT 1,$$;$$; SELECT concat('a',$$;$$)", ["1\t;", "a;"]),
    "comments": (
        "SELECT 1 -- ; '\n; SELECT 2 // ;\n; SELECT 3 # ;\n; SELECT 4 /* ; /* ' */ ; */",
        ["1", "2", "3", "4"],
    ),
    "a shebang": ("#!/usr/bin/clickhouse;\nSELECT 1", ["1"]),
    "a carriage return ends no comment": ("SELECT 1 -- ;\r; SELECT 2", ["1"]),
    "curly quotes": ("SELECT \u2018a;'b\u2019; SELECT 1 AS \u201cc;d\u201d", ["a;\\'b", "1"]),
    "spaces of word processors": ("\ufeffSELECT\u00a01;\u3000\u200b; SELECT\u2003\u2060 2", ["1", "2"]),
    "rows": ("SELECT * FROM VALUES('a String', (';'), ('\\\\')); SELECT 2", [";\n\\\\", "2"]),
    "hexadecimal": ("SELECT x'3B'; SELECT b'00111011'", [";", ";"]),
}


@pytest.mark.parametrize(("sql", "answers"), ANSWERED.values(), ids=ANSWERED)
def test_each_statement_is_one_for_the_engine(sql, answers, clickhouse):
    assert [clickhouse.query(part.text).removesuffix("\n") for part in statements(sql)] == answers


def test_the_engine_refuses_two_statements_at_once(clickhouse):
    with pytest.raises(RuntimeError, match="62"):
        clickhouse.query("SELECT 1; SELECT 2")


@pytest.mark.parametrize("sql", ["SELECT 'a;", "SELECT `a;", "SELECT \u2018a;", "SELECT /* a; /* b */", r"SELECT '\';"])
def test_what_is_never_closed_goes_on_to_the_end(sql):
    assert len(statements(sql)) == 1


def test_a_heredoc_that_is_never_closed_is_none():
    assert [part.text for part in statements("SELECT $a$; SELECT $b")] == ["SELECT $a$", "SELECT $b"]


def test_a_dollar_behind_a_number_opens_a_heredoc():
    assert [part.text for part in statements("1$$;$$;2")] == ["1$$;$$", "2"]
