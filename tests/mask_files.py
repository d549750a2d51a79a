"""Masks on disk, and what they mark in an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medgen.data.images import opened
from medgen.data.preparing.truth import Marks, open_truth
from medgen.data.source_file import MaskFile, SourceFile
from medgen.types import Box

Y, X = np.mgrid[:96, :96]
DISC = (X - 48) ** 2 + (Y - 48) ** 2 < 15**2


def save(path: Path, pixels: NDArray, **how: int) -> Path:
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(path, **how)
    return path


def entry(image: Path, *masks: MaskFile, frame: int | None = None, boxes: Sequence[Box] = ()) -> SourceFile:
    return SourceFile(image, image.name, "abnormal", "", "", "", masks, tuple(boxes), annotated=True, frame=frame)


def marks(source: SourceFile, values: Sequence[float] = (), axes: str = "") -> list[Marks]:
    """The marks of each frame of an image that is meant."""
    with opened(source.path, axes=axes) as image, open_truth(source, image, frozenset(values), axes=axes) as marks_of:
        return [
            marks_of(k, (frame.values.shape[0], frame.values.shape[1]))
            for k, frame in enumerate(image.frames)
            if source.frame in (None, k)
        ]


def of_mask(folder: Path, mask: Path, values: Sequence[float] = ()) -> NDArray[np.bool_]:
    (found,) = marks(entry(save(folder / "image.png", np.zeros((96, 96))), MaskFile(mask)), values)
    return found.mask
