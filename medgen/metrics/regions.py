"""The regions of a map that lie above a level: how large each is, where, and how high its scores are, through scikit-image.

A region is connected over sides and corners, as a mark of `medgen.metrics.froc` is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST = 20  # regions of a map that are measured, the largest ones: noise has thousands
MEASURED = {
    "area": "area",
    "centroid-0": "y",
    "centroid-1": "x",
    "bbox-0": "top",
    "bbox-1": "left",
    "bbox-2": "bottom",
    "bbox-3": "right",
    "intensity_mean": "mean_score",
    "intensity_max": "max_score",
}  # by scikit-image's names


def region_table(scores: NDArray[np.float32], level: float, most: int = MOST) -> pd.DataFrame:
    """Return a row for each of the largest regions above a level, the largest first.

    Parameters
    ----------
    scores : (H, W), NaN where there is no score
    level : a region's pixels are all above it
    most : regions, at the most

    Returns
    -------
    columns area, in pixels; y and x of the centroid, in pixels from the middle of the first one; top, left, bottom and right of
    the box, the last two exclusive; mean_score and max_score of its pixels.
    """
    from skimage.measure import label, regionprops_table  # half a second to import

    regions = label(np.nan_to_num(scores, nan=-np.inf) > level, connectivity=2)
    sizes = np.bincount(regions.ravel())[1:]  # of regions 1, 2, ...
    largest = np.argsort(-sizes, kind="stable")[:most]
    order = np.zeros(len(sizes) + 1, dtype=np.int64)  # from a region's number to its rank, 0 for none
    order[largest + 1] = np.arange(1, len(largest) + 1)
    measured = regionprops_table(
        order[regions], np.nan_to_num(scores), properties=("area", "centroid", "bbox", "intensity_mean", "intensity_max")
    )
    return pd.DataFrame({name: np.asarray(measured[key], dtype=np.float64) for key, name in MEASURED.items()})
