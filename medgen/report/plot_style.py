"""What every figure shares: colours, style, axes, and the way to bytes.

Charts are SVG and their text is text. They use a handful of fixed colours that colour-blind readers tell apart (Okabe and Ito
2008, https://jfly.uni-koeln.de/color/), and line styles beside them; a page may swap these colours for those of its theme.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from medgen.files import PICTURE

if TYPE_CHECKING:  # matplotlib takes long to import, and who only writes pictures of pixels draws no chart
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE = "#1b2430", "#5a6675", "#ccd3da"
NORMAL, ABNORMAL, UNKNOWN, GREEN = "#0072b2", "#d55e00", "#7d7d7d", "#009e73"
LOG_FROM = 20  # a log scale serves where the largest value is at least this many times the smallest
STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "medgen",
}


def new_figure(panes: int, size: tuple[float, float], columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Return a figure of `panes` charts of `size` inches each, at most `columns` to a row."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(columns, max(1, panes))
    rows = -(-panes // columns)
    engine = ConstrainedLayoutEngine(hspace=0.08)
    figure = Figure(figsize=(size[0] * columns, size[1] * max(1, rows)), layout=engine)
    return figure, [figure.add_subplot(rows, columns, pane + 1) for pane in range(panes)]


def log_axis(axes: Axes, which: str, ratio: float) -> bool:
    """Make axis `which` logarithmic, with plain numbers, where its values span a `ratio` of `LOG_FROM` or more."""
    if ratio < LOG_FROM:
        return False
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 300 else (1, 3) if ratio < 10**4 else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
    return True


def plot_text(text: str, most: int = 40) -> str:
    """Return a name as printable ASCII, shortened: what any font can draw, on one line."""
    text = "".join(c if c.isprintable() else " " for c in text).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= most else text[: most - 3] + "..."


def lay_out(figure: Figure, kind: str, dpi: int | None = None) -> None:
    """Give the figure's parts the places at which they are saved as `kind` ("svg", "png", "pdf"), with `dpi` dots to an inch.

    Where `savefig` has to do this, it draws the figure once more for it than this does.
    """
    from matplotlib.backend_bases import get_registered_canvas_class

    if engine := figure.get_layout_engine():
        figure.set_dpi(dpi or figure.dpi)
        get_registered_canvas_class(kind)(figure)  # which measures text as that kind does
        engine.execute(figure)
        figure.set_layout_engine(None)


def to_svg(figure: Figure) -> bytes:
    """Return the figure as SVG: no background, no date, so that equal data give equal bytes."""
    stream = BytesIO()
    lay_out(figure, "svg")
    figure.savefig(stream, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return stream.getvalue()


def chart_png(figure: Figure) -> bytes:
    """Return the figure as PNG of 120 dots to an inch; equal data give equal bytes."""
    stream = BytesIO()
    lay_out(figure, "png", 120)
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()


def to_png(image: Image.Image) -> bytes:
    """Return the picture as PNG."""
    stream = BytesIO()
    image.save(stream, **PICTURE)
    return stream.getvalue()
