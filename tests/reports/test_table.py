from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from reports.samples import FUNCTION_FAILED, SAMPLES, outcome, report
from startupctl.diagnosis import Diagnosis
from startupctl.outcome import Status
from startupctl.reports import table

ANY_TEXT = st.text(st.characters())


def render(sample, width=80, *, color=False, ascii_only=False):
    return table.render(sample, width=width, color=color, ascii_only=ascii_only)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_table_is_the_golden_one_and_fits_the_width(name, width, golden):
    text = render(SAMPLES[name], width)
    golden(f"{name}-{width}.table", text)
    assert max(map(cell_len, text.splitlines())) <= width


@pytest.mark.parametrize("name", SAMPLES)
def test_in_ascii_every_character_is_ascii(name):
    text = render(SAMPLES[name], ascii_only=True)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80


def test_colours_change_no_word():
    plain, coloured = render(SAMPLES["failed"]), render(SAMPLES["failed"], color=True)
    assert "\x1b[1;31m✘ failed" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_without_colours_there_is_no_escape_sequence():
    assert not any("\x1b" in render(sample) for sample in SAMPLES.values())


def test_no_color_in_the_environment_is_obeyed_even_when_colours_were_asked_for(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3\d", render(SAMPLES["failed"], color=True))


def test_markup_of_rich_in_outside_text_is_text():
    text = render(SAMPLES["foreign"], 200, color=True)
    assert "[red]name[/red]" in text
    assert "[bold]tag[/]" in text


def test_long_names_make_other_columns_give_way():
    sample = report(outcome("catalogue-service-primary-database", facts={"version": "18.1", "role": "primary"}))
    head = render(sample).splitlines()[0].split()
    assert head == ["STATUS", "COMPONENT", "TIME", "DETAIL"]
    assert "catalogue-service-primary-database" in render(sample)


@given(said=ANY_TEXT, name=ANY_TEXT, width=st.integers(1, 200), ascii_only=st.booleans())
def test_whatever_comes_from_outside_lines_are_harmless_and_fit(said, name, width, ascii_only):
    diagnosis = Diagnosis(FUNCTION_FAILED, {"kind": said}, said=said)
    sample = report(outcome(name, Status.FAILED, diagnosis=diagnosis, runbook=said), outcome("ok", facts={name: said}))
    lines = render(sample, width, ascii_only=ascii_only).split("\n")
    assert all(line.isprintable() for line in lines)
    assert max(map(cell_len, lines)) <= max(width, 3)  # two steps of indentation and one letter


def test_a_report_without_components_has_its_heading():
    assert render(report()).startswith("STATUS")
