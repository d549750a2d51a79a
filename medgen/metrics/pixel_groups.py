"""How sure pixel measures are: a bootstrap over groups of frames, from one small histogram for each group.

A draw of the bootstrap is a reweighting of groups, and all pixel measures are made of sums over groups. So the pixels of each
group are counted once, in bins that are the same for all of them, and each draw costs a product of weights and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.metrics.detection import ratio, resamples
from medgen.metrics.intervals import Floats
from medgen.metrics.pixel import WITH_FINDING, region_shares

STEPS = 64  # bins hold at most this part of the normal pixels, or of those of findings
TOP = 0.06  # share of the normal pixels, the highest, that is divided as finely again: AUPRO up to 0.05 sees these alone
SAMPLE = 2**18  # pixels of each class from which the ends of the bins are chosen, about

Block = tuple[NDArray, NDArray, NDArray]  # maps, masks, valid: (B, S, S) each


class PixelSample:
    """Evenly spaced pixels of maps that are read, from which the ends of bins are chosen.

    Parameters
    ----------
    pixels : how many there are in all, about
    """

    def __init__(self, pixels: int) -> None:
        self.step = max(1, pixels // SAMPLE)
        self._normal: list[NDArray[np.float32]] = []
        self._abnormal: list[NDArray[np.float32]] = []

    def passing(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the blocks again, each once its pixels are noted."""
        for maps, masks, valid in blocks:
            scores, truth, inside = np.asarray(maps, np.float32), np.asarray(masks, bool), np.asarray(valid, bool)
            self._normal.append(scores[inside & ~truth][:: self.step])
            self._abnormal.append(scores[inside & truth])  # few, and all are needed
            yield maps, masks, valid

    def ends(self) -> Floats:
        """Return the rising ends between bins, (K - 1,)."""
        shares = np.arange(1, STEPS) / STEPS
        normal, abnormal = (np.concatenate(parts) if parts else np.empty(0) for parts in (self._normal, self._abnormal))
        levels = [(normal, shares), (normal, 1 - TOP * shares), (abnormal, shares)]
        found = [np.quantile(values, at, method="lower") for values, at in levels if values.size]
        return np.unique(np.concatenate(found)) if found else np.empty(0)


class GroupedPixels:
    """Pixel AUROC, average precision, AUPRO and Dice in each draw of a bootstrap over groups.

    The measures are those of `medgen.metrics.pixel.PixelHistogram`, in coarser bins.

    Parameters
    ----------
    ends : (K - 1,) rising; a bin holds scores above its lower and up to its upper end, so equal scores are in one bin
    units : (N,) the group of each frame, in the order in which they come
    limits : the largest false positive rate of each AUPRO
    threshold : score above which a pixel is positive, for Dice; None for no Dice
    """

    def __init__(
        self, ends: Floats, units: ArrayLike, limits: Sequence[float] = (0.3, 0.05), threshold: float | None = None
    ) -> None:
        self.ends, self.limits, self.threshold = ends, tuple(limits), threshold
        names, self._codes = np.unique(np.asarray(units).astype(str), return_inverse=True)
        self._groups, self._bins, self._read = len(names), len(ends) + 1, 0
        shape = (self._groups, self._bins)
        self.normal = np.zeros(shape)  # valid pixels without a finding, of frames without one
        self.beside = np.zeros(shape)  # the same of frames with one
        self.abnormal = np.zeros(shape)
        self.overlap = np.zeros(shape)  # each weighted by 1 / valid pixels of its region
        self.dice = np.zeros((self._groups, 4))  # sum of Dice, annotated frames, true positives, positives plus annotated pixels

    def update(self, maps: ArrayLike, masks: ArrayLike, valid: ArrayLike) -> None:
        """Count the pixels of the next frames, (B, S, S) each, as `PixelHistogram.update` does."""
        scores, truth, inside = np.asarray(maps, np.float32), np.asarray(masks, bool), np.asarray(valid, bool)
        codes = self._codes[self._read : self._read + len(scores)]  # (B,)
        self._read += len(scores)
        bins = np.searchsorted(self.ends, scores) + (codes * self._bins)[:, None, None]  # (B, S, S)
        abnormal, annotated = truth & inside, np.asarray(truth.any((1, 2)))[:, None, None]
        self._add(self.normal, bins[inside & ~annotated])
        self._add(self.beside, bins[inside & ~truth & annotated])
        self._add(self.abnormal, bins[abnormal])
        self._add(self.overlap, bins[abnormal], region_shares(truth, inside))
        if self.threshold is not None:
            self._add_dice((scores > np.float32(self.threshold)) & inside, abnormal, codes)

    def draws(self, n_bootstrap: int = 2000, seed: int = 0) -> dict[str, Floats]:
        """Return each measure in each draw, (n_bootstrap,); (0,) where either kind of pixels comes from fewer than two groups.

        Groups are drawn as `medgen.metrics.detection.bootstrap` draws them, with pixels for observations: those with pixels of
        findings apart from those without. The same groups and seed give the same draws, so that two kinds of maps are paired.
        """
        normal, abnormal = ((counts.sum(1) > 0) for counts in (self.normal + self.beside, self.abnormal))  # (G,)
        codes = np.concatenate([np.flatnonzero(normal), np.flatnonzero(abnormal)])
        labels = np.arange(codes.size) >= normal.sum()
        missing = np.setdiff1d(np.arange(self._groups), codes)  # groups without a valid pixel: drawn by nobody
        if missing.size:
            codes = np.searchsorted(np.unique(codes), codes)
        kept = np.delete(np.arange(self._groups), missing)
        blocks = [self.figures(weights, kept) for weights in resamples(labels, codes, n_bootstrap, seed)]
        return {key: np.concatenate([block[key] for block in blocks] or [np.empty(0)]) for key in (blocks or [self.figures()])[0]}

    def figures(self, weights: ArrayLike | None = None, groups: NDArray[np.intp] | None = None) -> dict[str, Floats]:
        """Return each measure with groups weighted, (D,) each; NaN where one kind of pixels has no weight.

        Parameters
        ----------
        weights : (D, G), at least 0; 1 each if not given
        groups : (G,) which groups they weigh, all by default
        """
        kept = np.arange(self._groups) if groups is None else groups
        by_group = np.ones((1, kept.size)) if weights is None else np.asarray(weights, dtype=np.float64)
        normal, beside, abnormal, overlap = (
            _falling(by_group @ counts[kept]) for counts in (self.normal, self.beside, self.abnormal, self.overlap)
        )
        figures = {}
        for end, false, limits in (("", normal + beside, self.limits), (WITH_FINDING, beside, self.limits[:1])):
            figures[f"auroc{end}"] = area(false, abnormal, 1)
            figures[f"average_precision{end}"] = average_precision(false, abnormal)
            figures |= {f"aupro_{limit:g}{end}": area(false, overlap, limit) for limit in limits}
        if self.threshold is not None:
            dice, annotated, hits, total = (by_group @ self.dice[kept]).T
            figures |= {"dice": ratio(dice, annotated), "dice_pooled": np.where(annotated > 0, ratio(2 * hits, total), np.nan)}
        return figures

    def _add(self, counts: Floats, bins: NDArray[np.int64], weights: Floats | None = None) -> None:
        counts += np.bincount(bins, weights, minlength=counts.size).reshape(counts.shape)

    def _add_dice(self, positive: NDArray[np.bool_], abnormal: NDArray[np.bool_], codes: NDArray[np.intp]) -> None:
        hits, annotated, called = ((pixels).sum((1, 2)) for pixels in (positive & abnormal, abnormal, positive))  # (B,)
        known, total = annotated > 0, annotated + called
        parts = (np.where(known, ratio(2.0 * hits, total.astype(float)), 0), known, hits, total)
        np.add.at(self.dice, codes, np.stack(parts, axis=1).astype(float))


def area(false: Floats, overlap: Floats, limit: float) -> Floats:
    """Return the area under overlap over false positive rate up to the limit, divided by it; (D, K + 1) counts to (D,)."""
    x, y = ratio(false, false[:, -1:]), ratio(overlap, overlap[:, -1:])
    left, right = np.minimum(x[:, :-1], limit), np.minimum(x[:, 1:], limit)
    width = right - left
    part = np.divide(width, np.diff(x), out=np.zeros_like(width), where=np.diff(x) > 0)  # of a step that lies below the limit
    return (width * (y[:, :-1] + np.diff(y) * part / 2)).sum(1) / limit


def average_precision(false: Floats, true: Floats) -> Floats:
    """Return the average precision; (D, K + 1) counts to (D,); NaN where one kind of pixels lacks."""
    called = (false + true)[:, 1:]
    precision = np.divide(true[:, 1:], called, out=np.zeros_like(called), where=called > 0)
    value = ratio((np.diff(true) * precision).sum(1), true[:, -1])
    return np.where(false[:, -1] > 0, value, np.nan)


def _falling(counts: Floats) -> Floats:
    """Return how many pixels there are from the highest bin down to each, behind a 0, (D, K + 1)."""
    sums = np.zeros((len(counts), counts.shape[1] + 1))
    np.cumsum(counts[:, ::-1], axis=1, out=sums[:, 1:])
    return sums
