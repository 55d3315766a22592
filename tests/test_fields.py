"""The vocabulary of the manifest: durations, sizes, priorities, secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.fields import Priority, Secret, is_secret_name, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("1m30s", 90),
        ("2h", 7200),
        ("0", 0),
        ("2.5", 2.5),
        (3, 3),
        ("1.5s", 1.5),
        (" 5s ", 5),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["-1", "-5s", "nan", "inf", "5 minutes", "5d", "s", "", "1_000", "5s5", "1e400", "0x10"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="not a duration such as"):
        parse_seconds(text)


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_is_its_number_times_its_unit(number, unit):
    assert parse_seconds(f"{number}{unit}") == pytest.approx(number * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit])


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MiB", 512 * 2**20), ("2GB", 2 * 10**9), ("1 KiB", 1024), ("100", 100), ("1.5kB", None), ("7B", 7)],
)
def test_a_size_is_read(text, size):
    if size is None:
        with pytest.raises(ValueError, match="not a size"):
            parse_bytes(text)
    else:
        assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["-1", "5XB", "MiB", "", "1 2", "1e3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="not a size"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["critical", "Critical", "CRITICAL", " critical "])
def test_a_priority_is_read_in_any_case(text):
    assert Priority.parse(text) is Priority.CRITICAL


def test_priorities_are_ordered_by_how_much_they_matter():
    assert sorted(Priority) == [Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL]


def test_an_unknown_priority_is_answered_with_the_four():
    with pytest.raises(ValueError, match="CRITICAL, HIGH, MEDIUM, LOW"):
        Priority.parse("urgent")


def test_a_secret_shows_itself_nowhere():
    secret = Secret("correct-horse")
    assert "horse" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "correct-horse"
    assert secret == Secret("correct-horse") != Secret("other")


@pytest.mark.parametrize(
    "name", ["PGPASSWORD", "api_token", "AWS_SECRET_ACCESS_KEY", "Sentry_DSN", "DB_PWD", "credentials"]
)
def test_a_name_that_says_secret_is_one(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["HOME", "DATABASE_URL", "PORT"])
def test_other_names_are_none(name):
    assert not is_secret_name(name)
