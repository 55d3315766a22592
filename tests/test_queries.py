import pytest
from pydantic import ValidationError

from startupctl.queries import QueryExpect, first_value


@pytest.mark.parametrize(
    ("equals", "value", "met"),
    [
        (3, "3", True),
        (3, "3.0", True),
        (3, "4", False),
        (3, "three", False),
        (0.5, "0.50", True),
        (2**63 + 1, str(2**63), False),
        ("3", "3", True),
        ("3", "3.0", False),
        (True, "t", True),
        (True, "1", True),
        (True, "f", False),
        (False, "false", True),
        (None, None, True),
        (None, "", False),
        ("", None, False),
        (0, None, False),
    ],
)
def test_the_first_value_of_the_first_row_decides(equals, value, met):
    expect = QueryExpect(sql="select 1", equals=equals)

    assert expect.met_by([[value, "other"], ["other"]]) is met


def test_without_a_value_any_row_will_do():
    expect = QueryExpect(sql="select 1")

    assert expect.expected == "at least one row"
    assert expect.met_by([[None]])
    assert not expect.met_by([])


def test_a_value_is_expected_and_there_is_no_row():
    expect = QueryExpect(sql="select 1", equals=None)

    assert expect.expected == "NULL"
    assert not expect.met_by([])


@pytest.mark.parametrize(("rows", "words"), [([], "no row"), ([[None]], "NULL"), ([["7", "8"]], "`7`")])
def test_what_was_found_is_said_in_words(rows, words):
    assert first_value(rows) == words


def test_a_query_needs_a_statement():
    with pytest.raises(ValidationError):
        QueryExpect(sql="", equals=1)
