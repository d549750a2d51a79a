"""Which frames of a video are worth keeping: neither blurred nor nearly the same as the one before.

A frame is blurred whose `field.sharpness` is below a share of the upper quartile of its own video; the quartile is sharp even
where most frames are not. Measured on 300 HyperKvasir frames, and on the same frames blurred by a Gaussian of 0.6 % of their side
and by a motion of 5 % of it:

=======================  ================  ======================  =====================
left out below           as they are       blurred by a Gaussian   blurred by motion
=======================  ================  ======================  =====================
0.1 of the quartile                 0.0 %                   100 %                   77 %
0.125                               0.3 %                   100 %                   89 %
0.15                                1.0 %                   100 %                   95 %
=======================  ================  ======================  =====================

Two frames are alike whose thumbnails of 16 x 16 pixels differ by less than some grey levels on average. Blurred frames go first,
so that of a still scene a sharp one stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.alike.duplicates import thumbnail
from medgen.data.preparing.crop_file import Cropped

REJECTED, BLURRED, ALIKE = "rejected", "blurred", "alike"  # kinds of what is left out
KEPT = "; what could be read is kept"  # behind why a video could not be read to its end


class LeftOut(NamedTuple):
    """A file, or one frame of it, that is no frame of the data set, why, and of which kind that is."""

    file: str
    reason: str
    kind: str


def worth_keeping(frames: Sequence[Cropped], settings: PrepareSettings) -> tuple[list[Cropped], list[LeftOut]]:
    """Return the frames of a video that are worth keeping, and the others.

    Parameters
    ----------
    frames : all of it that were read; a thumbnail does for the pixels of each
    settings : of the data set
    """
    sharp, blurred = without_blurred(frames, settings.video_blur)
    different, alike = without_alike(sharp, settings.video_alike)
    return different, blurred + alike


def is_video(frames: Sequence[Cropped]) -> bool:
    """Tell whether frames have times."""
    return bool(frames) and frames[0].row["seconds"] is not None


def without_blurred(frames: Sequence[Cropped], share: float) -> tuple[list[Cropped], list[LeftOut]]:
    """Return the frames of a video that are sharp, and those that are not; the same for any `share` where all are of one colour.

    Parameters
    ----------
    frames : of one video; `sharpness` of each in its row
    share : of the upper quartile of all, below which a frame is blurred
    """
    values = [float(frame.row["sharpness"]) for frame in frames]
    usual = float(np.percentile(values, 75)) if values else 0.0
    kept, left_out = [], []
    for frame, value in zip(frames, values, strict=True):
        if value < share * usual:
            reason = f"blurred or empty: {value / usual:.3f} of the sharpness of its video, less than {share:g}"
            left_out.append(LeftOut(str(frame.row["path"]), reason, BLURRED))
        else:
            kept.append(frame)
    return kept, left_out


def without_alike(frames: Iterable[Cropped], levels: float) -> tuple[list[Cropped], list[LeftOut]]:
    """Return the frames of a video that differ from the one kept before, and those that do not.

    Parameters
    ----------
    frames : of one video, in its order
    levels : grey levels of 255 below which two frames are alike; 0 keeps all
    """
    kept: list[Cropped] = []
    left_out: list[LeftOut] = []
    last: NDArray[np.int64] | None = None
    for frame in frames:
        small = thumbnail(frame.pixels).astype(np.int64)
        difference = float(np.abs(small - last).mean()) if last is not None else np.inf
        if difference < levels:
            reason = f"like {kept[-1].row['path']}: they differ by {difference:.2f} grey levels, less than {levels:g}"
            left_out.append(LeftOut(str(frame.row["path"]), reason, ALIKE))
        else:
            kept.append(frame)
            last = small
    return kept, left_out
