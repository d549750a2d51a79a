"""The frames of a comparison: those that matter as pictures, all others as rows, both within a number of bytes."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import chain, repeat, zip_longest
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata

from medgen.data.writers.map_to_original import outlines
from medgen.files import json_values
from medgen.metrics.detection import Floats
from medgen.report.figures import heat
from medgen.report.markup import shown
from medgen.report.study.comparison import Comparison, Entry, FrameView
from medgen.types import LABELS

PICTURE_BYTES = 5_000_000  # of all pictures together, as text in the page
ROW_BYTES = 4_000_000  # of all rows
TYPICAL = 4_000  # bytes of one picture; how many frames are asked for
MOST = 160  # frames with pictures, however small these are
SIDE = 192  # pixels; larger frames are shrunk
QUALITY = 80  # of WebP


class Ranked(NamedTuple):
    """Scores of the first run of each entry, rows E, columns N.

    Attributes
    ----------
    scores : raw, NaN where there is none
    places : (E, N) in [0, 1], quantiles among normal validation frames; for a run without them its ranks among these frames
    flagged : (E, N), 1 flagged, 0 not, -1 no decision
    spread : (N,) largest minus smallest place: how much the entries disagree
    """

    scores: Floats
    places: Floats
    flagged: NDArray[np.int8]
    spread: Floats


def rank_frames(entries: Sequence[Entry]) -> Ranked:
    """Gather the scores of the first run of each entry."""
    tables = [entry.runs[0].scores for entry in entries]
    scores = np.stack([table["score"].to_numpy(dtype=float) for table in tables])
    places = np.stack([_places(table) for table in tables])
    flagged = np.stack([_flags(entry) for entry in entries])
    known = np.where(np.isfinite(places), places, np.nan)
    ends = [np.fmax.reduce(known, axis=0), np.fmin.reduce(known, axis=0)]
    return Ranked(scores, places, flagged, np.nan_to_num(ends[0] - ends[1]))


def _places(table: pd.DataFrame) -> Floats:
    if "quantile" in table and table["quantile"].notna().any():
        return table["quantile"].to_numpy(dtype=float)
    scores = table["score"].to_numpy(dtype=float)
    return np.where(np.isfinite(scores), rankdata(scores, nan_policy="omit") / max(1, np.isfinite(scores).sum()), np.nan)


def _flags(entry: Entry) -> NDArray[np.int8]:
    run = entry.runs[0]
    if "abnormal" in run.scores and run.scores["abnormal"].notna().all():
        return run.scores["abnormal"].to_numpy(dtype=np.int8)
    limit = (run.metrics.get("threshold") or {}).get("value")
    scores = run.scores["score"].to_numpy(dtype=float)
    return np.full(len(scores), -1, np.int8) if limit is None else (scores > limit).astype(np.int8)


def choose(table: pd.DataFrame, ranked: Ranked, names: Sequence[str], count: int) -> dict[int, str]:
    """Return which frames get pictures, and why: row -> reason, the most telling first.

    In turn: the frame that the entries disagree about most; of each entry the most anomalous normal and the least anomalous
    abnormal one; the next in disagreement; the middle one of each finding; and so on with the next of each.
    """
    label, finding = (table[column].fillna("").astype(str).to_numpy() for column in ("label", "finding"))
    apart = np.argsort(-ranked.spread, kind="stable")
    apart = apart[ranked.spread[apart] > 0]
    queues = [_because(apart[::2], "largest disagreement")]
    for name, scores in zip(names, ranked.scores, strict=True):
        order = np.argsort(scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        high, low = order[label[order] == LABELS[0]][::-1], order[label[order] == LABELS[1]]
        queues.append(_because(high, f"among the most anomalous normal frames for {name}"))
        queues.append(_because(low, f"among the least anomalous abnormal frames for {name}"))
    queues.append(_because(apart[1::2], "largest disagreement"))
    middle = np.nanmean(np.where(np.isfinite(ranked.places), ranked.places, 0), axis=0)
    for kind in sorted(set(finding)):
        rows = np.flatnonzero(finding == kind)
        order = rows[np.argsort(np.abs(middle[rows] - np.median(middle[rows])), kind="stable")]
        queues.append(_because(order, f"in the middle of “{kind or 'no finding named'}”"))
    chosen: dict[int, str] = {}
    for turn in chain.from_iterable(zip_longest(*queues)):
        if len(chosen) >= count:
            break
        if turn is not None:
            chosen.setdefault(*turn)
    return chosen


def _because(rows: NDArray[np.intp], reason: str) -> Iterator[tuple[int, str]]:
    return zip(rows.tolist(), repeat(reason))


def pictures(comparison: Comparison, names: Sequence[str], ranked: Ranked, budget: int = PICTURE_BYTES) -> dict[int, Any]:
    """Return row -> what is shown of that frame, as many of the chosen ones as `budget` bytes hold.

    Returns
    -------
    "why", "side" (pixels of a frame), "original" (an address that holds the picture), "contour" (SVG path of the truth in pixels
    of the frame, "" for none) and "entries": for each "reconstruction", "error" (pictures, or None) and "high", the error that
    the brightest colour stands for
    """
    each = TYPICAL * (1 + 2 * len(comparison.entries))
    chosen = choose(comparison.entries[0].runs[0].scores, ranked, names, min(MOST, max(1, budget // each)))
    found: dict[int, Any] = {
        row: {"why": shown(why), "original": None, "contour": "", "entries": []} for row, why in chosen.items()
    }
    for entry in comparison.entries:
        views = entry.frame_views(list(chosen))
        high = _bright(views)
        for row, view in zip(chosen, views, strict=True):
            frame = found[row]
            if frame["original"] is None:
                frame |= {"side": len(view.original), "original": _webp(view.original)}
            if not frame["contour"] and view.mask is not None and view.mask.any():
                frame["contour"] = _contour(view.mask, frame["side"])
            drawn = None if view.reconstruction is None else _webp(view.reconstruction)
            error = None if view.error is None else _webp(heat(view.error, view.valid, high))
            frame["entries"].append({"reconstruction": drawn, "error": error, "high": float(f"{high:.3g}")})
    return _within(found, budget)


def _within(found: dict[int, Any], budget: int) -> dict[int, Any]:
    """Return the first entries whose JSON fits into the budget."""
    kept, used = {}, 0
    for row, frame in found.items():
        used += len(json.dumps(frame))
        if used > budget:
            break
        kept[row] = frame
    return kept


def _bright(views: Sequence[FrameView]) -> float:
    """Return the error that the brightest colour stands for: the 99.5th percentile over all valid pixels."""
    pooled = [view.error[view.valid & np.isfinite(view.error)] for view in views if view.error is not None]
    values = np.concatenate([*pooled, np.empty(0)])
    return float(np.percentile(values, 99.5)) if values.size and values.max() > 0 else 1.0


def _webp(pixels: NDArray[np.uint8]) -> str:
    """Return (S, S, 3) as an address that holds the picture, no larger than `SIDE`."""
    image = Image.fromarray(pixels)
    if image.width > SIDE:
        image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    stream = BytesIO()
    image.save(stream, format="webp", quality=QUALITY, method=2)
    return "data:image/webp;base64," + b64encode(stream.getvalue()).decode()


def _contour(mask: NDArray[np.bool_], side: int) -> str:
    """Return the outlines of a mask as an SVG path in pixels of a frame of `side`, corners within a pixel of where they are."""
    scale = side / len(mask)
    lines = [cv2.approxPolyDP(line, 0.7, True)[:, 0] for line in outlines(mask.astype(np.float32), 0.5)]
    points = [" ".join(f"{scale * (x + 0.5):.4g},{scale * (y + 0.5):.4g}" for x, y in line) for line in lines]
    return "".join(f"M{line}Z" for line in points)


def rows(
    comparison: Comparison, names: Sequence[str], ranked: Ranked, first: Sequence[int], budget: int = ROW_BYTES
) -> dict[str, Any]:
    """Return the table of frames by columns: what JSON says in fewest bytes.

    Parameters
    ----------
    first : rows that must be there, as they have pictures; then those that the entries disagree about most, while `budget` lasts

    Returns
    -------
    "row" (place in the scores), "path", "label" and "finding" (places in "labels" and "findings"), "spread", "entries" (name,
    score, quantile, flagged), "total" frames
    """
    table = comparison.entries[0].runs[0].scores
    label, finding = (table[column].fillna("").astype(str).to_numpy() for column in ("label", "finding"))
    kinds, codes = np.unique(finding, return_inverse=True)
    paths = [shown(path) for path in table["path"]]
    sizes = 16 + 20 * len(names) + np.array([len(json.dumps(path, ensure_ascii=False).encode()) for path in paths], dtype=int)
    apart = np.argsort(-ranked.spread, kind="stable")
    order = np.array([*first, *apart[~np.isin(apart, first)]], dtype=int)
    kept = np.sort(order[: max(len(first), int(np.searchsorted(np.cumsum(sizes[order]), budget, side="right")))])
    return json_values(
        {
            "total": len(table),
            "labels": [*LABELS, "unlabelled"],
            "findings": [shown(kind) or "(none given)" for kind in kinds],
            "row": kept,
            "path": [paths[row] for row in kept],
            "label": [LABELS.index(label[row]) if label[row] in LABELS else len(LABELS) for row in kept],
            "finding": codes[kept],
            "spread": ranked.spread[kept].round(4),
            "entries": [
                {
                    "name": shown(name),
                    "score": [float(f"{value:.4g}") for value in ranked.scores[place, kept]],
                    "quantile": ranked.places[place, kept].round(4),
                    "flagged": ranked.flagged[place, kept],
                }
                for place, name in enumerate(names)
            ],
        }
    )
