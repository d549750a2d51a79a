"""Volumes of FreeSurfer (.mgh, .mgz) and of Analyze 7.5 and NIfTI in two files (.hdr beside .img) to frames, through nibabel."""

from __future__ import annotations

import gzip
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from medgen.data.pixel_format import FileFrames
from medgen.data.readers import _volume
from medgen.data.readers._volume import Voxels, check_volume
from medgen.errors import ImageError

if TYPE_CHECKING:
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.spatialimages import SpatialImage

SUFFIXES = frozenset({".mgh", ".mgz", ".hdr"})
ANALYZE = (348).to_bytes(4, "little"), (348).to_bytes(4, "big")  # the length of the header, with which it begins


def recognises(head: bytes, suffix: str) -> bool:
    """Tell a volume by its suffix and the bytes it begins with: version 1 of MGH, gzip, or the length of a header of Analyze."""
    if suffix == ".hdr":
        return head[:4] in ANALYZE
    return (suffix == ".mgz" and head[:2] == b"\x1f\x8b") or (suffix == ".mgh" and head[:4] == b"\0\0\0\1")


def parts(path: Path) -> list[Path]:
    """Return where the voxels of a .hdr may lie."""
    return [path.with_suffix(end) for end in (".img", ".IMG", ".img.gz")] if path.suffix.lower() == ".hdr" else []


def open_frames(file: BufferedReader) -> FileFrames:
    """Read a volume; the voxels of a .hdr lie in the .img beside it.

    Returns
    -------
    uint8 without scaling is rendered as it is; all else keeps its scaled values, and its whole range is that of the volume.

    Raises
    ------
    ImageError : on more than three dimensions, infinity, more than `MAX_VOLUME` voxels, or a .hdr without its .img.
    """
    import nibabel as nib

    path = Path(file.name)
    volume: SpatialImage
    if path.suffix.lower() != ".hdr":
        packed = path.suffix.lower() == ".mgz"
        volume = nib.MGHImage.from_stream(gzip.GzipFile(fileobj=file) if packed else file)
    elif not any(part.is_file() for part in parts(path)):
        raise ImageError(f"its voxels, {path.with_suffix('.img').name}, are missing")
    else:
        volume = cast("SpatialImage", nib.load(path))
    shape = check_volume(volume.shape, "a volume")
    return _volume.slices(
        lambda: _voxels(volume, shape), volume.affine, [float(zoom) for zoom in volume.header.get_zooms()[:2]], shape[2]
    )


def _voxels(volume: SpatialImage, shape: tuple[int, int, int]) -> Voxels:
    proxy = cast("ArrayProxy", volume.dataobj)
    return Voxels(np.asarray(proxy.get_unscaled()).reshape(shape), float(proxy.slope), float(proxy.inter))
