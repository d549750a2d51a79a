"""NIfTI volumes to frames: slices along the last axis, each turned upright, through nibabel."""

from __future__ import annotations

import gzip
from io import BufferedReader
from math import prod
from typing import TYPE_CHECKING, cast

import numpy as np

from medgen.data.pixel_format import FileFrames, Spacing, joined, split_axes
from medgen.data.readers import _volume
from medgen.data.readers._volume import Turn, Voxels, check_volume
from medgen.errors import ImageError

if TYPE_CHECKING:
    from nibabel import Nifti1Image
    from nibabel.arrayproxy import ArrayProxy

SUFFIXES = frozenset({".nii", ".nii.gz"})
GZIP = b"\x1f\x8b"
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def recognises(head: bytes, suffix: str) -> bool:
    """Tell a NIfTI-1 or NIfTI-2 volume by the magic in its header, and take a gzipped file of that name for one."""
    return (head.startswith(GZIP) and suffix != ".mgz") or head[344:347] in (b"n+1", b"ni1") or head[4:7] == b"n+2"


def open_frames(file: BufferedReader) -> FileFrames:
    """Read a NIfTI-1 or NIfTI-2 volume, plain or gzipped.

    Slice k is voxel index k of the last axis, as every NIfTI tool counts it; each is turned upright (`_volume.slices`).

    Returns
    -------
    uint8 without scaling and RGB24 are rendered as they are; all else keeps its scaled values, and its whole range is that of the
    volume, as NIfTI states none. NaN has no value. All voxels are decoded when the first slice is asked for.

    Raises
    ------
    ImageError : on more than three dimensions, infinity, or more than `MAX_VOLUME` voxels.
    """
    return open_with_axes(file, "")


def open_with_axes(file: BufferedReader, axes: str) -> FileFrames:
    """Read a volume as `open_frames` does, and one of several that lie along a fourth dimension.

    Parameters
    ----------
    file : a NIfTI
    axes : with a number behind its letters, HWN2: the item that is taken of a fourth dimension, from 0; the first three are
        turned as the header says, whatever their letters, and a volume of three dimensions is read as ever

    Raises
    ------
    ImageError : if there are four dimensions and no such item, or none was stated.
    """
    packed = file.read(2) == GZIP
    file.seek(0)
    raw = gzip.GzipFile(fileobj=file) if packed else file
    kind = image_class(raw.read(8))
    raw.seek(0)
    volume = kind.from_stream(raw)
    items = volume.shape[3] if len(volume.shape) == 4 else 1
    if items == 1:
        shape = check_volume(volume.shape, "a NIfTI")
        return _volume.slices(lambda: _voxels(volume, shape), _affine(volume), _zooms(volume), shape[2])
    shape = check_volume(volume.shape[:3], "a NIfTI")
    item = _item(volume.shape, axes)
    content = _volume.slices(lambda: _voxels(volume, shape, raw, item), _affine(volume), _zooms(volume), shape[2])
    return content._replace(understood=f"item {item} of the {items} of the fourth dimension")


def _item(shape: tuple[int, ...], axes: str) -> int:
    _, item = split_axes(axes)
    if item is None:
        raise ImageError(f"is a NIfTI of shape {joined(shape)}: which of its {shape[3]} volumes? say --axes HWN0 for the first")
    if item >= shape[3]:
        raise ImageError(f"is a NIfTI of shape {joined(shape)}: its fourth dimension has no item {item}, counted from 0")
    return item


def image_class(head: bytes) -> type[Nifti1Image]:
    """Return nibabel's class for the version that the first 8 bytes of a volume state; its NIfTI-2 is a kind of its NIfTI-1."""
    import nibabel as nib

    return nib.Nifti2Image if head[4:7] == b"n+2" else nib.Nifti1Image


def upright(volume: Nifti1Image) -> tuple[Turn, Spacing]:
    """Return the function that turns a slice (X, Y, ...) upright, and the spacing of its rows and columns in mm."""
    return _volume.upright(_affine(volume), _zooms(volume))


def _affine(volume: Nifti1Image) -> np.ndarray:
    """Return the affine; that of the sizes of the voxels alone where the stated one has no directions."""
    import nibabel as nib

    usable = volume.affine is not None and not np.isnan(nib.io_orientation(volume.affine)).any()
    return volume.affine if usable else volume.header.get_base_affine()


def _zooms(volume: Nifti1Image) -> list[float]:
    scale = MILLIMETRES.get(volume.header.get_xyzt_units()[0], 1.0)
    return [float(zoom) * scale for zoom in (*volume.header.get_zooms()[:2], 1.0, 1.0)[:2]]


def _voxels(
    volume: Nifti1Image, shape: tuple[int, int, int], file: gzip.GzipFile | BufferedReader | None = None, item: int = 0
) -> Voxels:
    """Return the voxels; with `file` those of one item of the fourth dimension, the others of which are not held in memory."""
    kind = volume.header.get_data_dtype()
    proxy = cast("ArrayProxy", volume.dataobj)
    if file is None:
        raw = np.asarray(proxy.get_unscaled()).reshape(shape)
    else:
        length = prod(shape) * kind.itemsize
        file.seek(int(proxy.offset) + item * length)
        raw = np.frombuffer(file.read(length), kind).reshape(shape, order="F")
    if kind.names:
        if kind.names[:3] != ("R", "G", "B"):
            raise ImageError(f"NIfTI voxels of type {kind} are not supported")
        return Voxels(np.stack([raw[name] for name in "RGB"], axis=-1))
    return Voxels(raw, float(proxy.slope), float(proxy.inter))  # the header of an opened file says none
