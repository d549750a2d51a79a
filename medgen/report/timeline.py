"""Scores of a video against time: which frames stand out, and a figure of it."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from medgen.report.plot_style import ABNORMAL, INK, MUTED, NORMAL, STYLE, chart_png, plot_text

SHOWN = 8  # frames of a video that are shown
APART = 40  # parts of a video; two frames that are shown are at least one of them apart, so that one scene is shown once
GAP = 1.5  # times the usual distance of two frames, from which on the line between them is broken: what lay there was left out
Numbers = NDArray[np.float64]


def standing_out(seconds: Numbers, score: Numbers, threshold: float | None, most: int = SHOWN) -> list[int]:
    """Return the frames of a video that stand out, in the order of time.

    They are the highest scores above the threshold (all scores, where there is none), each a little apart from the others.

    Parameters
    ----------
    seconds : (N,) rising
    score : (N,); NaN where a frame has none
    threshold : of the run; None for none
    most : how many
    """
    least = -np.inf if threshold is None else threshold
    apart = float(np.ptp(seconds)) / APART if len(seconds) else 0.0
    chosen: list[int] = []
    for row in np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable").tolist():
        if len(chosen) == most or not score[row] > least:
            break
        if all(abs(seconds[row] - seconds[other]) > apart for other in chosen):
            chosen.append(row)
    return sorted(chosen)


def timeline_figure(
    name: str, seconds: Numbers, score: Numbers, threshold: float | None, chosen: Sequence[int], pictures: NDArray[np.uint8]
) -> bytes:
    """Draw score against time, the threshold, and above it the frames that stand out, as PNG.

    Parameters
    ----------
    name : of the video
    seconds, score : (N,); NaN where a frame has no score
    threshold : drawn as a line; None for none
    chosen : the frames that stand out
    pictures : (n, S, S, C) uint8, of each of them
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 4.6 if len(chosen) else 3.2), layout=ConstrainedLayoutEngine())
        grid = figure.add_gridspec(2 if len(chosen) else 1, SHOWN, height_ratios=(1, 2.2) if len(chosen) else (1,))
        for place, (row, picture) in enumerate(zip(chosen, pictures, strict=True)):
            axes = figure.add_subplot(grid[0, place])
            axes.imshow(picture if picture.shape[2] == 3 else picture[..., 0], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[], xlabel=f"{place + 1}: {clock(seconds[row])}")
            axes.grid(visible=False)
        axes = figure.add_subplot(grid[-1, :])
        axes.plot(*_with_gaps(seconds, score), color=NORMAL, linewidth=1, marker=".", markersize=3)
        if threshold is not None:
            axes.axhline(threshold, color=INK, linewidth=1.2, linestyle="-.", label=f"threshold {threshold:.4g}")
            above = score > threshold
            label = f"{int(above.sum())} of {len(score)} frames above it"
            axes.plot(seconds[above], score[above], color=ABNORMAL, linestyle="", marker=".", markersize=5, label=label)
            axes.legend(loc="upper right")
        for place, row in enumerate(chosen):
            axes.annotate(
                str(place + 1), (seconds[row], score[row]), (0, 5), textcoords="offset points", ha="center", color=MUTED
            )
        axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 3, 5, 6, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: clock(second)))
        axes.margins(y=0.15)
        axes.set(xlabel="time", ylabel="anomaly score", title=plot_text(name, 80))
        return chart_png(figure)


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, 1:02.5, with hours before them where there are any."""
    tenths = round(10 * float(seconds))
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600
    second = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{second}" if hours else f"{minutes}:{second}"


def _with_gaps(seconds: Numbers, score: Numbers) -> tuple[Numbers, Numbers]:
    """Return a line that is broken where frames were left out."""
    steps = np.diff(seconds)
    wide = np.flatnonzero(steps > GAP * np.median(steps)) + 1 if len(steps) else np.array([], dtype=np.int64)
    return np.insert(seconds, wide, np.nan), np.insert(score, wide, np.nan)
