"""Finding by finding: which of them a map marks, and how many marks lie on nothing (free-response ROC).

A mark is a region of pixels above a level, connected over sides and corners. Its score is that of its highest pixel, and it lies
where that pixel lies. A finding is a connected region of its mask. It is hit by a mark that lies within it; several marks on one
finding are one hit, of the highest score. Marks on no finding are false. That is the rule of CAMELYON16 (Ehteshami Bejnordi et
al. 2017, https://doi.org/10.1001/jama.2017.14585), with frames for slides and with outlines as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.metrics.detection import ratio, resamples
from medgen.metrics.intervals import Floats

NEIGHBOURS = np.ones((3, 3))
RATES = (0.125, 0.25, 0.5, 1.0, 2.0)  # false marks per frame at which the sensitivity is stated


class Marks(NamedTuple):
    """What maps mark in frames.

    Attributes
    ----------
    false : (M,) score of each false mark
    false_frame : (M,) the frame of each
    lesion : (L,) score of the highest mark on each finding, -inf where there is none
    lesion_frame : (L,) the frame of each
    pixels : (L,) valid pixels of each finding
    """

    false: Floats
    false_frame: NDArray[np.int64]
    lesion: Floats
    lesion_frame: NDArray[np.int64]
    pixels: NDArray[np.int64]


def find_marks(maps: ArrayLike, masks: ArrayLike, valid: ArrayLike, level: float, first: int = 0) -> Marks:
    """Return the marks of frames.

    Parameters
    ----------
    maps : (B, S, S) float, higher is more anomalous
    masks : (B, S, S) bool, True where a finding is; findings without a valid pixel do not count
    valid : (B, S, S) bool; nothing is marked elsewhere
    level : above which a pixel is part of a mark; it must not have been chosen by labels
    first : number of the first frame
    """
    from scipy import ndimage  # long to import, and who only scores frames marks none

    found: list[tuple[list[float], list[float], list[int]]] = []
    for scores, truth, inside in zip(np.asarray(maps), np.asarray(masks, bool), np.asarray(valid, bool), strict=True):
        findings, count = ndimage.label(truth, NEIGHBOURS)
        regions, marks = ndimage.label((scores > level) & inside, NEIGHBOURS)
        pixels = np.bincount(findings[inside], minlength=count + 1)[1:]
        hit, false = np.full(count, -np.inf), []
        for place in ndimage.maximum_position(scores, regions, np.arange(1, marks + 1)) if marks else []:
            finding, score = findings[place], float(scores[place])
            if finding:
                hit[finding - 1] = max(hit[finding - 1], score)
            else:
                false.append(score)
        found.append((false, hit[pixels > 0].tolist(), pixels[pixels > 0].tolist()))
    frames = np.arange(first, first + len(found))
    return Marks(
        np.array([score for false, _, _ in found for score in false]),
        np.repeat(frames, [len(false) for false, _, _ in found]),
        np.array([score for _, hits, _ in found for score in hits]),
        np.repeat(frames, [len(hits) for _, hits, _ in found]),
        np.array([count for _, _, pixels in found for count in pixels], dtype=np.int64),
    )


def joined(parts: list[Marks]) -> Marks:
    """Return the marks of several blocks of frames as one."""
    return Marks(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def sensitivities(marks: Marks, weights: ArrayLike, rates: ArrayLike = RATES) -> Floats:
    """Return the share of findings that are hit with no more false marks per frame than each rate, (D, R).

    Marks are taken from the highest score down to the lowest at which the rate is kept; where all marks together keep it, the
    share is that of all of them. Nothing is interpolated.

    Parameters
    ----------
    marks : of N frames
    weights : (D, N) how often each frame counts
    rates : (R,) false marks per frame

    Returns
    -------
    In [0, 1]; NaN where no finding has a weight.
    """
    by_frame = np.asarray(weights, dtype=np.float64)
    fall = np.argsort(-marks.false, kind="stable")
    scores = np.append(marks.false[fall], -np.inf)  # rising false marks; behind the last, all marks are taken
    false = np.cumsum(by_frame[:, marks.false_frame[fall]], axis=1)  # (D, M)
    order = np.argsort(-marks.lesion, kind="stable")
    lesions = np.concatenate([np.zeros((len(by_frame), 1)), np.cumsum(by_frame[:, marks.lesion_frame[order]], axis=1)], axis=1)
    frames = by_frame.sum(1)
    shares = []
    for rate in np.atleast_1d(np.asarray(rates, dtype=np.float64)).tolist():
        kept = (false <= rate * frames[:, None] + 1e-9).sum(1)  # (D,) false marks that may be taken
        level = scores[kept]  # taken is what scores above the first that may not be
        hits = np.searchsorted(-marks.lesion[order], -level, side="left")  # findings whose mark scores above it
        shares.append(lesions[np.arange(len(by_frame)), hits])
    return ratio(np.stack(shares, axis=1), lesions[:, -1:])


def draw_sensitivities(
    marks: Marks, units: ArrayLike, rates: ArrayLike = RATES, n_bootstrap: int = 1000, seed: int = 0
) -> Floats:
    """Return `sensitivities` in each draw of a bootstrap over groups, (D, R).

    Groups with findings are drawn apart from those without, as `medgen.metrics.detection.bootstrap` does.

    Parameters
    ----------
    marks : of N frames
    units : (N,) the statistical unit of each frame

    Returns
    -------
    (0, R) where findings, or frames, come from fewer than two groups.
    """
    _, codes = np.unique(np.asarray(units).astype(str), return_inverse=True)
    observed = np.concatenate([codes, codes[marks.lesion_frame]])  # frames, then findings
    is_finding = np.arange(observed.size) >= codes.size
    blocks = [sensitivities(marks, counts[:, codes], rates) for counts in resamples(is_finding, observed, n_bootstrap, seed)]
    return np.concatenate(blocks) if blocks else np.empty((0, np.size(rates)))
