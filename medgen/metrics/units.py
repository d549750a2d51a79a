"""The statistical unit: what counts as one independent observation, and what a bootstrap draws.

Names of groups come in, one name of a unit for each frame goes out. All intervals, tests and counts of groups use this one rule.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.errors import MedgenError


def statistical_units(groups: Iterable[object], frames: Iterable[object] | None = None) -> NDArray[np.str_]:
    """Return the unit of each frame: its group where it has one, else the frame itself.

    Frames of one patient, video or set of near-duplicates resemble each other and are one unit together. A group and a
    frame of the same name stay two units.

    Parameters
    ----------
    groups : (N,) name of each frame's group; "" or missing (None, NaN) where it has none
    frames : (N,) a name of its own for each frame; by default the frames are numbered. A bootstrap sorts the units by name, so
        that names decide which units it draws

    Returns
    -------
    (N,) names, equal for frames of one unit.

    Raises
    ------
    MedgenError : if two frames share a name, or `groups` and `frames` differ in length.
    """
    names = ["" if pd.isna(group) else str(group) for group in groups]  # type: ignore[call-overload]
    frame_names = [str(frame) for frame in (range(len(names)) if frames is None else frames)]
    if len(frame_names) != len(names) or len(set(frame_names)) < len(frame_names):
        raise MedgenError(
            f"got {len(set(frame_names))} different names of frames for {len(names)} groups; expected one for each frame"
        )
    units = [f"group {name}" if name else f"frame {frame}" for name, frame in zip(names, frame_names, strict=True)]
    return np.array(units, dtype=str)
