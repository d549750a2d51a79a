"""Show how the field of view of single frames was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from medgen.data.field.contour import crop, square_box
from medgen.data.field.overlay import rules_for
from medgen.data.images import count_frames, read_image
from medgen.data.pixel_format import to_uint8
from medgen.data.prepared import PrepareSettings, evenly_spaced
from medgen.data.preparing.inspect import FILES
from medgen.data.preparing.survey import survey
from medgen.data.pyramid import Pyramid
from medgen.data.source_file import SourceFile
from medgen.data.sources import read_source
from medgen.errors import ImageError
from medgen.files import disk_name
from medgen.outputs.folder import named_place, output_folder
from medgen.outputs.own_files import own_files
from medgen.report.figures import image_grid
from medgen.report.plot_style import RULE
from medgen.types import Image, OnProgress, Progress, no_progress

SIDE = 240  # pixels, near which all pictures of a row are shown: a whole multiple or part of the crop


def crop_steps(
    source: Path,
    out: Path,
    size: int = 96,
    limit: int = 12,
    on_progress: OnProgress = no_progress,
    settings: PrepareSettings | None = None,
) -> int:
    """Write one picture a frame with the steps of its crop: original, grey, mask and threshold, contour, result, valid.

    All are of equal size on grey paper, on which white and black edges show. The last one shows in blue what is blanked, and says
    by which rules and how much.

    Parameters
    ----------
    source : one frame or a folder
    size : side of the crop in pixels
    limit : files, taken evenly from a folder; of each its middle frame
    settings : intensity and overlay, as `Inspection.settings` has them; None looks for what holds for the whole source

    Returns
    -------
    How many pictures were written.

    Examples
    --------
    >>> api.crop_steps(FRAMES, OUT / "steps", limit=2)
    2
    """
    entries = read_source(source, modality=settings.modality if settings else "")
    settings = settings or survey(entries, PrepareSettings()).settings
    of = {"data": named_place(source.resolve().name, source, out)}
    with output_folder(out, "inspect", FILES, of=of), own_files(out) as write:
        return _write(write, [entries[index] for index in evenly_spaced(len(entries), limit)], size, settings, on_progress)


def _write(
    write: Callable[[str, bytes], None],
    entries: Sequence[SourceFile],
    size: int,
    settings: PrepareSettings,
    on_progress: OnProgress,
) -> int:
    """Write a picture of each file that can be read; return how many."""
    written = 0
    for done, entry in enumerate(entries, start=1):
        try:
            picture = _steps(middle_frame(entry, settings), size, settings)
        except ImageError as error:
            on_progress(Progress("steps", done, len(entries), {}, f"{entry.file}: {error}"))
            continue
        write(disk_name(entry.file) + ".png", picture)
        written += 1
        on_progress(Progress("steps", done, len(entries)))
    return written


def middle_frame(entry: SourceFile, settings: PrepareSettings) -> Image:
    """Read the middle frame of a file, as the first slice of a volume often shows nothing."""
    number = count_frames(entry.path, axes=settings.axes) // 2 if entry.frame is None else entry.frame
    return read_image(entry.path, number, settings.shown(), settings.axes)


def _steps(image: Image, size: int, settings: PrepareSettings) -> bytes:
    pixels = to_uint8(image.pixels)
    rules = rules_for(Pyramid.of(pixels), settings.overlay)
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    cropped, field = crop(Pyramid.of(pixels), size, rules=rules)
    outline = pixels.copy()
    width = max(1, round(min(pixels.shape[:2]) / 150))
    box, square = field.box, square_box(field.box)
    cv2.drawContours(outline, [field.contour * field.scale], -1, (0, 255, 255), width)
    cv2.rectangle(outline, (box.left, box.top), (box.right - 1, box.bottom - 1), (255, 255, 0), width)
    cv2.rectangle(outline, (square.left, square.top), (square.right - 1, square.bottom - 1), (0, 255, 0), width)
    marked = cropped.pixels.copy()
    marked[~cropped.valid] = (0, 80, 255)
    mask = np.repeat((field.mask * 255).astype(np.uint8)[..., None], 3, axis=2)
    grey = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    otsu = int(cv2.threshold(grey[..., 0], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0])
    threshold = f"mask > {field.threshold} (Otsu {otsu})" if field.bordered else f"no border (Otsu {otsu})"
    titles = ["original", "grey", threshold, "contour", f"{size} x {size}", f"{rules}: {1 - cropped.valid.mean():.0%} blanked"]
    side = cropped.pixels.shape[0] * max(1, round(SIDE / size)) // max(1, size // SIDE)
    tiles = [square_tile(picture, side) for picture in (pixels, grey, mask, outline, cropped.pixels, marked)]
    return image_grid([tiles], titles, side, RULE)


def square_tile(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return (H, W, 1 or 3) as large as fits into (side, side, 3), in the middle of the colour of the paper."""
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    shown = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    tile = np.full((side, side, 3), ImageColor.getrgb(RULE), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    tile[top : top + height, left : left + width] = shown
    return tile
