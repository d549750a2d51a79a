"""Voxels to frames: what the readers of volumes share. Slices lie along the last axis; each is turned upright."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import MAX_VOLUME, FileFrames, Raw, Spacing, StoredFrame, check_finite, check_size, joined, stored
from medgen.errors import ImageError

Turn = Callable[[NDArray], NDArray]


class Voxels(NamedTuple):
    """A volume in memory.

    Attributes
    ----------
    raw : (X, Y, Z) or (X, Y, Z, 3), of the type that the file has
    slope, intercept : values are raw * slope + intercept
    """

    raw: Raw
    slope: float = 1.0
    intercept: float = 0.0


def check_volume(shape: Sequence[int], kind: str) -> tuple[int, int, int]:
    """Return (X, Y, Z) of a shape with one, two or three axes that are longer than 1.

    Raises
    ------
    ImageError : on more axes, no slices, or more than `MAX_VOLUME` voxels.
    """
    whole = (*shape, 1, 1, 1)[: max(3, len(shape))]
    if prod(whole[3:]) != 1:
        raise ImageError(
            f"is {kind} of shape {joined(whole)}; expected three dimensions: save the channel or moment that is meant by itself"
        )
    check_size(whole[0], whole[1])
    if prod(whole) > MAX_VOLUME:
        raise ImageError(f"is a volume of {joined(whole)} voxels; at most {MAX_VOLUME // 1_000_000} million are read")
    if whole[2] < 1:
        raise ImageError("has no slices")
    return whole[0], whole[1], whole[2]


def slices(load: Callable[[], Voxels], affine: NDArray, zooms: Sequence[float], count: int) -> FileFrames:
    """Return the slices of a volume, upright.

    Rows run from the patient's top (superior; in an axial slice anterior) down, and columns from the viewer's left, which is the
    patient's right in axial and coronal slices and anterior in sagittal ones. That is how a DICOM viewer shows the same slices
    (radiological convention), whatever order the voxels are stored in.

    Parameters
    ----------
    load : returns the voxels, once
    affine : (4, 4), from voxel indices to millimetres to the right, anterior and superior
    zooms : of the first two axes in mm
    count : Z

    Returns
    -------
    uint8 that is not scaled is rendered as it is. All else has the whole range of the volume, as such files state none; values
    are computed in 64-bit floats, slice by slice.
    """
    import nibabel as nib

    codes = "".join(code or "?" for code in nib.aff2axcodes(affine))
    return FileFrames(count, _frames(load, *upright(affine, zooms)), orientation=codes)


def _frames(load: Callable[[], Voxels], turn: Turn, spacing: Spacing) -> Iterator[StoredFrame]:
    raw, slope, intercept = load()
    if raw.dtype.kind not in "iufb":
        raise ImageError(f"voxels are of type {raw.dtype}; expected real numbers")
    check_finite(raw)
    scaled = (slope, intercept) != (1, 0)
    ends = _ends(raw, slope, intercept)
    for k in range(raw.shape[2]):
        plane = turn(raw[:, :, k])
        values = plane.astype(np.float64) * slope + intercept if scaled else plane
        frame = stored(values, spacing=spacing)
        yield frame if frame.rendered is not None else frame._replace(black=ends[0], white=ends[1], conventional=False)


def _ends(raw: Raw, slope: float, intercept: float) -> tuple[float, float]:
    """Return the lowest and the highest value of a volume; both 0 where none has a value."""
    lows = [plane.min(initial=np.inf, where=~np.isnan(plane)) if raw.dtype.kind == "f" else plane.min() for plane in raw.T]
    highs = [plane.max(initial=-np.inf, where=~np.isnan(plane)) if raw.dtype.kind == "f" else plane.max() for plane in raw.T]
    low, high = sorted(float(end) * slope + intercept for end in (min(lows), max(highs)))
    return (low, high) if np.isfinite([low, high]).all() else (0.0, 0.0)


def upright(affine: NDArray, zooms: Sequence[float]) -> tuple[Turn, Spacing]:
    """Return the function that turns a slice (X, Y, ...) upright, and the spacing of its rows and columns in mm.

    Parameters
    ----------
    affine : (4, 4), from voxel indices to millimetres to the right, anterior and superior
    zooms : of X and Y in mm
    """
    import nibabel as nib

    axes = nib.io_orientation(affine)
    rows = int(axes[1, 0] > axes[0, 0])  # of the two axes in the plane, the one nearer to the patient's length, then depth
    flip = tuple(axis for axis in (0, 1) if axes[axis, 1] > 0)  # run to the right, to anterior or upwards: shown backwards

    def turn(plane: NDArray) -> NDArray:
        plane = np.flip(plane, flip)
        return plane if rows == 0 else plane.swapaxes(0, 1)  # (rows, columns) or (rows, columns, 3)

    usable = all(0 < zoom < float("inf") for zoom in zooms)
    return turn, (float(zooms[rows]), float(zooms[1 - rows])) if usable else None
