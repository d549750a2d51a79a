"""Arrays of more than two dimensions -> frames: NIfTI volumes, .npy and .npz."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator
from itertools import repeat
from math import prod
from typing import IO, Any, BinaryIO

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from medgen.data.readers.pixel_format import MAX_VOLUME, Frames, Pixels, Spacing, check_finite, check_size, standard
from medgen.errors import ImageError

GZIP = b"\x1f\x8b"
CHANNELS = (1, 3)
IMAGE_NAMES = ("image", "images", "img", "imgs", "arr_0")  # the array of an .npz that holds several
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def nifti_frames(file: BinaryIO, head: bytes) -> Frames:
    """Read a NIfTI-1 or NIfTI-2 volume, plain or gzipped, as slices along its last axis.

    Slice k is voxel index k of that axis, as every NIfTI tool counts it. Each slice is turned upright by the volume's own
    orientation, whatever order its voxels are stored in: rows run from the patient's top (superior; in an axial slice anterior)
    down, and columns from the viewer's left, which is the patient's right in axial and coronal slices and anterior in sagittal
    ones. That is how a DICOM viewer shows the same slices (radiological convention).

    uint8 without scaling and RGB24 stay uint8; all else is stretched from the minimum to the maximum of the whole volume to
    float32 in [0, 1] (a constant volume is 0).

    Raises
    ------
    ImageError : on more than three dimensions, NaN or infinity, or more than `MAX_VOLUME` voxels.
    """
    raw: Any = gzip.GzipFile(fileobj=file) if head.startswith(GZIP) else file
    kind = nib.Nifti2Image if raw.read(8)[4:7] == b"n+2" else nib.Nifti1Image
    raw.seek(0)
    volume = kind.from_stream(raw)
    shape = volume.shape + (1,) * (3 - len(volume.shape))  # (X, Y, Z)
    if prod(shape[3:]) != 1:
        raise ImageError(f"is a NIfTI of shape {_times(shape)}; expected three dimensions")
    check_size(shape[0], shape[1])
    if prod(shape) > MAX_VOLUME:
        raise ImageError(f"is a volume of {_times(shape)} voxels; at most {MAX_VOLUME // 1_000_000} million are read")
    if shape[2] < 1:
        raise ImageError("has no slices")
    voxels = _voxels(volume, shape[:3])  # (X, Y, Z) or (X, Y, Z, 3)
    turn, spacing = upright(volume)
    return shape[2], ((standard(turn(voxels[:, :, k])), spacing) for k in range(shape[2]))


def _voxels(volume: Any, shape: tuple[int, ...]) -> Pixels:
    stored = volume.header.get_data_dtype()
    if stored.names:
        if stored.names[:3] != ("R", "G", "B"):
            raise ImageError(f"NIfTI voxels of type {stored} are not supported")
        colour = np.asarray(volume.dataobj).reshape(shape)
        return np.stack([colour[name] for name in "RGB"], axis=-1)
    if stored == np.uint8 and volume.header.get_slope_inter() in ((None, None), (1, 0)):
        return np.asarray(volume.dataobj).reshape(shape)
    if stored.kind == "c":
        raise ImageError("NIfTI voxels are complex numbers; expected real ones")
    values = volume.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape)
    check_finite(values)
    low, high = values.min(), values.max()
    values -= low
    if high > low:
        values /= high - low
    return np.clip(values, 0, 1, out=values)


def upright(volume: Any) -> tuple[Any, Spacing]:
    """Return the function that turns a slice upright, and the spacing of its rows and columns in mm."""
    header = volume.header
    axes = nib.io_orientation(volume.affine)
    if np.isnan(axes).any():
        axes = nib.io_orientation(header.get_base_affine())
    rows = int(axes[1, 0] > axes[0, 0])  # of the two axes in the plane, the one nearer to the patient's length, then depth
    flip = tuple(
        axis for axis in (0, 1) if axes[axis, 1] > 0
    )  # these run to the right, to anterior or upwards: show them backwards

    def turn(plane: NDArray[Any]) -> NDArray[Any]:
        plane = np.flip(plane, flip)
        return plane if rows == 0 else plane.swapaxes(0, 1)  # (rows, columns) or (rows, columns, 3)

    scale = MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    zooms = [float(zoom) * scale for zoom in (*header.get_zooms()[:2], 1.0, 1.0)[:2]]
    usable = all(0 < zoom < float("inf") for zoom in zooms)
    return turn, (zooms[rows], zooms[1 - rows]) if usable else None


def numpy_frames(file: BinaryIO) -> Frames:
    """Read a .npy array; pickled objects are never loaded.

    (H, W) and (H, W, C) are one frame; (N, H, W, C) and (N, H, W) are N, read one at a time, so that the file may be larger
    than memory. C is 1 or 3. Values as in `pixels.standard`.

    Raises
    ------
    ImageError : on any other shape, also where channels might come first: (3, H, W) is never taken for three grey frames.
    """
    start = file.tell()
    size = file.seek(0, 2)
    file.seek(start)
    return _array(file, size)


def zip_frames(file: BinaryIO) -> Frames:
    """Read the only array of an .npz, or the one that is called image, images, img, imgs or arr_0; else as `numpy_frames`."""
    archive = zipfile.ZipFile(file)
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    chosen = names[:1] if len(names) == 1 else [name for name in IMAGE_NAMES if name in names]
    if len(chosen) != 1:
        held = ", ".join(names[:5]) or "none"
        raise ImageError(f"is an .npz with {len(names)} arrays ({held}); expected one, or one that is called 'images'")
    member = archive.getinfo(f"{chosen[0]}.npy")
    return _array(archive.open(member), member.file_size)


def _array(file: IO[bytes], size: int) -> Frames:
    """Read the array in `file`, of `size` bytes with its header."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ImageError("holds Python objects (a pickle), which are never loaded; save the pixels as a plain array")
    count, frame = _layout(shape)
    check_size(*frame[:2])
    if count < 1:
        raise ImageError(f"has no frames: its shape is {_times(shape)}")
    there, expected = size - file.tell(), prod(shape) * dtype.itemsize
    if there < expected:
        raise ImageError(f"truncated: {there} of {expected} bytes of pixels are there")
    return count, zip(_items(file, count, frame, dtype, fortran), repeat(None), strict=False)


def _layout(shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Return how many frames an array holds, and the shape of each."""
    match shape:
        case (_, _):
            return 1, shape
        case (3, _, last) if last not in CHANNELS:
            raise ImageError(f"has shape {_times(shape)}: colour first, or three grey frames? save (H, W, 3) or (3, H, W, 1)")
        case (_, _, channels) if channels in CHANNELS:
            return 1, shape
        case (count, *frame) if len(frame) == 2 or (len(frame) == 3 and frame[-1] in CHANNELS):
            return count, tuple(frame)
    raise ImageError(f"has shape {_times(shape)}; expected (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3")


def _items(file: IO[bytes], count: int, frame: tuple[int, ...], dtype: np.dtype[Any], fortran: bool) -> Iterator[Pixels]:
    if fortran:  # the frames lie interleaved: all of them have to be read
        if count * prod(frame) > MAX_VOLUME:
            raise ImageError(
                f"is stored in Fortran order and too large to turn; at most {MAX_VOLUME // 1_000_000} million values"
            )
        shape = frame if count == 1 else (count, *frame)
        whole = np.frombuffer(file.read(count * prod(frame) * dtype.itemsize), dtype).reshape(shape, order="F")
        yield from (standard(item) for item in whole.reshape(count, *frame))
        return
    length = prod(frame) * dtype.itemsize
    for _ in range(count):
        data = file.read(length)
        if len(data) < length:
            raise ImageError(f"truncated: {len(data)} of {length} bytes of a frame are there")
        yield standard(np.frombuffer(data, dtype).reshape(frame))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
