"""Shortcut features: simple traits of frames by which a model could tell the labels apart without seeing the finding.

A data set comes in, a table of traits (brightness, black box, JPEG quality, ...) goes out, one row a frame. `medgen audit`
measures how well each trait alone separates normal from abnormal frames.

Traits of picture and overlay are taken from the stored frame: models see that one, all are of one size, and it is there when the
raw frames are gone. Brightness, colour and sharpness are those of the valid pixels, so that a box changes only the traits of
boxes. Traits of the file come from the raw frame, if it is still at the data set's source with the same bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

import cv2
import numpy as np
import pandas as pd
import PIL.Image
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from medgen.data.field.contour import find_field
from medgen.data.field.overlay import Mask, find_overlay
from medgen.data.field.rims import STEP
from medgen.data.pixel_format import with_channels
from medgen.data.prepared import Prepared
from medgen.data.preparing.alike.duplicates import digest
from medgen.data.writers.map_to_original import find_originals
from medgen.errors import ImageError
from medgen.types import OnProgress, OverlayRules, Progress, no_progress

BLOCK = 64  # frames read at once
MAX_BOX = 0.75  # of the frame's side; a black rectangle that is longer along an edge is border

TRAITS: Mapping[str, str] = MappingProxyType(
    {
        "brightness": "mean brightness",  # luminance (ITU-R BT.601), 0 to 255
        "contrast": "contrast",  # standard deviation of the luminance
        "red": "mean of red",  # 0 to 255
        "green": "mean of green",
        "blue": "mean of blue",
        "saturation": "colour saturation",  # of HSV, 0 to 1
        "sharpness": "sharpness",  # variance of the Laplacian of the luminance
        "valid_share": "share of valid pixels",
        "black_box": "presence of a black box",  # 0 or 1
        "black_box_share": "area of the black box",  # of the frame, 0 where there is none
        "black_box_x": "horizontal place of the black box",  # of its centre, 0 left to 1 right; none without a box
        "black_box_y": "vertical place of the black box",  # 0 top to 1 bottom
        "green_box": "presence of a green box",
        "green_box_share": "area of the green box",
        "highlight_share": "share of highlights and text",
        "border_share": "share of dark border",
        "width": "original width",  # pixels
        "height": "original height",
        "aspect": "original aspect ratio",  # width / height
        "jpeg": "JPEG format",  # 0 or 1
        "jpeg_quality": "JPEG quality",  # 1 to 100, estimated; none where it is no JPEG
        "bytes": "file size",
        "bytes_per_pixel": "file size per pixel",
    }
)
"""Every trait, with its name as pages show it."""
MEAN_DISTANCE = "distance from the mean normal frame"  # what pages call `mean_distance`, which is no trait

# Luminance table of ITU-T T.81 (JPEG, 1992), table K.1, row by row
_LUMINANCE = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
])  # fmt: skip
_QUALITIES = np.arange(1, 101)


def frame_traits(data: Prepared, rows: NDArray[np.int64], on_progress: OnProgress = no_progress) -> pd.DataFrame:
    """Return the traits of frames, one row each in the order of `rows`, columns of `TRAITS`; NaN where a frame has no such trait.

    Columns that no frame of the data set can have are left out: colour of grey frames; overlay, size and file of frames at native
    size (`Prepared.kind` is not ""); those of the file where no raw frame is left. `why_left_out` gives the reason.

    Parameters
    ----------
    data : the data set
    rows : (N,) rows of its index
    on_progress : called after every block of frames
    """
    tables = []
    rules: OverlayRules = "dark" if data.settings.overlay == "dark" else "endoscopy"  # a bright lesion is no highlight
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        frames, valid = data.frames[block], np.asarray(data.valid[block])  # (b, S, S, C), (b, S, S)
        tables += [
            picture_traits(pixels, frame_valid) | ({} if data.kind else overlay_traits(pixels, frame_valid, rules))
            for pixels, frame_valid in zip(frames, valid, strict=True)
        ]
        on_progress(Progress("audit", start + len(block), len(rows)))
    table = pd.DataFrame(tables)
    if data.kind:
        return table
    width, height = (data.index[name].to_numpy(dtype=float)[rows] for name in ("width", "height"))
    table = table.assign(width=width, height=height, aspect=width / height)
    files = _files(data, rows)
    if files["bytes"].notna().any():
        table = table.join(files).assign(bytes_per_pixel=files["bytes"] / (width * height))
    return table


def why_left_out(data: Prepared, table: pd.DataFrame) -> str:
    """Return a sentence on why `frame_traits` left columns out of `table`, "" where it left out none."""
    if data.kind:
        return "These frames are read at native size: traits of overlay, original size and file are not looked at."
    if "bytes" not in table:
        return f"The raw frames are no longer at '{data.source}', or have changed: traits of the file are left out."
    return ""


def picture_traits(pixels: NDArray[np.uint8], valid: Mask) -> dict[str, float]:
    """Return light, colour and sharpness of the valid pixels of one frame; NaN where none is valid.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000, https://doi.org/10.1109/ICPR.2000.903548) where all
    eight neighbours are valid, too.

    Parameters
    ----------
    pixels : (S, S, C) uint8
    valid : (S, S) bool
    """
    grey = with_channels(pixels, 1)[..., 0]  # (S, S)
    inside = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    light, edges = grey[valid], cv2.Laplacian(grey, cv2.CV_32F)[inside]
    traits = {"brightness": _mean(light), "contrast": float(light.std()) if light.size else np.nan}
    if pixels.shape[2] == 3:
        colours = pixels[valid].astype(np.float32)  # (n, 3)
        high, low = colours.max(axis=1), colours.min(axis=1)
        traits |= {name: _mean(colours[:, channel]) for channel, name in enumerate(("red", "green", "blue"))}
        traits["saturation"] = _mean((high - low) / np.maximum(high, 1))
    return traits | {"sharpness": float(edges.var(dtype=np.float64)) if edges.size else np.nan}


def overlay_traits(pixels: NDArray[np.uint8], valid: Mask, rules: OverlayRules = "endoscopy") -> dict[str, float]:
    """Return area and position of the overlay that `overlay.find_overlay` detects in one stored frame, as shares of the frame.

    A black box lies inside the field of view, or in a corner of the frame, where `find_overlay` takes it for border and
    `corner_boxes` tells it apart. Frames without a dark border may have one, too.

    Parameters
    ----------
    pixels : (S, S, C) uint8
    valid : (S, S) bool, as the data set has it
    rules : by which overlay is looked for
    """
    field = find_field(pixels)
    overlay = find_overlay(field.levels, max(field.threshold, STEP), field.green_box, rules)
    black = overlay.black_box | corner_boxes(overlay.border)
    down, across = np.nonzero(black)
    return {
        "valid_share": float(valid.mean()),
        "black_box": float(black.any()),
        "black_box_share": float(black.mean()),
        "black_box_x": float(across.mean() + 0.5) / black.shape[1] if across.size else np.nan,
        "black_box_y": float(down.mean() + 0.5) / black.shape[0] if down.size else np.nan,
        "green_box": float(overlay.green_box.any()),
        "green_box_share": float(overlay.green_box.mean()),
        "highlight_share": float(overlay.highlight.mean()),
        "border_share": float((overlay.border & ~black).mean()),
    }


def corner_boxes(border: Mask) -> Mask:
    """Return the black rectangles in the corners of a frame, (S, S) bool, within its border (S, S).

    The corners of an octagonal or round field of view are dark, too, but they narrow row by row; a box keeps its width and then
    ends at once. A strip along a whole edge is no box.
    """
    boxes = np.zeros(border.shape, np.uint8)
    turns = (slice(None), slice(None, None, -1))
    for corner in ((down, across) for down in turns for across in turns):
        height, width = _corner_box(border[corner])
        boxes[corner][:height, :width] = 1
    return cv2.dilate(boxes, np.ones((3, 3), np.uint8)).astype(bool) & border  # with its blurred rim


def _corner_box(border: Mask) -> tuple[int, int]:
    """Return height and width of the box in the upper left corner of (S, S); 0, 0 if there is none."""
    side = len(border)
    slack = max(2, side // 48)  # how far the resizing blurs the box's edge
    dark = border.copy()
    dark[: 2 * slack] = dark[:, : 2 * slack] = True  # a box may begin a little inside the frame's edge
    runs = np.where(dark.all(axis=1), side, dark.argmin(axis=1))  # (S,) how far each row is dark from the left
    heights = np.arange(1, side - slack)
    widths = np.minimum.accumulate(runs)[heights - 1]
    ends = runs[heights + slack] < widths / 2
    near = (runs <= widths[:, None] + slack) & (np.arange(side) < heights[:, None])  # (heights, S)
    small, large = np.minimum(heights, widths), np.maximum(heights, widths)
    fits = ends & (near.sum(axis=1) >= heights / 2) & (small > 4 * slack) & (large < MAX_BOX * side)
    best = int(np.argmax(np.where(fits, heights * widths, 0)))
    return (int(heights[best]), int(widths[best])) if fits.any() else (0, 0)


def jpeg_quality(table: NDArray[np.integer]) -> int:
    """Return the quality (1 to 100) at which the Independent JPEG Group's encoder has the luminance table most like this one.

    Parameters
    ----------
    table : (64,) quantisation steps, row by row; those of encoders with tables of their own get the nearest quality
    """
    scale = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)  # (100,) percent
    tables = np.clip((_LUMINANCE * scale[:, None] + 50) // 100, 1, 255)  # (100, 64)
    return int(_QUALITIES[np.abs(tables - table).sum(axis=1).argmin()])


def mean_distance(data: Prepared, rows: NDArray[np.int64], trained: Prepared | None = None) -> NDArray[np.float64]:
    """Return the distance of each frame from the mean normal training frame: root mean square over valid pixels, (N,).

    The mean of a pixel is over the frames where it is valid; pixels that are valid in no training frame do not count. NaN for a
    frame without pixels to compare, and for all frames where there are no training frames.

    Parameters
    ----------
    data : the data set
    rows : (N,) rows of its index
    trained : the data set whose training frames are meant, with frames of the same size; None for `data` itself
    """
    trained = data if trained is None else trained
    train = trained.rows("train")
    train = train[(trained.index["label"] == "normal").to_numpy()[train]]
    total = np.zeros(data.frames.shape[1:])  # (S, S, C)
    count = np.zeros((*total.shape[:2], 1))
    for start in range(0, len(train), BLOCK):
        block = train[start : start + BLOCK]
        valid = np.asarray(trained.valid[block])[..., None]  # (b, S, S, 1)
        total += (trained.frames[block] * valid).sum(axis=0, dtype=np.float64)
        count += valid.sum(axis=0)
    mean = total / np.maximum(count, 1)
    distances = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        compared = np.asarray(data.valid[block])[..., None] & (count > 0)  # (b, S, S, 1)
        squares = (np.square(data.frames[block] - mean) * compared).sum(axis=(1, 2, 3))  # (b,)
        pixels = compared.sum(axis=(1, 2, 3)) * total.shape[2]
        distances.append(np.sqrt(np.divide(squares, pixels, out=np.full(len(block), np.nan), where=pixels > 0)))
    return np.concatenate([*distances, np.empty(0)])


def _files(data: Prepared, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Return traits of the files (jpeg, jpeg_quality, bytes); NaN where a file is gone, has changed or holds several frames."""
    originals = find_originals(data, rows)
    files = [original.file if original.name == original.path else None for original in originals]
    traits = [_file_traits(*file_and_digest) for file_and_digest in zip(files, data.index["digest"].iloc[rows], strict=True)]
    return pd.DataFrame(traits, columns=["jpeg", "jpeg_quality", "bytes"], dtype=float)


def _file_traits(path: Path | None, sha: str) -> tuple[float, float, float]:
    unknown = (np.nan, np.nan, np.nan)
    if path is None:
        return unknown
    try:
        if digest(path) != sha:
            return unknown
        with warnings.catch_warnings():  # of a large frame, which was read before
            warnings.simplefilter("ignore")
            with cast(JpegImageFile, PIL.Image.open(path, formats=["JPEG"])) as picture:  # reads the header alone
                quality = float(jpeg_quality(np.array(picture.quantization[0])))
    except PIL.UnidentifiedImageError:
        return 0.0, np.nan, float(path.stat().st_size)
    except (ImageError, OSError, KeyError):
        return unknown
    return 1.0, quality, float(path.stat().st_size)


def _mean(values: NDArray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else np.nan
