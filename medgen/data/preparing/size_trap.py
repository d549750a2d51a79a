"""Sizes that tell the label: frames of normal and abnormal findings taken by different cameras."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

TELLING = 0.1  # a size whose AUROC is this far from 0.5 tells normal from abnormal


def size_sentences(normal: NDArray[np.int64], abnormal: NDArray[np.int64]) -> Iterator[str]:
    """Yield a warning where the shape of a frame alone tells its label; normal and abnormal (N, 3): width, height, channels."""
    measures = {
        "width": (normal[:, 0], abnormal[:, 0]),
        "height": (normal[:, 1], abnormal[:, 1]),
        "aspect ratio": (normal[:, 0] / normal[:, 1], abnormal[:, 0] / abnormal[:, 1]),
    }
    areas = {name: _auroc(low, high) for name, (low, high) in measures.items()}
    telling = {name: max(area, 1 - area) for name, area in areas.items() if abs(area - 0.5) >= TELLING}
    if telling:
        from scipy.stats import mannwhitneyu  # long to import, and most sources do not come here

        telling = {name: area for name, area in telling.items() if mannwhitneyu(*measures[name]).pvalue < 0.01}
    if telling:
        name = max(telling, key=lambda key: telling[key])
        yield (
            f"sizes differ between classes: the {name} of a frame alone tells normal from abnormal with an AUROC of "
            f"{telling[name]:.2f}, so that a model can score the camera instead of the finding"
        )


def _auroc(low: NDArray, high: NDArray) -> float:
    """Return the share of pairs whose second value is above the first, ties by half."""
    ordered = np.sort(low)
    twice = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return int(twice.sum()) / (2 * len(low) * len(high))
