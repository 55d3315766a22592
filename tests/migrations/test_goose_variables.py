from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.migrations.goose_variables import NotFilled, filled

ENVIRON = {"NAME": "ada", "EMPTY": "", "DEEP": "$NAME", "LONG": "0123456789", "A_1": "one"}


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("", ""),
        ("$NAME.${NAME}", "ada.ada"),
        ("$NAMES|${NONE}|$EMPTY|", "|||"),
        ("$A_1-$NAME_$NAME", "one-ada"),
        ("$DEEP", "$NAME"),
        ("${EMPTY:-x}${EMPTY-x}${NONE-x}${NONE:-}${NAME:-x}", "xxada"),
        ("${NONE:-a ${NONE:-b $NAME}}", "a b ada"),
        ("${NAME:-${NONE?never asked for}}", "ada"),
        ("${NONE-{}", "{"),
        ("${NAME?no}${EMPTY?no}", "ada"),
        ("${LONG:3}|${LONG: -3}|${LONG:99}|${LONG:-99}|${LONG: -99}", "3456789|789||0123456789|0123456789"),
        ("${LONG:2:3}|${LONG:2:-3}|${LONG:2:99}|${LONG:2:-99}|${NONE:2:3}", "234|23456|23456789||"),
        (r"$$NAME \$NAME \\ \n $(NAME) $", r"$NAME $NAME \\ \n $(NAME) $"),
    ],
)
def test_a_line_is_filled_as_goose_fills_it(line, result):
    assert filled(line, ENVIRON) == result


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("${NONE?}", "`NONE` is not set"),
        ("${NONE?ask $NAME}", "`NONE` is not set: ask ada"),
        ("$1", "a `$` is followed by no name; write `$$` for a dollar"),
        ("$_A", "a `$` is followed by no name; write `$$` for a dollar"),
        ("${NAME:?x}", "behind the `:` of a variable stands no number"),
        ("${NAME+x}", "`${NAME` is followed by something that goose does not know"),
        ("${NAME", "`${NAME` is followed by something that goose does not know"),
    ],
)
def test_what_goose_cannot_fill_is_told(line, why):
    with pytest.raises(NotFilled) as caught:
        filled(line, ENVIRON)
    assert str(caught.value) == why


@given(st.text(st.characters(exclude_characters="$\\")))
def test_a_line_without_variables_stays_as_it_is(line):
    assert filled(line, ENVIRON) == line


@given(st.text("${}:-?NAME012 \\", max_size=30))
def test_every_line_is_filled_or_refused(line):
    with suppress(NotFilled):
        filled(line, ENVIRON)
