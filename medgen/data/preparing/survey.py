"""What holds for a whole data set, found before its frames are cropped: which values are black and white, and what is overlay.

One range for all frames keeps what differs between them; found frame by frame, a dark frame and a bright one would look alike,
and a lesion would darken all that is around it. Frames of a given test split have no say in it, nor have frames that are not
normal, where some are: a model that learns from normal frames meets the others later, one by one, with nothing changed. What was
found is a setting from then on, so that whoever scores new frames with a run shows them as the run's own were shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.field.overlay import rules_for
from medgen.data.images import opened
from medgen.data.intensity import Intensity, keeps_convention
from medgen.data.pixel_format import Raw, StoredFrame
from medgen.data.prepared import PrepareSettings, evenly_spaced
from medgen.data.preparing.fetching import AtHand
from medgen.data.preparing.parallel import in_order
from medgen.data.pyramid import Pyramid
from medgen.data.sampling import Sampling
from medgen.data.source_file import SourceFile
from medgen.errors import ImageError
from medgen.types import OverlayRules

FILES, FRAMES, PIXELS = 64, 8, 1 << 14  # looked at: files of a source, frames of a file, pixels of a frame; evenly spaced
EMPTY = 0.05  # share of a frame's pixels with its darkest value from which on that value means that nothing was recorded
AGREED = 0.9  # share of the files that decides on the overlay for all

Values = NDArray[np.float64]


class Survey(NamedTuple):
    """What was found.

    Attributes
    ----------
    settings : with the range and the overlay rules of the data set
    intensity : which values are black and white, and by which files, in words
    """

    settings: PrepareSettings
    intensity: str


class _Sample(NamedTuple):
    """What is kept of one file.

    Attributes
    ----------
    values : of its pixels, where they have no other meaning than the data set gives them
    conventional : of its pixels, where their type has a convention
    kept : whether these lie within it
    rules : the overlay rules that hold for its first frame
    """

    values: Values
    conventional: Values
    kept: bool
    rules: OverlayRules


def survey(
    entries: Sequence[SourceFile], settings: PrepareSettings, workers: int | None = None, at_hand: AtHand = nullcontext
) -> Survey:
    """Find what the settings leave to the data set; the same whatever the number of workers.

    Parameters
    ----------
    entries : all files
    settings : as asked for; where they have a range already, that of a run, nothing is looked for
    workers : threads; None is one for each core
    at_hand : brings files here that are to be looked at, see `Storage`
    """
    rule = Intensity.parse(settings.intensity)
    if settings.intensity_range is not None:
        return Survey(settings, describe(settings))
    chosen, of_whom = _who_decides(entries)
    files = [chosen[index] for index in evenly_spaced(len(chosen), FILES)]
    with at_hand(files) as here:
        samples = [sample for sample in in_order(lambda entry: _sample(entry, rule, settings.axes), here, workers) if sample]
    found, kept = rule.range, False
    if rule.rule in ("auto", "percentile"):
        kept = rule.rule == "auto" and all(sample.kept for sample in samples)
        pooled = [sample.values for sample in samples] + ([] if kept else [sample.conventional for sample in samples])
        found = _range(pooled, rule.numbers)
    values = {
        "intensity_range": found or (),
        "intensity_convention": kept,
        "overlay": settings.overlay if settings.overlay != "auto" else _common_rules(samples),
    }
    settings = settings.model_copy(update=values)
    needed = rule.rule in ("auto", "percentile") and found
    return Survey(settings, describe(settings) + (f", found in {len(samples)} files {of_whom}" if needed else ""))


def describe(settings: PrepareSettings) -> str:
    """Return which values are black and white, in words."""
    text = settings.intensity
    if settings.intensity == "full":
        return f"{text}: the whole range of each type"
    if not settings.intensity_range:
        return f"{text}: as the files say, 8 bits as they are"
    low, high = settings.intensity_range
    others = "what has no window of its own and more than 8 bits: " if text == "auto" else ""
    return f"{text}: {others}{low:g} is black and {high:g} white"


def _who_decides(entries: Sequence[SourceFile]) -> tuple[Sequence[SourceFile], str]:
    """Return the files that may decide on the range, and words for which they are."""
    learnt = [entry for entry in entries if entry.split != "test"]
    normal = [entry for entry in learnt if entry.label == "normal"]
    if normal:
        return normal, "labelled normal" + (" outside of the test split" if len(learnt) < len(entries) else "")
    return (learnt, "outside of the test split") if learnt else (entries, "of the test split, as there are no others")


def _sample(entry: SourceFile, rule: Intensity, axes: str) -> _Sample | None:
    """Look at a few frames of a file; None where it cannot be read. What is shown as it is needs no more than one."""
    kinds: tuple[list[Values], list[Values]] = ([], [])
    kept, rules = True, None
    try:
        with opened(entry.path, Sampling() if entry.frame is None else Sampling(numbers=(entry.frame,)), axes) as content:
            if content.pyramid and rule.rule != "percentile":
                return _Sample(_joined(()), _joined(()), True, rules_for(content.pyramid()))
            wanted = {entry.frame} if entry.frame is not None else set(evenly_spaced(content.total, FRAMES).tolist())
            for position, frame in enumerate(content.frames):
                place = position if entry.frame is None else frame.number
                if place not in wanted:
                    continue
                wanted.discard(place)
                rules = rules or rules_for(Pyramid.of(_rough_picture(frame)))
                if rule.rule == "auto" and frame.rendered is not None:
                    break
                if rule.rule in ("auto", "percentile"):
                    kinds[frame.conventional].append(_pixels(frame, skip_empty=rule.rule == "auto"))
                    kept &= not frame.conventional or keeps_convention(frame)
                if not wanted:
                    break
    except ImageError:
        return None
    return _Sample(_joined(kinds[0]), _joined(kinds[1]), kept, rules) if rules else None


def _pixels(frame: StoredFrame, skip_empty: bool) -> Values:
    """Return the values of evenly spaced pixels of a frame; with `skip_empty` without the one value of padding or air."""
    height, width = frame.values.shape[:2]
    step = max(1, round((height * width / PIXELS) ** 0.5))
    values = frame.values[step // 2 :: step, step // 2 :: step].astype(np.float64).ravel()
    values = values[~np.isnan(values)]
    if skip_empty and values.size:
        empty = values == (values.min() if frame.black <= frame.white else values.max())
        values = values[~empty] if empty.mean() >= EMPTY else values
    return values


def _rough_picture(frame: StoredFrame) -> NDArray[np.uint8]:
    """Return a frame in 8 bits, from its lowest to its highest value: good enough to tell grey from colour."""
    if frame.rendered is not None and frame.rendered.dtype == np.uint8:
        return frame.rendered.astype(np.uint8, copy=False)
    values: Raw = np.nan_to_num(frame.values.astype(np.float64))
    low, high = values.min(), values.max()
    return ((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)


def _joined(values: Iterable[Values]) -> Values:
    return np.concatenate([*values, np.empty(0)])


def _range(pooled: Iterable[Values], percentiles: tuple[float, float]) -> tuple[float, float] | None:
    """Return the values at two percentiles; the lowest and the highest where these are one; None where all values are."""
    values = _joined(pooled)
    if not values.size:
        return None
    for ends in (percentiles, (0.0, 100.0)):
        low, high = np.percentile(values, ends).tolist()
        if low < high:
            return low, high
    return None


def _common_rules(samples: Sequence[_Sample]) -> OverlayRules:
    """Return the overlay rules that nearly all files ask for; "auto" where they differ, so that each frame has its own."""
    counts = Counter(sample.rules for sample in samples).most_common(1)
    return counts[0][0] if counts and counts[0][1] >= AGREED * len(samples) else "auto"
