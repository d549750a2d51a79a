"""Pixel-level detection: how well score maps find the annotated pixels, as AUROC, average precision, AUPRO and Dice.

Score maps, annotation masks and valid masks come in batch by batch; the figures over all of them go out. Histograms stand for the
pixels, so that memory does not grow with the number of frames.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError

BLOCK = 2**20  # pixels that are counted at once
WITH_FINDING = "_with_finding"  # ends the keys of measures over the pixels of frames with a finding alone
PAGE = 2**10  # bins that are noted together as in use, so that millions of empty ones are not looked through
NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # in (B, S, S): all 8 within a frame
Floats = NDArray[np.float64]


class PixelHistogram:
    """Pixel AUROC, average precision, AUPRO and Dice of any number of maps, from histograms of fixed size.

    A bin holds the float32 scores that share their first `bits` bits: sign, exponent and leading digits. So the range of scores
    need not be known beforehand, and the results are exactly those of scores cut to bits - 9 binary digits behind the leading
    one, by default to one part in 32,768. `errors` bounds how far each is from that of the uncut scores: less than 1e-4 with 24
    bits, if the scores of either class spread evenly over a factor of two or more; each bit less doubles it. The three histograms
    have 384 MB of address space, but the system gives memory only to the parts that hold scores.

    A pixel is called abnormal (positive) if its score > threshold.

    AUPRO is the area under the per-region overlap up to a false positive rate, divided by that rate (Bergmann et al. 2021, The
    MVTec Anomaly Detection Dataset). The overlap is the share of a region's pixels that is positive, averaged over all annotated
    regions. Regions are 8-connected, as in the authors' code, and are formed before invalid pixels are left out; a region without
    a valid pixel does not count.

    Dice is twice the true positives, divided by the positives and the annotated pixels together. It needs no histogram, so it has
    no error.

    Parameters
    ----------
    limits : the largest false positive rate of each AUPRO, in (0, 1]
    threshold : score above which a pixel is positive, for Dice; None for no Dice. It must not have been chosen by labels
    bits : leading bits of a score that tell its bin, 10 to 24

    Raises
    ------
    MedgenError : if a limit or the bits are out of range.
    """

    def __init__(self, limits: tuple[float, ...] = (0.3, 0.05), threshold: float | None = None, bits: int = 24) -> None:
        if not all(0 < limit <= 1 for limit in limits) or not 10 <= bits <= 24:
            raise MedgenError(f"PixelHistogram got limits={limits}, bits={bits}; expected limits in (0, 1] and 10 to 24 bits")
        self.limits, self.threshold, self.bits = limits, threshold, bits
        self.frames = self.regions = 0
        self.normal = np.zeros(2**bits, dtype=np.int64)  # valid pixels without finding
        self.abnormal = np.zeros(2**bits, dtype=np.int64)  # valid pixels of a finding
        self.overlap = np.zeros(2**bits)  # the same, each weighted by 1 / valid pixels of its region
        self._pages = np.zeros(2**bits // PAGE, dtype=bool)  # whether any of `PAGE` bins is in use
        self._hits = self._total = 0  # true positives; positives plus annotated pixels
        self._dice, self._annotated = 0.0, 0  # sum of Dice over frames with a valid annotated pixel, and their number

    def update(self, maps: ArrayLike, masks: ArrayLike, valid: ArrayLike) -> None:
        """Count the pixels of a batch; a normal frame has an empty mask.

        Parameters
        ----------
        maps : (B, S, S) float, taken as float32; higher is more anomalous
        masks : (B, S, S) bool, True where the finding is
        valid : (B, S, S) bool; other pixels do not count

        Raises
        ------
        MedgenError : if the shapes differ or a valid pixel has no score (NaN).
        """
        scores, truth, inside = np.asarray(maps), np.asarray(masks), np.asarray(valid)
        if scores.ndim != 3 or not scores.shape == truth.shape == inside.shape:
            raise MedgenError(
                f"maps {scores.shape}, masks {truth.shape} and valid {inside.shape} differ; expected (B, S, S) each"
            )
        step = max(1, BLOCK // max(1, scores[:1].size))
        for start in range(0, len(scores), step):
            part = slice(start, start + step)
            self._count(scores[part].astype(np.float32), truth[part].astype(bool), inside[part].astype(bool))

    def compute(self) -> dict[str, float]:
        """Return the figures, in [0, 1]; NaN while there are no normal, or no annotated, pixels.

        Returns
        -------
        auroc, average_precision, aupro_<limit>
        dice : mean over the frames with a valid pixel of a finding; only with a threshold
        dice_pooled : of the pixels of all frames together, normal ones included; only with a threshold
        error_bound : the largest of `errors`
        frames : number of frames
        """
        curves = self._curves()
        figures = {
            "auroc": _area(curves.false_positives, curves.true_positives, 1),
            "average_precision": _average_precision(curves),
            **{f"aupro_{limit:g}": _area(curves.false_positives, curves.overlap, limit) for limit in self.limits},
        }
        if self.threshold is not None:
            figures["dice"] = self._dice / self._annotated if self._annotated else float("nan")
            figures["dice_pooled"] = 2 * self._hits / self._total if self._annotated else float("nan")
        return figures | {"error_bound": max(_errors(curves, self.limits).values()), "frames": self.frames}

    def errors(self) -> dict[str, float]:
        """Return the most by which each figure from a histogram can differ from that of the uncut scores.

        Nothing is assumed of the order of the scores in a bin, nor of ties between them; so where truly equal scores fill a bin,
        the bound is larger than the error. NaN while there are no normal, or no annotated, pixels.
        """
        return _errors(self._curves(), self.limits)

    def _curves(self) -> PixelCurves:
        """Return the counts at or above each bin in use, from the highest score down."""
        pages = np.flatnonzero(self._pages)[:, None]  # (P, 1)
        bins = (pages * PAGE + np.arange(PAGE)).ravel()[::-1]
        used = bins[(self.normal[bins] > 0) | (self.abnormal[bins] > 0)]  # (K,)
        return PixelCurves(*(np.append(0.0, np.cumsum(counts[used])) for counts in (self.normal, self.abnormal, self.overlap)))

    def _count(self, scores: NDArray[np.float32], truth: NDArray[np.bool_], inside: NDArray[np.bool_]) -> None:
        if np.isnan(scores[inside]).any():
            raise MedgenError("a score map holds NaN at a valid pixel; expected a number at each")
        bins = self._bins(scores)
        self._pages[bins[inside] // PAGE] = True
        np.add.at(self.normal, bins[inside & ~truth], 1)  # touches no memory but theirs, as bincount would
        self.frames += len(scores)
        abnormal = truth & inside
        shares = region_shares(truth, inside)
        np.add.at(self.abnormal, bins[abnormal], 1)
        np.add.at(self.overlap, bins[abnormal], shares)
        self.regions += round(float(shares.sum()))
        if self.threshold is not None:
            self._count_dice((scores > np.float32(self.threshold)) & inside, abnormal)

    def _count_dice(self, positive: NDArray[np.bool_], abnormal: NDArray[np.bool_]) -> None:
        """Count the pixels for Dice: those above the threshold (B, S, S) and the annotated ones (B, S, S)."""
        hits = (positive & abnormal).sum((1, 2))  # (B,)
        annotated = abnormal.sum((1, 2))  # (B,)
        total = positive.sum((1, 2)) + annotated  # (B,)
        self._hits += int(hits.sum())
        self._total += int(total.sum())
        self._dice += float((2 * hits[annotated > 0] / total[annotated > 0]).sum())
        self._annotated += int((annotated > 0).sum())

    def _bins(self, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the first bits of each score, as an integer that rises with the score."""
        raw = (scores + np.float32(0)).view(np.uint32)  # + 0 makes -0 the 0 that it equals
        ordered = np.where(raw >> 31, ~raw, raw | np.uint32(1 << 31))
        return (ordered >> np.uint32(32 - self.bits)).astype(np.int64)


def region_shares(truth: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Floats:
    """Return of each valid annotated pixel, (M,) in the order of the array, which share of its region's valid pixels it is.

    Parameters
    ----------
    truth : (B, S, S) True where the finding is; its regions are 8-connected within a frame
    inside : (B, S, S) True where a pixel is valid
    """
    from scipy import ndimage  # long to import, and who only scores frames counts none

    annotated = truth.any((1, 2))  # (B,); the other frames have no region
    regions, _ = ndimage.label(truth[annotated], structure=NEIGHBOURS)  # (B', S, S), 0 outside the regions
    sizes = np.bincount(regions[inside[annotated]])
    shares: Floats = 1 / sizes[regions[(truth & inside)[annotated]]]
    return shares


class PixelCurves(NamedTuple):
    """Counts at or above each of K falling scores, with 0 before the first: (K + 1,) each.

    Attributes
    ----------
    false_positives : normal pixels
    true_positives : annotated pixels
    overlap : sum over regions of the share of their pixels
    """

    false_positives: Floats
    true_positives: Floats
    overlap: Floats


def _rates(counts: Floats) -> Floats:
    """Return the counts as shares of the last, NaN where that is 0."""
    return counts / counts[-1] if counts[-1] else np.full_like(counts, np.nan)


def _area(false: Floats, overlap: Floats, limit: float) -> float:
    """Return the area under overlap over false positive rate up to the limit, divided by it."""
    x, y = _rates(false), _rates(overlap)
    below = x <= limit  # NaN is not
    end = np.interp(limit, x, y)
    return float(np.trapezoid(np.append(y[below], end), np.append(x[below], limit)) / limit) if below.any() else float("nan")


def _area_error(false: Floats, overlap: Floats, limit: float) -> float:
    """Return how far `_area` can be off: the curve of any order within the bins lies between the two step functions."""
    x, y = _rates(false), _rates(overlap)
    width = np.diff(np.minimum(x, limit))  # (K,)
    area, lowest, highest = _area(false, overlap, limit), (width * y[:-1]).sum() / limit, (width * y[1:]).sum() / limit
    return float(np.maximum(highest - area, area - lowest))


def _average_precision(curves: PixelCurves) -> float:
    false, true, _ = curves
    if not false[-1] or not true[-1]:
        return float("nan")
    return float((np.diff(true) * true[1:] / (false + true)[1:]).sum() / true[-1])


def _average_precision_error(curves: PixelCurves) -> float:
    """Return how far from `_average_precision` it is with a bin's normal pixels all above, or all below its abnormal ones.

    Below, the precision is best, and the same for every abnormal pixel of the bin if they tie. Above, the i-th of a bin's a
    abnormal pixels, T others before it, has at least (T + i) / (T + i + F), F the normals to the end of the bin: summed over i
    that is a - F (digamma(T + a + F + 1) - digamma(T + F + 1)).
    """
    from scipy.special import digamma

    value = _average_precision(curves)
    if np.isnan(value):
        return value
    hits = np.diff(curves.true_positives) > 0  # (K,)
    before, after = curves.true_positives[:-1][hits], curves.true_positives[1:][hits]
    passed, false = curves.false_positives[:-1][hits], curves.false_positives[1:][hits]
    highest = ((after - before) * after / (after + passed)).sum() / after[-1]
    lowest = (after - before - false * (digamma(after + false + 1) - digamma(before + false + 1))).sum() / after[-1]
    return float(max(highest - value, value - lowest))


def _errors(curves: PixelCurves, limits: tuple[float, ...]) -> dict[str, float]:
    return {
        "auroc": _area_error(curves.false_positives, curves.true_positives, 1),
        "average_precision": _average_precision_error(curves),
        **{f"aupro_{limit:g}": _area_error(curves.false_positives, curves.overlap, limit) for limit in limits},
    }
