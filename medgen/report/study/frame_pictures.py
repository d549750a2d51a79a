"""Pictures of the chosen frames of a comparison, each with what every backend makes of it, within a number of bytes."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgen.data.writers.map_to_original import outlines
from medgen.report.figures import error_scale, heat
from medgen.report.markup import escape_hidden
from medgen.report.study.comparison import Comparison
from medgen.report.study.frame_ranks import RankedFrames, choose_frames

PICTURE_BYTES = 5_000_000  # of all pictures together, as text in the page
TYPICAL = 4_000  # bytes of one picture; how many frames are asked for
MOST = 160  # frames with pictures, however small these are
SIDE = 192  # pixels; larger frames are shrunk
QUALITY = 80  # of WebP


class EntryPicture(TypedDict):
    """What one backend makes of a frame; pictures are addresses that hold them."""

    reconstruction: str | None
    error: str | None
    high: float  # the error that the brightest colour stands for


class FramePicture(TypedDict):
    """A frame with what the backends make of it."""

    why: str  # it was chosen
    side: int  # pixels
    original: str
    contour: str  # SVG path of the truth in pixels of the frame, "" for none
    entries: list[EntryPicture]


def frame_pictures(
    comparison: Comparison, names: Sequence[str], ranked: RankedFrames, budget: int = PICTURE_BYTES
) -> dict[int, FramePicture]:
    """Return row -> what is shown of that frame, as many of the chosen ones as `budget` bytes hold.

    Parameters
    ----------
    comparison : whose frames are drawn
    names : of its entries
    ranked : scores of its frames
    budget : bytes of the pictures as JSON, all together
    """
    bytes_of_a_frame = TYPICAL * (1 + 2 * len(comparison.entries))
    count = min(MOST, max(1, budget // bytes_of_a_frame))
    chosen = choose_frames(comparison.entries[0].runs[0].scores, ranked, names, count)
    frames: dict[int, FramePicture] = {
        row: {"why": escape_hidden(why), "original": "", "side": 0, "contour": "", "entries": []} for row, why in chosen.items()
    }
    for entry in comparison.entries:
        views = entry.frame_views(list(chosen))
        high = error_scale(views)
        for row, view in zip(chosen, views, strict=True):
            frame = frames[row]
            if not frame["original"]:
                frame["side"], frame["original"] = len(view.original), _webp(view.original)
            if not frame["contour"] and view.mask is not None and view.mask.any():
                frame["contour"] = _contour(view.mask, frame["side"])
            drawn = None if view.reconstruction is None else _webp(view.reconstruction)
            error = None if view.error is None else _webp(heat(view.error, view.valid, high))
            frame["entries"].append({"reconstruction": drawn, "error": error, "high": float(f"{high:.3g}")})
    return _within(frames, budget)


def _within(frames: dict[int, FramePicture], budget: int) -> dict[int, FramePicture]:
    """Return the first frames whose JSON fits into the budget."""
    fitting: dict[int, FramePicture] = {}
    used = 0
    for row, frame in frames.items():
        used += len(json.dumps(frame))
        if used > budget:
            break
        fitting[row] = frame
    return fitting


def _webp(pixels: NDArray[np.uint8]) -> str:
    """Return (S, S, 3) as an address that holds the picture, no larger than `SIDE`."""
    image = Image.fromarray(pixels)
    if image.width > SIDE:
        image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    stream = BytesIO()
    image.save(stream, format="webp", quality=QUALITY, method=2)
    return "data:image/webp;base64," + b64encode(stream.getvalue()).decode()


def _contour(mask: NDArray[np.bool_], side: int) -> str:
    """Return the outlines of a mask as an SVG path in pixels of a frame of `side`, corners within a pixel of where they are."""
    scale = side / len(mask)
    lines = [cv2.approxPolyDP(line, 0.7, True)[:, 0] for line in outlines(mask.astype(np.float32), 0.5)]
    points = [" ".join(f"{scale * (x + 0.5):.4g},{scale * (y + 0.5):.4g}" for x, y in line) for line in lines]
    return "".join(f"M{line}Z" for line in points)
