"""Figures: pure functions from data to SVG or PNG bytes. Who draws no chart is spared the import of matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from itertools import cycle
from typing import Protocol

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from medgen.metrics.detection import roc
from medgen.report.plot_style import (
    ABNORMAL,
    GREEN,
    INK,
    MUTED,
    NORMAL,
    STYLE,
    UNKNOWN,
    log_axis,
    new_figure,
    plot_text,
    to_png,
    to_svg,
)
from medgen.report.run_report_data import Panel

TILE = 288  # pixels; frames are shown near this side


def score_histogram(score: ArrayLike, label: Sequence[str], threshold: float | None) -> bytes:
    """Draw how the scores of each label spread, as shares of that label's frames.

    Parameters
    ----------
    score : (N,) raw scores; those that are not finite are left out
    label : N of "normal", "abnormal" or "" (drawn as unlabelled)
    threshold : drawn as a line; None for none

    Returns
    -------
    SVG; the score axis is logarithmic where the scores are positive and span a factor of 100 or more.
    """
    import matplotlib

    raw = np.asarray(score, dtype=float)
    names, raw = np.asarray(label, dtype=str)[np.isfinite(raw)], raw[np.isfinite(raw)]
    edges, log = score_bins(raw)
    raw = np.clip(raw, edges[0], edges[-1])  # rounding must not lose the outermost
    looks = {"normal": (NORMAL, "-", None), "abnormal": (ABNORMAL, "--", "////"), "": (UNKNOWN, ":", None)}
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = new_figure(1, (5.6, 3.5))
        for name, (colour, line, hatch) in looks.items():
            if count := int((names == name).sum()):
                share = 100 * np.histogram(raw[names == name], edges)[0] / count
                axes.stairs(share, edges, fill=True, facecolor=colour, alpha=0.22, edgecolor="none")
                key = f"{name or 'unlabelled'} ({count})"
                axes.stairs(share, edges, color=colour, linestyle=line, linewidth=1.6, hatch=hatch, label=key)
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="-.", label=f"threshold {threshold:.4g}")
        log_axis(axes, "x", edges[-1] / edges[0] if log else 0)
        axes.set(xlabel="anomaly score" + (" (log scale)" if log else ""), ylabel="share of the label's frames, %")
        axes.legend(*axes.get_legend_handles_labels())
        return to_svg(figure)


def score_bins(raw: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Return the edges of a histogram of finite scores (N,), and whether they call for a logarithmic axis.

    They do where they are positive and span a factor of 100 or more.
    """
    log = bool(raw.size and raw.min() > 0 and raw.max() / raw.min() >= 100)
    values = np.log10(raw) if log else raw
    if values.size and np.ptp(values) <= 1e-12 * np.abs(values).max():
        values = values[:1]  # all alike but for rounding, which has no room for bins
    edges = np.histogram_bin_edges(values, bins=int(np.clip(np.sqrt(raw.size), 12, 40)))
    return (10**edges if log else edges), log


def roc_curve(score: ArrayLike, positive: ArrayLike, operating: tuple[float, float] | None = None) -> bytes:
    """Draw the ROC curve as SVG.

    Parameters
    ----------
    score : (N,) finite, higher is more anomalous
    positive : (N,) bool, holding both values
    operating : (false alarm rate, sensitivity) at the threshold, drawn as a dot; None for none
    """
    import matplotlib

    alarms, sensitivity = roc(np.asarray(positive, dtype=int), score)
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = new_figure(1, (3.9, 3.5))
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1, label="guessing")
        axes.plot(alarms, sensitivity, color=NORMAL, linewidth=1.8, label="this run")
        if operating:
            axes.plot(*operating, "o", color=ABNORMAL, markersize=6, label="at the threshold", clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
        axes.set(xlabel="normal frames flagged (1 - specificity)", ylabel="abnormal frames found (sensitivity)")
        axes.legend(loc="lower right")
        return to_svg(figure)


def loss_curves(history: pd.DataFrame) -> bytes:
    """Draw each loss over the epochs, training and validation together, then notes, learning rates and diagnoses.

    `history` has one row per epoch: epoch, and any of train.<loss>, val.<loss>, note.<name>, lr.<player>, diagnosis.<name>. The
    result is SVG; an axis is logarithmic where its values are positive and span a factor of `plot_style.LOG_FROM` or more.
    """
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    panes = _panes(history)
    with matplotlib.rc_context(STYLE):
        figure, all_axes = new_figure(len(panes), (3.25, 2.3))
        for axes, (title, curves) in zip(all_axes, panes.items(), strict=True):
            looks = cycle([(INK, "-"), (GREEN, "--"), (NORMAL, "-."), (ABNORMAL, ":")])
            values = np.concatenate([*curves.values()])
            for curve, (colour, line) in zip(curves.values(), looks, strict=False):
                measured = np.isfinite(curve)  # what is measured every few epochs is joined across those between
                sparse = measured.sum() < 3 or measured.sum() < 0.6 * np.ptp(np.flatnonzero(measured))
                axes.plot(history["epoch"][measured], curve[measured], color=colour, linestyle=line, marker="o" if sparse else "",
                          markersize=3, linewidth=1.5)  # fmt: skip
            positive = np.isfinite(values).any() and np.nanmin(values) > 0
            log = log_axis(axes, "y", np.nanmax(values) / np.nanmin(values) if positive else 0)
            axes.set(title=plot_text(title) + (" (log scale)" if log else ""), xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
            if not title.endswith(f": {next(iter(curves))}"):
                axes.legend(axes.lines, [*map(plot_text, curves)], handlelength=2.4)
        return to_svg(figure)


def _panes(history: pd.DataFrame) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return title -> legend -> values of each chart that the columns call for, leaving out empty columns."""
    panes: dict[str, dict[str, NDArray[np.float64]]] = {}
    kinds = {"train": "training", "val": "validation", "note": "note", "lr": "learning rate", "diagnosis": "diagnosis"}
    for kind in kinds:
        for column in history.columns:
            prefix, _, name = str(column).partition(".")
            values = pd.to_numeric(history[column], errors="coerce").to_numpy(dtype=float)
            if prefix == kind and name and np.isfinite(values).any():
                title, key = (name, kinds[kind]) if kind in ("train", "val") else (f"{kind}: {name}", name)
                panes.setdefault(kinds[kind] if kind == "lr" else title, {})[key] = np.where(np.isfinite(values), values, np.nan)
    return panes


def heat(error: NDArray[np.float32], valid: NDArray[np.bool_], high: float) -> NDArray[np.uint8]:
    """Colour an error map, (S, S) to (S, S, 3): inferno from 0 (black) to `high` (pale yellow), hatched grey where not valid.

    `high` is > 0 and in the unit of `error`; values outside [0, high] take the colour of the end.
    """
    scaled = np.clip(np.nan_to_num(np.asarray(error, dtype=float), posinf=high) / max(high, 1e-30), 0, 1)
    levels = np.minimum(256 * scaled, 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]  # matplotlib's, without its import
    rows, columns = np.indices(valid.shape)
    hatched = np.where((rows + columns) % 6 < 2, 110, 168)[..., None]
    return np.where(valid[..., None], colours, hatched).astype(np.uint8)


class WithErrorMap(Protocol):
    """A frame with an error map (S, S), or None, and its valid pixels (S, S)."""

    @property
    def error(self) -> NDArray[np.float32] | None: ...

    @property
    def valid(self) -> NDArray[np.bool_]: ...


def error_scale(frames: Sequence[WithErrorMap]) -> float:
    """Return the error that the brightest colour stands for: the 99.5th percentile over all valid pixels of all frames."""
    pooled = [frame.error[frame.valid & np.isfinite(frame.error)] for frame in frames if frame.error is not None]
    values = np.concatenate([*pooled, np.empty(0)])
    return float(np.percentile(values, 99.5)) if values.size and values.max() > 0 else 1.0


def reconstruction_panel(panel: Panel, high: float) -> dict[str, bytes]:
    """Return the frame, its truth, reconstruction and error map as PNG, those that exist, near `TILE` pixels wide.

    The truth contour, where there is a mask, is a white line in a black one around the finding, on frame and error map.
    """
    pictures = {"original": panel.original, "truth": panel.truth, "reconstruction": panel.reconstruction}
    if panel.error is not None:
        pictures["error map"] = heat(panel.error, panel.valid, high)
    outlined = {"original", "error map"} if panel.mask is not None and panel.mask.any() else set()
    tiles = {}
    for name, pixels in pictures.items():
        if pixels is not None:
            tile = _tile(pixels, TILE)
            tiles[name] = to_png(Image.fromarray(_outline(tile, panel.mask) if name in outlined else tile))
    return tiles


def colour_bar() -> bytes:
    """Return the colours of `heat` from 0 on the left to its end on the right, as PNG."""
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (12, 1))
    return to_png(Image.fromarray(heat(ramp, np.ones(ramp.shape, dtype=bool), 1)))


def image_grid(
    rows: Sequence[Sequence[NDArray[np.uint8] | None]], titles: Sequence[str] = (), side: int = 128, paper: str = ""
) -> bytes:
    """Lay frames out in rows and columns.

    Parameters
    ----------
    rows : of (S, S, 3) or (S, S) uint8; None leaves a gap
    titles : one per column; () for none
    side : each frame is shown near this many pixels wide; small frames grow by whole factors, so that their pixels stay visible
    paper : colour around the frames; "" for white where there are titles, else transparent

    Returns
    -------
    PNG
    """
    tiles = [[None if frame is None else _tile(frame, side) for frame in row] for row in rows]
    width = max((tile.shape[1] for row in tiles for tile in row if tile is not None), default=side)
    gap, head = 4, 22 if titles else 0
    columns = max((len(row) for row in rows), default=0)
    size = (columns * (width + gap) + gap, head + len(rows) * (width + gap) + gap)
    canvas = Image.new("RGB", size, paper or "white") if titles or paper else Image.new("RGBA", size, (0, 0, 0, 0))
    font, draw = ImageFont.load_default(13), ImageDraw.Draw(canvas)
    for column, title in enumerate(titles[:columns]):
        text = plot_text(title)
        while text and font.getlength(text) > width:
            text = text[:-1]
        draw.text((gap + column * (width + gap), gap), text, fill=INK, font=font)
    for y, row in enumerate(tiles):
        for x, tile in enumerate(row):
            if tile is not None:
                canvas.paste(Image.fromarray(tile), (gap + x * (width + gap), head + gap + y * (width + gap)))
    return to_png(canvas)


def squares(blocks: Sequence[NDArray[np.uint8]], side: int = 0) -> bytes:
    """Lay blocks of as many frames each, (N, S, S, C), out as squares side by side, as PNG; `side` 0 shows them at their own."""
    columns = math.isqrt(len(blocks[0]) - 1) + 1
    rows: list[list[NDArray[np.uint8] | None]] = []
    for start in range(0, len(blocks[0]), columns):
        parts = [[*block[start : start + columns], *[None] * columns][:columns] for block in blocks]
        rows.append([frame for part in parts for frame in (*part, None)][:-1])
    return image_grid(rows, side=side or blocks[0].shape[1])


def stacked(pictures: Sequence[bytes], titles: Sequence[str], width: int = 900) -> bytes:
    """Put PNG pictures, no wider than `width` pixels, below each other, each under its title; return a PNG."""
    opened = [Image.open(BytesIO(picture)).convert("RGBA") for picture in pictures]
    tiles = [tile.resize((width, round(tile.height * width / tile.width))) if tile.width > width else tile for tile in opened]
    head = 22
    canvas = Image.new("RGBA", (max(tile.width for tile in tiles), sum(head + tile.height for tile in tiles)), "white")
    draw, top = ImageDraw.Draw(canvas), 0
    for tile, title in zip(tiles, titles, strict=True):
        draw.text((4, top + 4), plot_text(title), fill=INK, font=ImageFont.load_default(13))
        canvas.paste(tile, (0, top + head), tile)
        top += head + tile.height
    return to_png(canvas.convert("RGB"))


def sample_grid(samples: NDArray[np.uint8], columns: int = 3) -> bytes:
    """Lay the first `columns` x `columns` of (N, S, S, 3) uint8 samples out in a square, as PNG."""
    return image_grid([list(samples[start : start + columns]) for start in range(0, columns**2, columns)], side=144)


def _tile(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return (S, S, 3), (S, S, 1) or (S, S) as RGB near `side`: grown by a whole factor, or shrunk by averaging."""
    pixels = np.repeat(np.atleast_3d(pixels), 3, axis=2) if np.atleast_3d(pixels).shape[2] == 1 else pixels
    if (factor := round(side / len(pixels))) > 1:
        return pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.asarray(Image.fromarray(pixels).reduce(max(1, len(pixels) // side)))


def _outline(tile: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Draw the inner border of `mask` on a tile of any scale: two pixels of white between one of black on either side."""
    inside = [np.asarray(Image.fromarray(np.asarray(mask)).resize(tile.shape[1::-1], Image.Resampling.NEAREST))]
    for _ in range(4):
        wide = np.pad(inside[-1], 1, constant_values=False)
        inside.append(wide[1:-1, 1:-1] & wide[2:, 1:-1] & wide[:-2, 1:-1] & wide[1:-1, 2:] & wide[1:-1, :-2])
    tile = np.where((inside[0] & ~inside[4])[..., None], np.uint8(0), tile)
    return np.where((inside[1] & ~inside[3])[..., None], np.uint8(255), tile).astype(np.uint8)
