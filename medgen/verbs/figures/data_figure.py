"""Show what a data set holds: how large its frames are, a few of each class, and augmented copies beside their originals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.pixel_format import to_uint8
from medgen.data.prepared import Prepared, PrepareSettings, evenly_spaced, is_prepared, open_prepared
from medgen.data.preparing.inspect import Inspection, inspect_source
from medgen.data.source_file import SourceFile
from medgen.data.sources import read_source
from medgen.errors import ImageError
from medgen.outputs.own_files import check_picture, write_picture
from medgen.report.figures import image_grid, stacked
from medgen.report.plot_style import ABNORMAL, GREEN, INK, MUTED, NORMAL, STYLE, chart_png, new_figure, plot_text
from medgen.runs.made_of import made_of
from medgen.types import OnProgress, no_progress
from medgen.verbs.figures.crop_steps import middle_frame, square_tile

PER_CLASS = 3  # frames of each class
N_ORIGINALS = 4  # frames that are shown beside their copies
SIDE, ACROSS = 144, 6  # pixels of a frame, classes beside each other
N_CURVES = 8  # classes with a line of their own in the histograms

Pixels = NDArray[np.uint8]
Part = tuple[str, bytes]  # title and PNG


def data_figure(
    source: Path,
    out: Path,
    inspection: Inspection | None = None,
    on_progress: OnProgress = no_progress,
) -> Path:
    """Write one picture of a data set: histograms of the sizes of its frames, and three frames of each class; return `out`.

    Of a prepared data set the sizes are those of the frames it was made of and the frames are its crops; where it has augmented
    copies, some originals stand beside theirs.

    Parameters
    ----------
    source : raw frames or a prepared data set
    out : the picture (PNG)
    inspection : what `inspect` found of raw frames; None looks first

    Raises
    ------
    DataError : if the source holds no frames.
    FolderError : if `out` is there and is no picture of this source.

    Examples
    --------
    >>> api.data_figure(FRAMES, OUT / "frames.png").name
    'frames.png'
    """
    of = check_figure(source, out)
    parts = _of_prepared(open_prepared(source)) if is_prepared(source) else _of_raw(source, inspection, on_progress)
    titles, pictures = zip(*parts, strict=True)
    write_picture(out, stacked(pictures, titles, width=1400), of)
    return out


def check_figure(source: Path, out: Path) -> Mapping[str, str]:
    """Return what the picture will say that it is made of.

    Raises
    ------
    FolderError : if `out` is there and is no picture of this source.
    ConfigError : if it has the ending of another kind of picture.
    """
    of = made_of(out.parent, source=source)
    check_picture(out, of)
    return of


def _of_prepared(data: Prepared) -> Iterator[Part]:
    originals = data.index[data.index["copy"] == 0]
    yield "Sizes of the frames that it was made of", size_histogram(originals)
    names = _classes(originals["finding"], originals["label"])
    chosen = {name: evenly_spaced(len(rows), PER_CLASS) for name, rows in names.items()}
    yield from _of_classes({name: [_crop(data, names[name][place]) for place in places] for name, places in chosen.items()})
    copied = np.flatnonzero(originals["id"].isin(data.index["id"][data.index["copy"] > 0]))
    if len(copied):
        rows = [_with_copies(data, int(copied[place])) for place in evenly_spaced(len(copied), N_ORIGINALS)]
        titles = ["original", *(f"copy {number}" for number in range(1, len(rows[0])))]
        yield "Originals and their augmented copies", image_grid(rows, titles, SIDE)


def _of_raw(source: Path, inspection: Inspection | None, on_progress: OnProgress) -> Iterator[Part]:
    inspection = inspection or inspect_source(source, on_progress)
    yield "Sizes of the frames", size_histogram(inspection.sizes)
    entries = read_source(source, modality=inspection.settings.modality)
    names = _classes([entry.finding for entry in entries], [entry.label for entry in entries])
    unread = set(inspection.rejected["file"])
    frames = {}
    for name, rows in names.items():
        readable = [entries[row] for row in rows if entries[row].file not in unread]
        chosen = [readable[place] for place in evenly_spaced(len(readable), PER_CLASS)]
        frames[name] = [tile for entry in chosen if (tile := _raw(entry, inspection.settings)) is not None]
    yield from _of_classes(frames)


def _of_classes(frames: dict[str, list[Pixels]]) -> Iterator[Part]:
    """Yield a column for each class, `ACROSS` of them beside each other."""
    names = list(frames)
    for start in range(0, len(names), ACROSS):
        shown = names[start : start + ACROSS]
        rows = [[frames[name][row] if row < len(frames[name]) else None for name in shown] for row in range(PER_CLASS)]
        yield (f"{PER_CLASS} frames of each class" if not start else "and of those behind"), image_grid(rows, shown, SIDE)


def _classes(findings: Sequence[str] | pd.Series, labels: Sequence[str] | pd.Series) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each class, sorted by name: finding, else label."""
    names = np.array([finding or label or "unlabelled" for finding, label in zip(findings, labels, strict=True)])
    return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def _crop(data: Prepared, row: int) -> Pixels:
    return square_tile(np.asarray(data.frames[np.array([row])][0]), SIDE)


def _with_copies(data: Prepared, row: int) -> list[Pixels | None]:
    """Return an original and its copies, in the order of their numbers."""
    mine = data.index[data.index["id"] == data.index["id"].iloc[row]].sort_values("copy")
    return [_crop(data, int(place)) for place in mine.index]


def _raw(entry: SourceFile, settings: PrepareSettings) -> Pixels | None:
    try:
        return square_tile(to_uint8(middle_frame(entry, settings).pixels), SIDE)
    except ImageError:
        return None


def size_histogram(sizes: pd.DataFrame) -> bytes:
    """Draw how many frames of each class are how wide and how high, as PNG.

    Parameters
    ----------
    sizes : finding, width and height in pixels, and frames of that size (1 where there is no such column)
    """
    import matplotlib

    counts = sizes["frames"].to_numpy() if "frames" in sizes else np.ones(len(sizes))
    names = sizes["finding"].replace("", "no finding").to_numpy()
    common = pd.Series(counts).groupby(names).sum().sort_values(ascending=False, kind="stable").index[:N_CURVES]
    with matplotlib.rc_context(STYLE):
        figure, panes = new_figure(2, (4.6, 2.8))
        for axes, side in zip(panes, ("width", "height"), strict=True):
            values = sizes[side].to_numpy(dtype=float)
            edges = np.histogram_bin_edges(values, bins=30)
            total = np.histogram(values, edges, weights=counts)[0]
            axes.stairs(total, edges, fill=True, color=MUTED, alpha=0.25, label="all")
            looks = cycle([(NORMAL, "-"), (ABNORMAL, "--"), (GREEN, "-."), (INK, ":")])
            for name, (colour, line) in zip(common if len(common) > 1 else (), looks, strict=False):
                own = np.histogram(values[names == name], edges, weights=counts[names == name])[0]
                axes.stairs(own, edges, color=colour, linestyle=line, linewidth=1.4, label=plot_text(str(name)))
            axes.set(xlabel=f"{side}, pixels", ylabel="frames")
        figure.legend(*panes[0].get_legend_handles_labels(), loc="outside right upper")
        return chart_png(figure)
