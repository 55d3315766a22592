"""The report as a table for a terminal, wide or narrow; colours and symbols only repeat what words say."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from startupctl.outcome import Status, Verdict
from startupctl.reports.text import SYMBOLS, ascii_form, tamed
from startupctl.reports.words import HEADINGS, Role, closing, row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.outcome import Report

STYLES = {
    Status.SUCCESS: "green",
    Status.DEGRADED: "yellow",
    Status.FAILED: "bold red",
    Status.SKIPPED: "cyan",
    Status.CANCELLED: "magenta",
    Status.RETRYING: "yellow",
    Status.RUNNING: "blue",
    Status.WAITING: "dim",
    Status.PENDING: "dim",
}
_VERDICT_STYLES = {Verdict.READY: "bold green", Verdict.DEGRADED: "bold yellow", Verdict.FAILED: "bold red"}
_ROLE_STYLES = {
    Role.ROOT: "bold",
    Role.ERROR: "red",
    Role.ADVICE: "cyan",
    Role.CONSEQUENCE: "dim",
    Role.WARNING: "yellow",
}
_COLUMNS = ((0, 1, 2, 3, 4, 5), (0, 1, 4, 5), (0, 1, 4))  # of HEADINGS; the first choice that fits is taken
_NAME, _DETAIL = HEADINGS.index("COMPONENT"), HEADINGS.index("DETAIL")
_LEAST_DETAIL = 24  # cells; rather than less, other columns are left out
_GAP = 2


def render(report: Report, *, width: int, color: bool, ascii_only: bool) -> str:
    """Return the final table and what is to be said below it, in lines of at most `width` cells.

    The table cuts long errors; below it every root cause stands in full.
    """
    page = Console(
        file=StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        legacy_windows=False,
    )
    lines = [*_table(report, width, ascii_only=ascii_only), Text(), *_closing(report, page, ascii_only=ascii_only)]
    with page.capture() as captured:
        page.print(Text("\n").join(lines), soft_wrap=True)
    return tamed(captured.get())


def fitted(text: Text, width: int, *, ascii_only: bool) -> Text:
    """Cut the text to `width` cells, in place, and return it."""
    text.truncate(width, overflow="crop" if ascii_only else "ellipsis")
    return text


def _table(report: Report, width: int, *, ascii_only: bool) -> Iterator[Text]:
    styles, rows = ["bold"], [list(HEADINGS)]
    for outcome in report.outcomes.values():
        status, *cells = (ascii_form(cell) if ascii_only else cell for cell in row(outcome))
        styles.append(STYLES[outcome.status])
        rows.append([f"{SYMBOLS[outcome.status][ascii_only]} {status}", *cells])
    columns = _fitting([max(map(cell_len, column)) for column in zip(*rows, strict=True)], width)
    for style, cells in zip(styles, rows, strict=True):
        line = Text(style="bold" if cells is rows[0] else "")
        for column, room in columns.items():
            cell = fitted(Text(cells[column], style if column == 0 else ""), room, ascii_only=ascii_only)
            line.append_text(cell).append(" " * (room - cell.cell_len + _GAP))
        line.rstrip()
        yield fitted(line, width, ascii_only=ascii_only)


def _fitting(widths: Sequence[int], width: int) -> dict[int, int]:
    """Choose the columns, and return how many cells each gets."""
    for choice in _COLUMNS:
        fixed = sum(widths[column] + _GAP for column in choice if column != _DETAIL)
        left = width - fixed
        if _DETAIL in choice and left >= min(_LEAST_DETAIL, widths[_DETAIL]):
            return {column: widths[column] for column in choice} | {_DETAIL: min(left, widths[_DETAIL])}
    name = max(1, widths[_NAME] + min(0, left + _GAP))
    return {column: widths[column] for column in choice} | {_NAME: name}


def _closing(report: Report, page: Console, *, ascii_only: bool) -> Iterator[Text]:
    for line in closing(report):
        style = _VERDICT_STYLES[report.verdict] if line.role is Role.VERDICT else _ROLE_STYLES.get(line.role, "")
        text = Text(ascii_form(line.text) if ascii_only else line.text, style)
        for piece in text.wrap(page, max(1, page.width - _GAP * line.depth)):
            piece.rstrip()
            yield Text(" " * (_GAP * line.depth)).append_text(piece)
