"""NIfTI volumes to frames: slices along the last axis, each turned upright, through nibabel."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from io import BufferedReader
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import MAX_VOLUME, FileFrames, Raw, Spacing, StoredFrame, check_size, joined, stored
from medgen.errors import ImageError

if TYPE_CHECKING:
    from nibabel import Nifti1Image

SUFFIXES = frozenset({".nii", ".nii.gz"})
GZIP = b"\x1f\x8b"
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def recognises(head: bytes, suffix: str) -> bool:
    """Tell a NIfTI-1 or NIfTI-2 volume by the magic in its header, and take every gzipped file for one."""
    return head.startswith(GZIP) or head[344:347] in (b"n+1", b"ni1") or head[4:7] == b"n+2"


def open_frames(file: BufferedReader) -> FileFrames:
    """Read a NIfTI-1 or NIfTI-2 volume, plain or gzipped.

    Slice k is voxel index k of the last axis, as every NIfTI tool counts it. Each slice is turned upright by the volume's own
    orientation, whatever order its voxels are stored in: rows run from the patient's top (superior; in an axial slice anterior)
    down, and columns from the viewer's left, which is the patient's right in axial and coronal slices and anterior in sagittal
    ones. That is how a DICOM viewer shows the same slices (radiological convention).

    Returns
    -------
    uint8 without scaling and RGB24 are rendered as they are; all else keeps its scaled values, and its whole range is that of the
    volume, as NIfTI states none. NaN has no value. All voxels are decoded when the first slice is asked for.

    Raises
    ------
    ImageError : on more than three dimensions, infinity, or more than `MAX_VOLUME` voxels.
    """
    import nibabel as nib

    packed = file.read(2) == GZIP
    file.seek(0)
    raw = gzip.GzipFile(fileobj=file) if packed else file
    kind = image_class(raw.read(8))
    raw.seek(0)
    volume = kind.from_stream(raw)
    shape = volume.shape + (1,) * (3 - len(volume.shape))  # (X, Y, Z)
    if prod(shape[3:]) != 1:
        raise ImageError(f"is a NIfTI of shape {joined(shape)}; expected three dimensions")
    check_size(shape[0], shape[1])
    if prod(shape) > MAX_VOLUME:
        raise ImageError(f"is a volume of {joined(shape)} voxels; at most {MAX_VOLUME // 1_000_000} million are read")
    if shape[2] < 1:
        raise ImageError("has no slices")
    codes = "".join(code or "?" for code in nib.aff2axcodes(volume.affine))
    return FileFrames(shape[2], _slices(volume, shape[:3]), orientation=codes)


def image_class(head: bytes) -> type[Nifti1Image]:
    """Return nibabel's class for the version that the first 8 bytes of a volume state; its NIfTI-2 is a kind of its NIfTI-1."""
    import nibabel as nib

    return nib.Nifti2Image if head[4:7] == b"n+2" else nib.Nifti1Image


def _slices(volume: Nifti1Image, shape: tuple[int, ...]) -> Iterator[StoredFrame]:
    voxels = _voxels(volume, shape)  # (X, Y, Z) or (X, Y, Z, 3)
    turn, spacing = upright(volume)
    ends = (0.0, 255.0) if voxels.dtype == np.uint8 else (float(np.nanmin(voxels)), float(np.nanmax(voxels)))
    for k in range(shape[2]):
        frame = stored(turn(voxels[:, :, k]), spacing=spacing)
        yield frame._replace(black=ends[0], white=ends[1], conventional=False)


def _voxels(volume: Nifti1Image, shape: tuple[int, ...]) -> Raw:
    kind = volume.header.get_data_dtype()
    if kind.names:
        if kind.names[:3] != ("R", "G", "B"):
            raise ImageError(f"NIfTI voxels of type {kind} are not supported")
        colour = np.asarray(volume.dataobj).reshape(shape)
        return np.stack([colour[name] for name in "RGB"], axis=-1)
    if kind == np.uint8 and volume.header.get_slope_inter() in ((None, None), (1, 0)):
        return np.asarray(volume.dataobj).reshape(shape)
    if kind.kind == "c":
        raise ImageError("NIfTI voxels are complex numbers; expected real ones")
    return volume.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape)


def upright(volume: Nifti1Image) -> tuple[Callable[[NDArray], NDArray], Spacing]:
    """Return the function that turns a slice (X, Y, ...) upright, and the spacing of its rows and columns in mm."""
    import nibabel as nib

    header = volume.header
    axes = nib.io_orientation(volume.affine)
    if np.isnan(axes).any():
        axes = nib.io_orientation(header.get_base_affine())
    rows = int(axes[1, 0] > axes[0, 0])  # of the two axes in the plane, the one nearer to the patient's length, then depth
    flip = tuple(axis for axis in (0, 1) if axes[axis, 1] > 0)  # run to the right, to anterior or upwards: shown backwards

    def turn(plane: NDArray) -> NDArray:
        plane = np.flip(plane, flip)
        return plane if rows == 0 else plane.swapaxes(0, 1)  # (rows, columns) or (rows, columns, 3)

    scale = MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    zooms = [float(zoom) * scale for zoom in (*header.get_zooms()[:2], 1.0, 1.0)[:2]]
    usable = all(0 < zoom < float("inf") for zoom in zooms)
    return turn, (zooms[rows], zooms[1 - rows]) if usable else None
