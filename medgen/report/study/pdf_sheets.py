"""Sheets of paper: figures, tables and text laid out on pages of a PDF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from textwrap import wrap

import matplotlib
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from medgen.report.plot_style import INK, MUTED, RULE, STYLE, lay_out, plot_text

PAGE = (11.7, 8.3)  # inches, A4 across
LINES = 38  # of a page of text
RESEARCH = "For research only. It must never be used for diagnosis or for the care of a patient."
Rows = Sequence[Sequence[str]]


def as_pdf(title: str, pages: Iterable[Figure]) -> bytes:
    """Return the pages as a PDF, numbered; they are drawn in the style of the house. Equal pages give equal bytes."""
    stream = BytesIO()
    facts = {
        "Title": plot_text(title, 120),
        "Subject": RESEARCH,
        "Creator": None,
        "Producer": None,
        "CreationDate": None,
    }
    with matplotlib.rc_context(STYLE | {"pdf.fonttype": 42}), PdfPages(stream, metadata=facts) as pdf:
        for number, figure in enumerate(pages, 1):
            figure.text(0.5, 0.012, f"{RESEARCH}   {number}", ha="center", fontsize=7, color=MUTED)
            lay_out(figure, "pdf")
            pdf.savefig(figure)
    return stream.getvalue()


def titled(figure: Figure, title: str) -> Figure:
    """Put a figure on the upper part of a page, in the proportions that it was made in."""
    width, height = figure.get_size_inches()
    share = min(0.88, 0.94 * PAGE[0] * height / width / PAGE[1])
    figure.set_size_inches(PAGE)
    figure.text(0.03, 0.945, plot_text(title, 130), fontsize=14, color=INK)
    figure.get_layout_engine().set(rect=(0.02, 0.92 - share, 0.96, share))  # type: ignore[union-attr, call-arg]
    return figure


def table_pages(title: str, head: Sequence[str], rows: Rows, notes: Sequence[str] = ()) -> Iterator[Figure]:
    """Lay rows out as a table, on as many pages as it takes; nothing where there is no row."""
    cells = [[_wrapped(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(line) for row in cells for line in row[column]) + 2 for column in range(len(head))]
    size = min(8.5, 1250 / sum(widths))
    step = size * 1.45 / 72 / PAGE[1]  # of a line, as a share of the page
    figure, y = None, 0.0
    for row in cells[1:]:
        if figure is None or y - step * (max(map(len, row)) + 1) < 0.05:
            if figure is not None:
                yield figure
            figure = Figure(figsize=PAGE)
            figure.text(0.03, 0.945, plot_text(title, 110), fontsize=14, color=INK)
            y = _notes(figure, 0.945, notes)
            y = _row(figure, y - 0.03, cells[0], widths, size, step, MUTED)
            notes = ()
        y = _row(figure, y, row, widths, size, step, INK)
    if figure is not None:
        yield figure


def _notes(figure: Figure, y: float, notes: Sequence[str]) -> float:
    for line in (line for note in notes for line in wrap(plot_text(note, 2000), 165)):
        y -= 0.025
        figure.text(0.03, y, line, fontsize=8.5, color=MUTED)
    return y


def _row(
    figure: Figure, y: float, cells: Sequence[Sequence[str]], widths: Sequence[int], size: float, step: float, colour: str
) -> float:
    """Write one row with a rule below it and return where the next one begins."""
    x = 0.03
    for lines, width in zip(cells, widths, strict=True):
        figure.text(x, y, "\n".join(lines), fontsize=size, color=colour, va="top", linespacing=1.35)
        x += 0.94 * width / max(sum(widths), 120)
    y -= step * (max(map(len, cells)) + 0.35)
    figure.add_artist(Line2D([0.03, 0.97], [y, y], color=RULE, linewidth=0.6))
    return y - 0.35 * step


def _wrapped(text: str) -> list[str]:
    """Return a cell's lines as any font can draw them, none longer than 30 characters."""
    lines = [line for part in text.split("\n") for line in wrap(plot_text(part, 90), 30)]
    return lines or [""]


def text_pages(title: str, lines: Sequence[str]) -> Iterator[Figure]:
    """Lay lines out as text of one width, on as many pages as it takes."""
    cut = [part for line in lines for part in (wrap(plot_text(line, 2000), 150, subsequent_indent="    ") or [""])]
    for start in range(0, len(cut), LINES):
        figure = Figure(figsize=PAGE)
        figure.text(0.03, 0.945, title, fontsize=14, color=INK)
        text = "\n".join(cut[start : start + LINES])
        figure.text(0.03, 0.92, text, fontsize=8, color=INK, family="DejaVu Sans Mono", va="top", linespacing=1.4)
        yield figure
