from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.reports.text import ascii_form, encodable, shown, span, takes_color, takes_symbols, tamed, times


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain text", "plain text"),
        ("caf\xe9 \u5b57 \U0001f600", "caf\xe9 \u5b57 \U0001f600"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("line\u2028break", r"line\u2028break"),
        ("\udc80", r"\udc80"),
        ("  FATAL: no\n", "FATAL: no"),
        ("nul\x00", r"nul\x00"),
    ],
)
def test_control_characters_are_escaped_and_letters_stay(raw, expected):
    assert shown(raw) == expected


@given(st.text(st.characters()))
def test_shown_text_is_one_printable_line_that_utf8_can_carry(raw):
    assert shown(raw).isprintable()
    shown(raw).encode("utf-8")


@given(st.text(st.characters()))
def test_escaping_twice_changes_nothing(raw):
    assert shown(shown(raw)) == shown(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("::error::x", ": :error::x"),
        ("fine\n  ::set-env name=x::y", "fine\n  : :set-env name=x::y"),
        ("std::vector is fine", "std::vector is fine"),
        ("before ##[error]after", "before ## [error]after"),
    ],
)
def test_a_runner_of_github_reads_no_command(raw, expected, monkeypatch):
    assert tamed(raw) == raw
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert tamed(raw) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "-"),
        (0, "0.00s"),
        (0.0123, "0.01s"),
        (9.99, "9.99s"),
        (9.999, "10.0s"),
        (30.02, "30.0s"),
        (59.96, "1m00s"),
        (59.94, "59.9s"),
        (125, "2m05s"),
        (3600, "60m00s"),
    ],
)
def test_spans_are_short(seconds, expected):
    assert span(seconds) == expected


def test_counts_agree_with_their_noun():
    assert [times(count, "attempt") for count in (0, 1, 2)] == ["0 attempts", "1 attempt", "2 attempts"]


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", False), ("latin-1", False), ("utf-8", True)])
def test_symbols_are_used_where_the_encoding_takes_all_of_them(encoding, expected):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert takes_symbols(stream) is expected
    stream.write(encodable("\u2714 caf\xe9", stream))


def test_ascii_form_keeps_ascii():
    assert ascii_form("ok caf\xe9 \u2714") == r"ok caf\xe9 \u2714"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert takes_color(Terminal())
    assert not takes_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not takes_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not takes_color(Terminal())
