"""Files that mark findings: a mask is data and no picture, so nothing here looks at how it would be shown.

A pixel that is not zero marks a finding, whatever its number: 1, 255, label 4, palette colour 2. Only where the numbers between
say no more than how far an edge reaches into a pixel do those above half of the mask's own range count: in files compressed with
loss, in probabilities, and where a drawing program has smoothed the edges (`_smooth_edges`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.images import opened
from medgen.data.pixel_format import FileFrames, Raw, StoredFrame
from medgen.data.preparing.read_ahead import no_frame, one_frame
from medgen.data.sampling import Sampling
from medgen.data.source_file import BoxShares, MaskFile, SourceFile
from medgen.errors import ImageError

Mask = NDArray[np.bool_]

BRIGHT = 200  # a mask with smoothed edges was drawn in white, a map of labels rarely counts so far
EDGE_VALUES = 3  # smoothed edges have at least so many values between black and white
FEW = 16  # values that are no integers may be labels that a program has divided by 255; probabilities have more
FLAT = 0.1  # share of their pixels that may lie within an even area; labels fill areas
RESIDUE = 16  # grey levels below which a lossy video may keep, frame after frame, where a finding was before
SCALED = 0.05  # share of a label by which scaling to 8 bits may have changed it
OPPOSITE = {"L": "R", "R": "L", "P": "A", "A": "P", "S": "I", "I": "S"}


class Marks(NamedTuple):
    """What is marked in one frame.

    Attributes
    ----------
    mask : (H, W) bool, as large as the frame
    scaled : whether a mask of another size was brought to that of the frame
    unrelated : whether a segmentation refers to other frames alone, and so says nothing of this one
    """

    mask: Mask
    scaled: bool = False
    unrelated: bool = False


Fetch = Callable[[int], Mask | None]  # a frame's number -> what one file marks in it; None where it says nothing


@contextmanager
def open_truth(
    entry: SourceFile,
    image: FileFrames,
    values: frozenset[float] = frozenset(),
    sampling: Sampling | None = None,
    axes: str = "",
) -> Iterator[Callable[[int, tuple[int, int]], Marks]]:
    """Open the masks of an image; they are closed at the end of the block.

    Parameters
    ----------
    entry : the image with its masks and boxes, whose marks are united
    image : as it was opened; its frames are not touched
    values : the labels that are a finding; none: all but 0. Of a DICOM segmentation they are the numbers of its segments.
    sampling : which frames of a video were opened, and are of one that masks it
    axes : what the axes of the image mean, if it is an array whose axes were stated

    Yields
    ------
    What returns the marks of a frame, given its number in the file and its (H, W); numbers have to rise from call to call.

    Raises
    ------
    ImageError : naming the mask, here and while marks are read, if it cannot be read, has another number of frames than the
        image, runs along another axis, or is of another shape.
    """
    with ExitStack() as stack:
        fetches = [(mask.path.name, _open_mask(stack, mask, entry, image, values, sampling, axes)) for mask in entry.masks]

        def marks(number: int, shape: tuple[int, int]) -> Marks:
            whole = _boxed(entry, image.total, shape)
            scaled = unrelated = False
            for name, fetch in fetches:
                with _named(name):
                    found = fetch(number)
                    if found is None:
                        unrelated = True
                        continue
                    whole |= fitted(found, shape)
                    scaled |= found.shape != shape
            return Marks(whole, scaled, unrelated)

        yield marks


def marked(frame: StoredFrame, values: frozenset[float] = frozenset()) -> Mask:
    """Return where a frame of a mask marks a finding, (H, W) bool.

    Parameters
    ----------
    frame : as it is stored
    values : the labels that are a finding; none: all but 0

    Raises
    ------
    ImageError : if labels are asked for of a file whose numbers a compression has changed.
    """
    labels = _labels(frame)
    if values:
        if frame.lossy:
            raise ImageError("is compressed with loss, so that its label values are guesses; leave mask values out")
        return _are(labels.astype(np.float64), values)
    low, high = float(labels.min()), float(labels.max())
    if frame.residue and high < RESIDUE:
        return np.zeros(labels.shape, dtype=bool)
    if low == high or not (frame.lossy or _is_graded(labels)):
        return labels != 0
    if labels.dtype.kind == "f" and low >= 0 and high <= 1:  # a slice at the rim of a finding may reach less than the whole
        return labels > 0.5
    black = low if 2 * low < high else 0.0  # all of a frame may be marked
    return labels.astype(np.float64) > (black + high) / 2


def _are(labels: NDArray[np.float64], values: frozenset[float]) -> Mask:
    """Tell where labels are one of some values, as exactly as programs keep them that scale labels into a few integers."""
    allowed = {value: np.clip(SCALED * abs(value), 0.0005, 0.1) for value in values}
    return np.logical_or.reduce([np.abs(labels - value) <= error for value, error in allowed.items()])


def _labels(frame: StoredFrame) -> Raw:
    """Return what each pixel is called, (H, W): its value, or its index in a palette, of which that shown black is nothing."""
    if frame.labels is None:
        return np.nan_to_num(frame.values.max(axis=2), nan=0.0)
    if frame.values.shape[2] == 1:
        return frame.labels
    black = (frame.values == frame.black).all(axis=2)
    first = frame.labels == 0
    if black.any() and first.any() and not black[first].any():  # colour 0 is none: the palette was sorted by another rule
        return np.where(black, 0, frame.labels.astype(np.int64) + 1)
    return frame.labels


def _is_graded(labels: Raw) -> bool:
    """Tell whether the values between the lowest and the highest are shares of a pixel or probabilities, and no labels."""
    values = np.unique(labels)
    if len(values) < 3:
        return False
    if labels.dtype.kind == "f" and (values != np.round(values)).any():
        return len(values) > FEW or _smooth_edges(labels, values)
    return bool(values[-1] >= BRIGHT and len(values) - 2 >= EDGE_VALUES and _smooth_edges(labels, values))


def _smooth_edges(labels: Raw, values: Raw) -> bool:
    """Tell whether the values between the lowest and the highest form edges alone: hardly any is surrounded by its own kind."""
    between = (labels > values[0]) & (labels < values[-1])
    numbers = np.searchsorted(values, labels).astype(np.float32)
    same = cv2.dilate(numbers, np.ones((3, 3))) == cv2.erode(numbers, np.ones((3, 3)))
    return bool((same & between).sum() <= FLAT * between.sum())


def fitted(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Return a mask at the size of its frame, the nearest pixel of it at each.

    Raises
    ------
    ImageError : if its sides are not in the proportion of the frame's, but for rounding.
    """
    if mask.shape == shape:
        return mask
    (height, width), (own_height, own_width) = shape, mask.shape
    factor = min(1.0, height / own_height)  # both are compared at the size of the smaller one
    expected = width * own_height / height
    if abs(expected - own_width) * factor >= 1:
        raise ImageError(f"is {own_width} x {own_height}, the frame {width} x {height}")
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)


def _boxed(entry: SourceFile, total: int, shape: tuple[int, int]) -> Mask:
    """Return (H, W) bool, True inside the boxes of an image."""
    mask = np.zeros(shape, dtype=bool)
    if entry.boxes and total > 1 and entry.frame is None:
        raise ImageError(f"has {total} frames and boxes that do not say for which; name one as '{entry.file}#0'")
    for stated in entry.boxes:
        box = stated.in_pixels(shape) if isinstance(stated, BoxShares) else stated
        left, top, right, bottom = max(box.left, 0), max(box.top, 0), box.right, box.bottom
        inside = mask[top : max(bottom, 0), left : max(right, 0)]
        if not inside.size:
            raise ImageError(f"its box from ({box.left}, {box.top}) to ({right}, {bottom}) is empty or lies outside of the frame")
        inside[...] = True
    return mask


def _open_mask(
    stack: ExitStack,
    mask: MaskFile,
    entry: SourceFile,
    image: FileFrames,
    values: frozenset[float],
    sampling: Sampling | None,
    axes: str,
) -> Fetch:
    with _named(mask.path.name):
        wanted = sampling if mask.frame is None else Sampling(numbers=(mask.frame,))
        content = stack.enter_context(opened(mask.path, wanted, axes, mask=True))
        number = mask.frame
        if number is None:
            if content.refers_to is not None:
                return _of_segmentation(mask.path, image, values)
            if content.total == 1 and (image.total == 1 or entry.frame is not None):
                return _always(next(content.frames), values)  # of a video that of the number that was asked for
            if content.total != image.total:
                raise ImageError(f"has {content.total} frame{'' if content.total == 1 else 's'}, the image {image.total}")
            backwards = _runs_backwards(content, image)
            if entry.frame is None:
                return _of_volume(content, backwards, values)
            number = content.total - 1 - entry.frame if backwards else entry.frame
        elif image.total > 1 and entry.frame is None:
            raise ImageError(f"is one frame, {number}, for {image.total} frames of the image; name one of these, too")
        return _always(one_frame(mask.path, number, content, axes, "mask"), values)


def _always(frame: StoredFrame, values: frozenset[float]) -> Fetch:
    marks = marked(frame, values)
    return lambda _: marks


def _runs_backwards(content: FileFrames, image: FileFrames) -> bool:
    """Tell whether the slices of a mask run the other way than those of its image; slices along another axis are refused."""
    own, wanted = content.orientation[-1:], image.orientation[-1:]
    if own in OPPOSITE and wanted in OPPOSITE and wanted not in (own, OPPOSITE[own]):
        raise ImageError(
            f"is stored as {content.orientation}, the image as {image.orientation}: their slices run along different axes; "
            "store both in the same orientation"
        )
    return OPPOSITE.get(own) == wanted


def _of_volume(content: FileFrames, backwards: bool, values: frozenset[float]) -> Fetch:
    """Fetch frame k, or the one as far from the end, for frame k of the image."""
    if backwards:
        packed = [(frame.values.shape[:2], np.packbits(marked(frame, values))) for frame in content.frames]
        return lambda k: _unpacked(*packed[len(packed) - 1 - k])

    def fetch(number: int) -> Mask:
        if (found := next((frame for frame in content.frames if frame.number == number), None)) is None:
            raise no_frame(number, content.total)
        return marked(found, values)

    return fetch


def _unpacked(shape: tuple[int, ...], bits: NDArray[np.uint8]) -> Mask:
    height, width = shape
    return np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)


def _of_segmentation(path: Path, image: FileFrames, values: frozenset[float]) -> Fetch:
    """Fetch all segments of a frame together; None for one that the segmentation does not refer to."""
    if not image.instance:
        raise ImageError("refers to DICOM files by their UID, and its image has none")
    segments = _segments(path, path.stat().st_mtime_ns, values)
    if not any(instance for instance, _ in segments):
        raise ImageError("is a segmentation that does not say which frames it marks")
    own = {number: marks for (instance, number), marks in segments.items() if instance == image.instance}

    def fetch(number: int) -> Mask | None:
        found = [_unpacked(*own[key]) for key in (number, None) if key in own]
        return np.logical_or.reduce(found) if found else None

    return fetch


@lru_cache(maxsize=4)  # one segmentation belongs to all the slices of a series
def _segments(
    path: Path, _changed: int, values: frozenset[float]
) -> dict[tuple[str, int | None], tuple[tuple[int, ...], NDArray[np.uint8]]]:
    """Return what a segmentation marks, packed, for each instance and frame number that it refers to."""
    segments: dict[tuple[str, int | None], tuple[tuple[int, ...], NDArray[np.uint8]]] = {}
    with opened(path) as content:
        targets: Sequence[tuple[str, int | None]] = content.refers_to or ()
        for target, frame in zip(targets, content.frames, strict=True):
            bits = np.packbits(marked(frame, values))
            shape, before = segments.get(target, (frame.values.shape[:2], np.zeros_like(bits)))
            segments[target] = shape, before | bits
    return segments


@contextmanager
def _named(mask: str) -> Iterator[None]:
    """Say in an error which mask it is about."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"its mask {mask}: {error}") from None
