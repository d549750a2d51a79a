"""Frames in memory to a data set in memory: cropped, shown and masked as `prepare` does it with files, and nothing on a disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.intensity import picture
from medgen.data.pixel_format import StoredFrame, to_uint8
from medgen.data.prepared import SECONDS, Prepared, PrepareSettings, columns_of
from medgen.data.preparing.crop_file import Cropped, crop_frame
from medgen.data.preparing.prepare import CROPPING
from medgen.data.preparing.source_frames import SourceFrame, opened_source
from medgen.data.preparing.truth import Marks
from medgen.data.pyramid import Pyramid
from medgen.data.scorable import is_one_colour
from medgen.data.source_file import SourceFile
from medgen.errors import DataError, ImageError
from medgen.files import short_digest
from medgen.types import Box


def shown(frames: Iterable[StoredFrame], names: Sequence[str], settings: PrepareSettings) -> list[NDArray[np.uint8]]:
    """Return the picture of each frame, (H, W, C) uint8.

    Raises
    ------
    DataError : if nobody can know what of its values is black and white.
    """
    pictures: list[NDArray[np.uint8]] = []
    for name, frame in zip(names, frames, strict=False):
        try:
            pictures.append(to_uint8(picture(frame, settings.shown())))
        except ImageError as error:
            low, high = np.nanmin(frame.values), np.nanmax(frame.values)
            raise DataError(
                f"{name} has {frame.values.dtype} values from {low:g} to {high:g}; expected uint8, or floats from 0 to 1: "
                "divide floats by the value of white"
            ) from error
    return pictures


def crop_pictures(pictures: Sequence[NDArray[np.uint8]], names: Sequence[str], settings: PrepareSettings) -> Prepared:
    """Crop pictures as `prepare` crops those of files.

    Parameters
    ----------
    pictures : each (H, W, C) uint8, C 1 or 3
    names : of the frames, column "path"
    settings : of the data set, with its overlay rules and what is black and white
    """
    cropped = []
    for name, pixels in zip(names, pictures, strict=True):
        marks = Marks(np.zeros(pixels.shape[:2], dtype=bool))
        frame = SourceFrame(name, Pyramid.of(pixels), None, marks, "", "", 0)
        cropped.append(crop_frame(_entry(name), frame, settings))
    return _joined(cropped, settings, CROPPING)


def crop_read(frame: SourceFrame, settings: PrepareSettings) -> Cropped:
    """Crop a frame of a file that is in memory as `prepare` crops those of files."""
    return crop_frame(_entry(frame.name), frame, settings)


def join_crops(crops: Sequence[Cropped], settings: PrepareSettings) -> Prepared:
    """Return the data set of such crops."""
    return _joined(crops, settings, CROPPING)


def crop_entries(entries: Sequence[SourceFile], settings: PrepareSettings) -> Prepared:
    """Crop files, or single frames of them, as `prepare` crops them, and write nothing.

    Parameters
    ----------
    entries : of each the frame that it names, else its first one
    settings : of the data set, with what is black and white

    Raises
    ------
    ImageError : if one of them cannot be read.
    """
    cropped = []
    for entry in entries:
        with opened_source(entry, settings) as (_, frames):
            frame = next(frames, None)
        if frame is None:
            raise ImageError("has no frame")
        cropped.append(crop_frame(entry, frame, settings))
    return _joined(cropped, settings, CROPPING)


def take_crops(
    pixels: NDArray[np.uint8], valid: NDArray[np.bool_], names: Sequence[str], settings: PrepareSettings, kind: str = ""
) -> Prepared:
    """Return frames that are crops already as a data set.

    Parameters
    ----------
    pixels : (N, S, S, C) uint8
    valid : (N, S, S) bool, True where a pixel shows tissue
    names : of the frames, column "path"
    settings : of the data set
    kind : how files of such frames would be read (`Prepared.kind`); frames of an archive are taken whole
    """
    size = pixels.shape[1]
    box = {"width": size, "height": size, **Box(0, 0, size, size)._asdict()}
    rows = [{"id": short_digest(name)[:12], "path": name, **box, "status": "whole"} for name in names]
    empty = np.zeros((size, size), dtype=bool)
    crops = [Cropped(row, frame, tissue, empty) for row, frame, tissue in zip(rows, pixels, valid, strict=True)]
    return _joined(crops, settings, 0, kind)


def _entry(name: str) -> SourceFile:
    return SourceFile(Path(name), name, "", "", "", "")


def _joined(cropped: Sequence[Cropped], settings: PrepareSettings, cropping: int, kind: str = "") -> Prepared:
    """Return the data set of some crops; of a frame of one colour no pixel is valid."""
    size, channels = settings.size, settings.channels
    pixels = np.array([crop.pixels for crop in cropped], dtype=np.uint8).reshape(-1, size, size, channels)
    valid = np.array([crop.valid for crop in cropped], dtype=bool).reshape(-1, size, size)
    if not kind:
        valid &= ~np.array([is_one_colour(*arrays) for arrays in zip(pixels, valid, strict=True)], dtype=bool)[:, None, None]
    texts: dict[str, Any] = dict.fromkeys(("label", "finding", "group", "digest"), "")
    index = pd.DataFrame([{**texts, "annotated": 0, "copy": 0, "seconds": None, **crop.row} for crop in cropped])
    index = index.assign(split="test", row=np.arange(len(index)), content="", group="auto:" + index["path"])
    index = index.astype({SECONDS: float})
    digest = short_digest(settings.digest(), short_digest(pixels.tobytes()), short_digest(valid.tobytes()))
    return Prepared(Path(), settings, "", digest, index[columns_of(index)], pixels, valid, None, kind, cropping=cropping)
