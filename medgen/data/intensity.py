"""Which values of a file are black and which are white: a frame as it is stored becomes a picture.

Eight bits are shown as they are, and a DICOM file says by its window what is to be seen. All else (CT in Hounsfield units, 12
bits in 16, floats) has a range of values of which a picture shows a part, and that part decides whether a lesion can be seen at
all. One range holds for a whole data set: stretched frame by frame, a dark frame and a bright one would look the same.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from medgen.data.pixel_format import Pixels, StoredFrame
from medgen.errors import ConfigError, ImageError, did_you_mean

RULES = ("auto", "full", "window", "percentile")
ROBUST = (0.5, 99.5)  # percentiles between which `auto` shows the values of a data set, as nnU-Net clips CT (Isensee et al. 2021)
TOLERANCE = 1e-6  # how far outside of its range a float may lie by rounding


class Intensity(NamedTuple):
    """A rule, and the values between which it shows the frames of one data set.

    Attributes
    ----------
    rule : one of `RULES`
    numbers : LO, HI of "window" (in the file's own unit) and "percentile" (0 to 100)
    range : the values that are shown black and white, where they are known; "auto" and "percentile" find theirs in the data set
        (`medgen.data.preparing.survey`)
    convention : whether floats and wide integers keep their convention (`StoredFrame.conventional`) whatever the range
    """

    rule: str = "auto"
    numbers: tuple[float, float] = ROBUST
    range: tuple[float, float] | None = None
    convention: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "auto", "full", "window:LO,HI" or "percentile:LO,HI".

        Raises
        ------
        ConfigError : if it is none of these, or the numbers do not rise.
        """
        rule, _, rest = text.partition(":")
        if rule not in RULES:
            raise ConfigError(f"there is no intensity rule '{rule}'; {did_you_mean(rule, RULES)}")
        if rule in ("auto", "full"):
            if rest:
                raise ConfigError(f"the intensity rule '{rule}' takes no numbers, got '{text}'")
            return cls(rule)
        try:
            low, high = (float(number) for number in rest.split(","))
        except ValueError:
            raise ConfigError(f"expected two numbers as in '{rule}:10,90', got '{text}'") from None
        if not (np.isfinite([low, high]).all() and low < high) or (rule == "percentile" and not 0 <= low < high <= 100):
            raise ConfigError(f"expected two rising numbers{' from 0 to 100' if rule == 'percentile' else ''}, got '{text}'")
        return cls(rule, (low, high), (low, high) if rule == "window" else None)

    @property
    def keeps_rendered(self) -> bool:
        """Tell whether a frame that is rendered in 8 bits of 8 is shown just so, whatever its values."""
        return self.rule in ("auto", "full")


AUTO, FULL = Intensity(), Intensity("full")


def picture(frame: StoredFrame, intensity: Intensity = AUTO) -> Pixels:
    """Return the picture of a frame: (H, W, C) uint8 in [0, 255] or float32 in [0, 1]; what has no value is black.

    "auto" is what the file itself asks for; else the range of the data set; where that is not known, the whole range of the type.

    Raises
    ------
    ImageError : if the whole range of a type is to be shown that has none, and values lie outside of its convention.
    """
    if frame.rendered is not None and intensity.rule == "auto":
        return frame.rendered
    whole = intensity.rule == "full" or intensity.range is None or (intensity.convention and frame.conventional)
    if whole and frame.rendered is not None and frame.rendered.dtype == np.uint8 and frame.values.dtype == np.uint8:
        return frame.rendered
    ends = (frame.black, frame.white) if whole else intensity.range
    assert ends is not None
    black, white = ends if whole or frame.black < frame.white else ends[::-1]
    values = frame.values.astype(np.float64)
    if whole and frame.conventional:
        _check_convention(frame)
    unit = (values - black) / (white - black) if black != white else np.zeros_like(values)
    return np.nan_to_num(np.clip(unit, 0, 1), nan=0.0).astype(np.float32)


def keeps_convention(frame: StoredFrame) -> bool:
    """Tell whether the values of a frame whose type has a convention lie within it; those of a frame without values do."""
    numbers = frame.values[~np.isnan(frame.values)]
    lower, upper = sorted((frame.black, frame.white))
    return not numbers.size or bool(numbers.min() >= lower - TOLERANCE and numbers.max() <= upper + TOLERANCE)


def _check_convention(frame: StoredFrame) -> None:
    """Refuse values whose black and white nobody can know."""
    if not keeps_convention(frame):
        raise ImageError(
            f"{frame.values.dtype} values from {np.nanmin(frame.values):g} to {np.nanmax(frame.values):g}, and what is black and "
            "white is not known: take --intensity percentile:0.5,99.5 or window:LO,HI"
        )
