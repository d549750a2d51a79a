"""Files that mark findings: a mask is data and no picture, so nothing here looks at how it would be shown.

A pixel that is not zero marks a finding, whatever its number: 1, 255, label 4, palette colour 2. Only where a compression has
blurred the edges, so that numbers between mean nothing, do those above half of the mask's own range count.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from medgen.data.images import opened
from medgen.data.pixel_format import StoredFrame
from medgen.data.source_file import MaskFile
from medgen.errors import ImageError

Mask = NDArray[np.bool_]


def marked(frame: StoredFrame, values: frozenset[float] = frozenset()) -> Mask:
    """Return where a frame of a mask marks a finding, (H, W) bool.

    Parameters
    ----------
    frame : as it is stored
    values : the labels that are a finding; none: all but 0
    """
    labels = frame.values.max(axis=2) if frame.labels is None else frame.labels  # (H, W)
    labels = np.nan_to_num(labels, nan=0.0)
    if values:
        return np.isin(labels, sorted(values))
    if frame.lossy and labels.max() > labels.min():
        return labels.astype(np.float64) > (float(labels.min()) + float(labels.max())) / 2
    return labels != 0


def read_mask(mask: MaskFile, frame: int = 0) -> Mask:
    """Return what a mask marks in one frame of its image, (H, W) bool.

    Raises
    ------
    ImageError : naming the mask, if it cannot be read or has no such frame.
    """
    try:
        with opened(mask.path) as file:
            found = next(islice(file.frames, mask.frame or frame, None), None)
            if found is None:
                raise ImageError(f"has no frame {mask.frame or frame}")
            return marked(found)
    except ImageError as error:
        raise ImageError(f"its mask {mask.path.name}: {error}") from None
