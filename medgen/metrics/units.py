"""The statistical unit: what counts as one independent observation, and what a bootstrap draws."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.errors import MedgenError


def statistical_units(groups: Iterable[object], frames: Iterable[object] | None = None) -> NDArray[np.str_]:
    """Return the unit of each frame: its group where it has one, else the frame itself.

    Frames of one patient, video or set of near-duplicates resemble each other and are one unit together. No name of a group can
    be taken for that of a frame.

    Parameters
    ----------
    groups : (N,) name of each frame's group; "" or missing (None, NaN) where it has none
    frames : (N,) name of each frame, each another; by default the frames are numbered. The names of the units decide in which
        order a bootstrap meets them, and so its draws

    Returns
    -------
    (N,) names, equal for frames of one unit.

    Raises
    ------
    MedgenError : if two frames share a name, or there is not one name for each group.
    """
    names = ["" if pd.isna(group) else str(group) for group in groups]  # type: ignore[call-overload]
    own = [str(frame) for frame in (range(len(names)) if frames is None else frames)]
    if len(own) != len(names) or len(set(own)) < len(own):
        raise MedgenError(f"got {len(set(own))} different names of frames for {len(names)} groups; expected one for each frame")
    return np.array([f"group {name}" if name else f"frame {frame}" for name, frame in zip(names, own, strict=True)], dtype=str)
