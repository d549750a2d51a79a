"""Carry score maps from crops back to the original frames, and draw them there: colours and outlines.

Models see square crops, but readers of a result want it on the frame as the camera made it. A map (S, S) on the crop comes in; a
map (H, W) on the original frame goes out, float32 and NaN where there is no score: outside the crop and on invalid pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.contour import cut
from medgen.data.prepared import Prepared
from medgen.data.source_file import file_and_frame
from medgen.data.sources import read_source
from medgen.errors import DataError
from medgen.types import Box

Outlines = Sequence[NDArray[np.int32]]


class Original(NamedTuple):
    """Where a frame of a data set came from.

    Attributes
    ----------
    row : its row in the index of the data set
    path : its path in the index of the data set
    name : that path without the ``#k`` of a file with several frames
    file : the raw file; None where it is gone or the data set has none
    number : which frame of the file it is, from 0
    """

    row: int
    path: str
    name: str
    file: Path | None
    number: int


def find_originals(data: Prepared, rows: NDArray[np.int64]) -> list[Original]:
    """Find the raw file of each row: of a prepared data set, or of a folder that is read as it is.

    Parameters
    ----------
    data : the data set
    rows : (N,) rows of its index

    Returns
    -------
    One entry for each row, in their order. Files that are no longer at the data set's source are None; that is no error.
    """
    source = {"": Path(data.source), "folder": data.folder}.get(data.kind)
    files: dict[str, Path] = {}
    numbers: dict[str, int] = {}  # of frames that the source names one by one
    if source is not None:
        try:
            entries = [entry for entry in read_source(source, modality=data.settings.modality) if entry.path.is_file()]
            files = {entry.file: entry.path for entry in entries}
            numbers = {entry.file: entry.frame or 0 for entry in entries}
        except DataError:  # the source is gone or no longer a data source
            files = {}
    originals = []
    for row, path in zip(rows.tolist(), data.index["path"].iloc[rows], strict=True):
        name, number = file_and_frame(path)
        if path in files or number is None:
            name, number = path, numbers.get(path, 0)
        originals.append(Original(row, path, name, files.get(name), number))
    return originals


def smoothed(scores: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return a map (S, S) smoothed by a Gaussian of `sigma` pixels, 0 for none; NaN pixels do not contribute and stay NaN."""
    if not sigma:
        return scores
    valid = ~np.isnan(scores)
    total, share = (cv2.GaussianBlur(part.astype(np.float32), (0, 0), sigma) for part in (np.where(valid, scores, 0), valid))
    return np.where(valid, total / np.where(valid, share, 1), np.float32(np.nan)).astype(np.float32)


def to_original(scores: NDArray[np.float32], box: Box, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Carry a map from the crop to the frame that the crop was cut from: the inverse of `contour.crop`.

    Parameters
    ----------
    scores : (S, S) on the crop, NaN where it is not valid
    box : the crop in source pixels; it may reach outside the frame
    shape : (H, W) of the frame

    Returns
    -------
    (H, W) float32. Scores are interpolated linearly (averaged where the crop was larger than its box) from valid pixels alone, so
    that all lie between the lowest and the highest of the crop. A pixel is valid where the nearest one of the crop is; all others
    are NaN.
    """
    size, valid = (box.width, box.height), ~np.isnan(scores)
    mode = cv2.INTER_AREA if box.width < scores.shape[1] else cv2.INTER_LINEAR
    total = cv2.resize(np.where(valid, scores, np.float32(0)), size, interpolation=mode)  # (S, S) -> (box.height, box.width)
    share = cv2.resize(valid.astype(np.float32), size, interpolation=mode)
    inside = (cv2.resize(valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0) & (share > 0)
    in_box = np.where(inside, total / np.where(inside, share, 1), np.float32(np.nan)).astype(np.float32)
    frame = Box(-box.left, -box.top, shape[1] - box.left, shape[0] - box.top)  # in pixels of the box
    return cut(in_box, frame, np.nan)  # (box.height, box.width) -> (H, W)


def outlines(scores: NDArray[np.float32], level: float) -> Outlines:
    """Return the outlines, holes included, of all regions of a map (H, W) above `level`: each (N, 1, 2) int32 of x and y."""
    above = np.nan_to_num(scores, nan=-np.inf) > level
    return cv2.findContours(above.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]


def overlay(
    frame: NDArray[np.uint8], strength: NDArray[np.float32], colours: NDArray[np.uint8], lines: Outlines = ()
) -> NDArray[np.uint8]:
    """Lay colours over a frame, and white lines with a black rim over both.

    Parameters
    ----------
    frame, colours : (H, W, 3) uint8
    strength : (H, W), share of the colour from 0 to 1; NaN where the frame is to stay untouched, by lines too
    lines : outlines to draw, each (N, 1, 2) int32 of x and y

    Returns
    -------
    (H, W, 3) uint8.
    """
    share = np.nan_to_num(strength)[..., None]  # (H, W) -> (H, W, 1)
    mixed = np.rint(frame * (1 - share) + colours * share).astype(np.uint8)
    width = max(1, round(min(frame.shape[:2]) / 300))
    for colour, thickness in (((0, 0, 0), 3 * width), ((255, 255, 255), width)):
        mixed = cv2.drawContours(mixed, lines, -1, colour, thickness)
    return np.where(np.isnan(strength)[..., None], frame, mixed)
