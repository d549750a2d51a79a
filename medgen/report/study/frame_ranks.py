"""The scores of a comparison frame by frame: how high each run ranks each frame, and which frames are worth a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat, zip_longest
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from medgen.data.scorable import is_scored
from medgen.metrics.intervals import Floats
from medgen.report.study.comparison import Entry
from medgen.types import LABELS


class RankedFrames(NamedTuple):
    """Scores of the first run of each entry, rows E, columns N.

    Attributes
    ----------
    scores : (E, N) raw, NaN where there is none
    quantiles : (E, N) in [0, 1], among normal validation frames; of a run without them its ranks among these frames
    flagged : (E, N), 1 flagged, 0 not, -1 no decision
    disagreement : (N,) largest minus smallest quantile of a frame
    """

    scores: Floats
    quantiles: Floats
    flagged: NDArray[np.int8]
    disagreement: Floats


def rank_frames(entries: Sequence[Entry]) -> RankedFrames:
    """Gather the scores of the first run of each entry."""
    tables = [entry.runs[0].scores for entry in entries]
    scores = np.stack([table["score"].to_numpy(dtype=float) for table in tables])
    quantiles = np.stack([_quantiles(table) for table in tables])
    flagged = np.stack([_flags(entry) for entry in entries])
    known = np.where(np.isfinite(quantiles), quantiles, np.nan)
    disagreement = np.fmax.reduce(known, axis=0) - np.fmin.reduce(known, axis=0)
    return RankedFrames(scores, quantiles, flagged, np.nan_to_num(disagreement))


def _quantiles(table: pd.DataFrame) -> Floats:
    if "quantile" in table and table["quantile"].notna().any():
        return table["quantile"].to_numpy(dtype=float)
    scores = table["score"].to_numpy(dtype=float)
    return np.where(np.isfinite(scores), rankdata(scores, nan_policy="omit") / max(1, np.isfinite(scores).sum()), np.nan)


def _flags(entry: Entry) -> NDArray[np.int8]:
    run = entry.runs[0]
    if "abnormal" in run.scores and run.scores["abnormal"].notna()[is_scored(run.scores)].all():
        flags = run.scores["abnormal"].astype("boolean")
        return np.where(flags.isna(), -1, flags.fillna(False)).astype(np.int8)
    limit = (run.metrics.get("threshold") or {}).get("value")
    scores = run.scores["score"].to_numpy(dtype=float)
    if limit is None:
        return np.full(len(scores), -1, np.int8)
    return np.where(np.isnan(scores), -1, scores > limit).astype(np.int8)


def by_disagreement(ranked: RankedFrames) -> NDArray[np.intp]:
    """Return the rows of all frames, (N,), those that the entries disagree about most first."""
    return np.argsort(-ranked.disagreement, kind="stable")


def choose_frames(table: pd.DataFrame, ranked: RankedFrames, names: Sequence[str], count: int) -> dict[int, str]:
    """Return which frames get pictures, and why: row -> reason, the most telling first.

    In turn: the frame that the entries disagree about most; of each entry the most anomalous normal and the least anomalous
    abnormal one; the next in disagreement; the middle one of each finding; and so on with the next of each.

    Parameters
    ----------
    table : N rows with label and finding
    ranked : scores of these rows
    names : of the entries
    count : how many frames are chosen, at most
    """
    label, finding = (table[column].fillna("").astype(str).to_numpy() for column in ("label", "finding"))
    disputed = by_disagreement(ranked)
    disputed = disputed[ranked.disagreement[disputed] > 0]
    queues = [_because(disputed[::2], "largest disagreement")]
    for name, scores in zip(names, ranked.scores, strict=True):
        order = np.argsort(scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        high, low = order[label[order] == LABELS[0]][::-1], order[label[order] == LABELS[1]]
        queues.append(_because(high, f"among the most anomalous normal frames for {name}"))
        queues.append(_because(low, f"among the least anomalous abnormal frames for {name}"))
    queues.append(_because(disputed[1::2], "largest disagreement"))
    mean = np.nanmean(np.where(np.isfinite(ranked.quantiles), ranked.quantiles, 0), axis=0)
    has_score = np.isfinite(ranked.scores).any(axis=0)
    for kind in sorted(set(finding[has_score])):
        rows = np.flatnonzero((finding == kind) & has_score)
        order = rows[np.argsort(np.abs(mean[rows] - np.median(mean[rows])), kind="stable")]
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
