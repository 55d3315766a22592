import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from startupctl.versions import Constraint, VersionField


@pytest.mark.parametrize(
    ("constraint", "version", "admitted"),
    [
        (">=15", "15.18", True),
        (">=15", "14.9", False),
        (">=15,<17", "16.4", True),
        (">=15,<17", "17.0", False),
        (">=24.3", "26.9.1.1", True),
        (">=24.10", "24.9.3", False),
        ("==18", "18.6", True),
        ("18", "18.6", True),
        ("=18.6", "18.7", False),
        ("<=15", "15.18", True),
        (">15", "15.18", False),
        (">15", "16", True),
        ("!=26.3", "26.3.9", False),
        (">= 7.2.4", "7.2", False),
        ("v9", "9.1.2", True),
        (">=15", "15.18 (Debian 15.18-0+deb12u1)", True),
        (">=18", "18beta1", True),
        (">=1", "unknown", False),
    ],
)
def test_a_constraint_compares_as_many_numbers_as_it_names(constraint, version, admitted):
    assert Constraint.parse(constraint).admits(version) is admitted


@pytest.mark.parametrize("text", ["", "latest", ">=", "=>15", ">=15,", "15.x", "15 16", "~=15", "\u0661\u0665"])
def test_anything_else_is_no_constraint(text):
    with pytest.raises(ValueError, match="not a version constraint"):
        Constraint.parse(text)


def test_a_field_reads_a_constraint_and_names_what_it_wanted():
    class Expect(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        version: VersionField

    assert str(Expect(version=">=15, <17").version) == ">=15, <17"
    with pytest.raises(ValidationError, match="not a version constraint"):
        Expect(version="newest")
    assert Expect.model_json_schema()["properties"]["version"]["type"] == ["string", "number"]


numbers = st.lists(st.integers(0, 99), min_size=1, max_size=4)


@given(numbers, numbers)
def test_of_two_versions_exactly_one_order_holds(wanted, seen):
    limit, version = ".".join(map(str, wanted)), ".".join(map(str, seen))
    assert sum(Constraint.parse(sign + limit).admits(version) for sign in ("<", "==", ">")) == 1
