"""The report as a table for a terminal, wide or narrow; colours and symbols only repeat what words say."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from startupctl.outcome import Status, Verdict
from startupctl.reports.text import SYMBOLS, ascii_form, tamed
from startupctl.reports.words import HEADINGS, Role, closing, row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
_LEAST_DETAIL = 24  # cells; rather than less, other columns are left out
_GAP = 2


class Columns(NamedTuple):
    """Which columns of a table are shown: the first of `choices` that fits; `detail` is cut first, then `name`."""

    choices: tuple[tuple[int, ...], ...]
    name: int
    detail: int


_COLUMNS = Columns(
    choices=((0, 1, 2, 3, 4, 5), (0, 1, 4, 5), (0, 1, 4)),
    name=HEADINGS.index("COMPONENT"),
    detail=HEADINGS.index("DETAIL"),
)


def render(report: Report, *, width: int, color: bool, ascii_only: bool) -> str:
    """Return the final table and what is to be said below it, in lines of at most `width` cells.

    The table cuts long errors; below it every root cause stands in full.
    """
    page = console(width, color=color)
    lines = [*_table(report, width, ascii_only=ascii_only), Text(), *_closing(report, page, ascii_only=ascii_only)]
    return printed(lines, page)


def console(width: int, *, color: bool) -> Console:
    """Return what lines of at most `width` cells are printed on."""
    return Console(
        file=StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        legacy_windows=False,
    )


def printed(lines: Sequence[Text], page: Console) -> str:
    """Return lines as text, with the control codes of their colours where the page takes them."""
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
        status, *cells = row(outcome)
        styles.append(STYLES[outcome.status])
        rows.append([f"{SYMBOLS[outcome.status][ascii_only]} {status}", *cells])
    return laid_out(rows, styles, _COLUMNS, width, ascii_only=ascii_only)


def laid_out(
    rows: Sequence[Sequence[str]], styles: Sequence[str], columns: Columns, width: int, *, ascii_only: bool
) -> Iterator[Text]:
    """Yield the lines of a table, its headings the first; the first cell of a row has the style of the row."""
    if ascii_only:
        rows = [[ascii_form(cell) for cell in cells] for cells in rows]
    rooms = _fitting([max(map(cell_len, column)) for column in zip(*rows, strict=True)], columns, width)
    for style, cells in zip(styles, rows, strict=True):
        line = Text(style="bold" if cells is rows[0] else "")
        for column, room in rooms.items():
            cell = fitted(Text(cells[column], style if column == 0 else ""), room, ascii_only=ascii_only)
            line.append_text(cell).append(" " * (room - cell.cell_len + _GAP))
        line.rstrip()
        yield fitted(line, width, ascii_only=ascii_only)


def _fitting(widths: Sequence[int], columns: Columns, width: int) -> dict[int, int]:
    """Choose the columns, and return how many cells each gets."""
    name, detail = columns.name, columns.detail
    for choice in columns.choices:
        fixed = sum(widths[column] + _GAP for column in choice if column != detail)
        left = width - fixed
        if detail in choice and left >= min(_LEAST_DETAIL, widths[detail]):
            return {column: widths[column] for column in choice} | {detail: min(left, widths[detail])}
    room = max(1, widths[name] + min(0, left + _GAP))
    return {column: widths[column] for column in choice} | {name: room}


def wrapped(
    lines: Iterable[str], page: Console, *, ascii_only: bool, style: str = "", depth: int = 0
) -> Iterator[Text]:
    """Yield lines, those that are too long as several; `depth` steps of indentation before each."""
    for line in lines:
        text = Text(ascii_form(line) if ascii_only else line, style)
        for piece in text.wrap(page, max(1, page.width - _GAP * depth)) or [Text()]:
            piece.rstrip()
            yield Text(" " * (_GAP * depth)).append_text(piece)


def _closing(report: Report, page: Console, *, ascii_only: bool) -> Iterator[Text]:
    for line in closing(report):
        style = _VERDICT_STYLES[report.verdict] if line.role is Role.VERDICT else _ROLE_STYLES.get(line.role, "")
        yield from wrapped([line.text], page, ascii_only=ascii_only, style=style, depth=line.depth)
