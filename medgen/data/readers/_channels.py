"""What pictures of several formats share: samples of few bits, alpha, palettes, and which way is up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import Raw, StoredFrame, stored


def of_bits(samples: Raw, black: int, white: int, *, lossy: bool = False) -> StoredFrame:
    """Return a frame of integers of a stated number of bits; those of up to eight are rendered as they are.

    Parameters
    ----------
    samples : (H, W) or (H, W, C), C 1 or 3, integers of 8 or 16 bits
    black, white : the smallest and the largest number of so many bits: 0 and 4095, -128 and 127
    lossy : whether they were compressed with loss
    """
    frame = stored(samples, lossy=lossy)._replace(black=float(black), white=float(white), conventional=False)
    steps = white - black
    if steps > 255:
        return frame._replace(rendered=None)
    if frame.values.dtype == np.uint8 and steps == 255:
        return frame
    shown = np.rint(np.arange(steps + 1) * (255 / steps)).astype(np.uint8)
    return frame._replace(rendered=shown[(frame.values.astype(np.int64) - black).clip(0, steps)])


def with_alpha(frame: StoredFrame, alpha: Raw, opaque: float, *, multiplied: bool = False) -> StoredFrame:
    """Lay a frame over black, the colour of the border of an endoscope's field of view.

    Parameters
    ----------
    frame : its colours
    alpha : (H, W), from 0, which is transparent
    opaque : the largest alpha
    multiplied : whether the colours are multiplied by alpha already (associated alpha), and so lie over black as they are

    Returns
    -------
    Where everything that can be seen has one colour, alpha alone is what is drawn: it becomes the labels, or a mask drawn in
    black on nothing would be lost.
    """
    labels = frame.labels
    if alpha.min() < alpha.max():  # nearly always all is opaque
        seen = frame.values[alpha > 0]
        if (seen == seen[0]).all():
            labels = alpha
        elif labels is not None:
            labels = np.where(alpha > 0, labels, 0)
    if multiplied or alpha.min() >= opaque:
        return frame._replace(labels=labels)
    share = np.clip(alpha[..., None] / np.float32(opaque), 0, 1)  # (H, W, 1)
    values: NDArray[Any] = frame.black + (frame.values - np.float64(frame.black)) * share
    if frame.values.dtype.itemsize == 1:
        values = np.rint(values).astype(frame.values.dtype)
    rendered = None if frame.rendered is None else np.rint(frame.rendered * share).astype(np.uint8)
    return frame._replace(values=values, rendered=rendered, labels=labels)


def of_palette(indices: NDArray[Any], palette: NDArray[np.uint8]) -> StoredFrame:
    """Return the colours of a palette, with its indices as the labels.

    Parameters
    ----------
    indices : (H, W) unsigned integers
    palette : (N, 3), or (N, 4) with straight alpha, which is laid over black; indices from N on are black

    Returns
    -------
    Label 0 means that there is no finding. Where index 0 is black, and where no index is, the labels are the indices: a map of
    labels counts from its background, whatever the colour of that. Where another index is black and 0 is not, as an encoder
    may sort its colours, the two change places, and all that is black becomes 0. Black that no pixel has fills up a table, unless
    the table has two colours.
    """
    colours = np.zeros((max(len(palette), int(indices.max(initial=0)) + 1), 3), dtype=np.uint8)
    colours[: len(palette)] = palette[:, :3]
    if palette.shape[1] == 4:
        colours[: len(palette)] = np.rint(palette[:, :3] * (palette[:, 3:] / 255))
    numbers = np.arange(len(colours), dtype=np.uint16)
    black = (colours == 0).all(axis=1)
    if len(palette) > 2 and not black[0]:
        black &= np.isin(numbers, indices)
    if not black[0] and black.any():
        numbers[0] = black.argmax()
        numbers[black] = 0
    return stored(colours[indices])._replace(labels=numbers[indices])


def turned(frame: StoredFrame, orientation: int) -> StoredFrame:
    """Return a frame upright: `orientation` is that of EXIF and TIFF, 1 to 8; another number says nothing."""
    if orientation not in range(2, 9):
        return frame

    def upright(pixels: NDArray[Any]) -> NDArray[Any]:
        if orientation in (5, 6, 7, 8):
            pixels = pixels.swapaxes(0, 1)
        rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
        columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
        return np.ascontiguousarray(pixels[rows, columns])

    return frame._replace(
        values=upright(frame.values),
        rendered=None if frame.rendered is None else upright(frame.rendered),
        labels=None if frame.labels is None else upright(frame.labels),
    )
