"""Arrays and pictures in memory, to a data set that a run can look at.

They are taken as the same arrays in .npy files would be, and pictures of Pillow as the files that they were opened from.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL.Image import Image as Picture

from medgen.data.field.tensors import as_array
from medgen.data.native.addresses import as_set
from medgen.data.pixel_format import joined, with_channels
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.in_memory import crop_pictures, shown, take_crops
from medgen.data.preparing.source_frames import levels_of
from medgen.data.preparing.tally import level_sentences
from medgen.data.readers.arrays import frames_of
from medgen.data.readers.pictures import frame_of
from medgen.errors import DataError, ImageError
from medgen.runs.datasets import as_seen_by
from medgen.runs.run import Run
from medgen.verbs.score import raw_settings, shown_in_few_levels


def is_array(item: Any) -> bool:
    """Tell an array, a tensor or a picture of Pillow."""
    return hasattr(item, "__array__") or isinstance(item, Picture)


def of_arrays(run: Run, arrays: Sequence[Any], axes: str, names: Sequence[str] = ()) -> Prepared:
    """Crop arrays and pictures of Pillow, or take them whole for a run whose own frames were; an array may hold several frames.

    Raises
    ------
    DataError : if one is of no form that is known.
    """
    several = len(arrays) > 1
    if axes:
        PrepareSettings.parse({"axes": axes}, "score")
    stored, found = [], []
    for number, array in enumerate(arrays):
        name = f"array {number}" if several else "the array"
        try:
            frames = [frame_of(array)] if isinstance(array, Picture) else [*frames_of(as_array(array), axes)]
        except ImageError as error:
            raise DataError(f"{name}: {str(error).replace('--axes', 'axes')}") from error
        stored += frames
        many = [f"array {number}#{k}" if several else f"array#{k}" for k in range(len(frames))]
        found += many if len(frames) > 1 else [f"array {number}" if several else "array"]
    paths = names or found
    settings = raw_settings(run)
    pictures = shown(stored, paths, settings)
    levels = pd.DataFrame({"path": paths, "levels": [levels_of(*pair) for pair in zip(stored, pictures, strict=True)]})
    for sentence in shown_in_few_levels(level_sentences(levels)):
        warnings.warn(sentence, UserWarning, stacklevel=5)  # where `score` is called
    if run.origin.kind:
        return whole_frames(run, pictures, paths)
    return as_seen_by(run, crop_pictures(pictures, paths, settings))


def whole_frames(run: Run, pictures: Sequence[NDArray[np.uint8]], paths: Sequence[str]) -> Prepared:
    """Return frames that are taken whole, as those of an archive are: square and of one size."""
    own = run.origin.prepare
    for name, pixels in zip(paths, pictures, strict=True):
        if pixels.shape[:2] != (pictures[0].shape[0],) * 2:
            raise DataError(
                f"{name} is {joined(pixels.shape)}; run '{run.folder}' takes frames whole, square and all of one size: "
                f"resize them, or train a run on a prepared data set, whose frames are cropped"
            )
    channels = max(pixels.shape[2] for pixels in pictures)
    frames = as_set(np.array([with_channels(pixels, channels) for pixels in pictures]), run.settings.data)
    settings = PrepareSettings.parse({**own.model_dump(), "size": frames.shape[1], "channels": frames.shape[3]}, "frames")
    valid = np.ones(frames.shape[:3], dtype=bool)
    return as_seen_by(run, take_crops(frames[np.arange(len(frames))], valid, paths, settings, run.origin.kind))
