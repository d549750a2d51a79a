"""How well score maps find the annotated pixels, streamed so that memory does not grow with the number of frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from medgen.errors import MedgenError
from medgen.metrics.detection import auroc, average_precision, roc

PIXELS = 2**20  # pixels worked on at once
TOUCHING = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # neighbours in (B, S, S): all 8, in one frame


class PixelHistogram:
    """Pixel AUROC, average precision and AUPRO of any number of maps, from histograms of fixed size (24 MB).

    A bin holds the float32 scores that share their first `bits` bits: sign, exponent and leading digits. So no range need be
    known beforehand, and the results are exactly those of scores cut to bits - 9 binary digits behind the leading one, by default
    to one part in 2,048. `auroc_error` bounds how far the AUROC is from that of the uncut scores.

    AUPRO is the area under the per-region overlap up to a false positive rate, divided by that rate (Bergmann et al. 2021, The
    MVTec Anomaly Detection Dataset); the overlap is the mean over annotated regions of the share of their pixels that is found.
    Regions are 8-connected, as in the authors' code, and found before invalid pixels are left out; a region without a valid pixel
    does not count.

    Parameters
    ----------
    limit : largest false positive rate of the AUPRO, in (0, 1]
    bits : 10 to 24
    """

    def __init__(self, limit: float = 0.3, bits: int = 20) -> None:
        if not 0 < limit <= 1 or not 10 <= bits <= 24:
            raise MedgenError(f"PixelHistogram got limit={limit}, bits={bits}; expected a limit in (0, 1] and 10 to 24 bits")
        self.limit, self.bits = limit, bits
        self.frames = self.regions = 0
        self.normal = np.zeros(2**bits, dtype=np.int64)  # valid pixels without finding
        self.abnormal = np.zeros(2**bits, dtype=np.int64)  # valid pixels of a finding
        self.overlap = np.zeros(2**bits)  # the same, each weighted by 1 / valid pixels of its region

    def update(self, maps: ArrayLike, masks: ArrayLike, valid: ArrayLike) -> None:
        """Count the pixels of some frames; a normal frame has an empty mask.

        Parameters
        ----------
        maps : (B, S, S) float, higher is more anomalous
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
        step = max(1, PIXELS // max(1, scores[:1].size))
        for start in range(0, len(scores), step):
            part = slice(start, start + step)
            self._count(scores[part].astype(np.float32), truth[part].astype(bool), inside[part].astype(bool))

    def compute(self) -> dict[str, float]:
        """Return "auroc", "average_precision", "aupro_<limit>" (in [0, 1]; NaN while a kind of pixel is missing) and "frames"."""
        labels, bins, pixels = self._points()
        found = np.concatenate([self.normal[self.normal > 0], self.overlap[self.abnormal > 0]])
        return {
            "auroc": float(auroc(labels, bins, pixels)),
            "average_precision": float(average_precision(labels, bins, pixels)),
            f"aupro_{self.limit:g}": _area(*roc(labels, bins, found), self.limit),
            "frames": self.frames,
        }

    def auroc_error(self) -> float:
        """Return the most by which the AUROC can differ from that of the uncut scores: half the share of pairs in one bin."""
        pairs = float(self.normal.sum()) * float(self.abnormal.sum())
        return float(self.normal.astype(np.float64) @ self.abnormal) / (2 * pairs) if pairs else float("nan")

    def _points(self) -> tuple[NDArray, NDArray, NDArray]:
        """Return label, bin and number of pixels of each bin in use, normal pixels first."""
        used = [np.flatnonzero(counts) for counts in (self.normal, self.abnormal)]
        labels = np.repeat([0, 1], [len(bins) for bins in used])
        return labels, np.concatenate(used), np.concatenate([self.normal[used[0]], self.abnormal[used[1]]])

    def _count(self, scores: NDArray[np.float32], truth: NDArray[np.bool_], inside: NDArray[np.bool_]) -> None:
        if np.isnan(scores[inside]).any():
            raise MedgenError("a score map holds NaN at a valid pixel; expected a number at each")
        bins = self._bins(scores)
        regions, _ = ndimage.label(truth, structure=TOUCHING)  # (B, S, S), 0 outside the findings
        sizes = np.bincount(regions[inside])
        hit = truth & inside
        self.normal += np.bincount(bins[inside & ~truth], minlength=self.normal.size)
        self.abnormal += np.bincount(bins[hit], minlength=self.normal.size)
        self.overlap += np.bincount(bins[hit], weights=1 / sizes[regions[hit]], minlength=self.normal.size)
        self.regions += int((sizes[1:] > 0).sum())
        self.frames += len(scores)

    def _bins(self, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the first bits of each score, as an integer that rises with the score."""
        raw = (scores + np.float32(0)).view(np.uint32)  # + 0 makes -0 the 0 that it equals
        ordered = np.where(raw >> 31, ~raw, raw | np.uint32(1 << 31))
        return (ordered >> np.uint32(32 - self.bits)).astype(np.int64)


def _area(false: NDArray[np.float64], overlap: NDArray[np.float64], limit: float) -> float:
    """Return the area under overlap (K,) over false positive rate (K,) up to the limit, divided by it."""
    if np.isnan(false[-1] + overlap[-1]):
        return float("nan")
    below = false <= limit
    end = np.interp(limit, false, overlap)
    return float(np.trapezoid(np.append(overlap[below], end), np.append(false[below], limit)) / limit)
