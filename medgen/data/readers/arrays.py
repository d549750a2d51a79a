"""NumPy arrays to frames: .npy, and .npz with one array or with one that is called after images."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from io import BufferedReader
from itertools import chain
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import MAX_VOLUME, FileFrames, StoredFrame, check_size, joined, split_axes, stored
from medgen.errors import ImageError

SUFFIXES = frozenset({".npy", ".npz"})
NPY = b"\x93NUMPY"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # one that holds something, and an empty one
CHANNELS = (1, 3)
MEDMNIST = ("train_images", "val_images", "test_images")  # arrays of an .npz that are read one behind the other
ALPHA = (2, 4)
ASPECT = 2.5  # the longer side of a frame by the shorter, at most, where that has to tell frames from slices that lie last
IMAGE_NAMES = ("image", "images", "img", "imgs", "arr_0")  # the array of an .npz that holds several
MASK_NAMES = ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "ground_truth", "annotation", "annotations")


AxesOf = Callable[[tuple[int, ...]], str]  # shape -> a letter for each axis


def recognises(head: bytes, suffix: str) -> bool:
    """Tell an array, or an archive of arrays, by its first bytes."""
    return head.startswith((NPY, *ZIP))


def open_frames(file: BufferedReader) -> FileFrames:
    """Read a .npy array, or the only array of an .npz, or that of its arrays which is called image, images, img, imgs or arr_0.

    Of a MedMNIST .npz the training, validation and test images are read one behind the other; its volumes (N, D, H, W) are N
    times D frames. Pickled objects are never loaded. (H, W) and (H, W, C) are one frame; (N, H, W, C) and (N, H, W) are N, read
    one at a time, so that the file may be larger than memory. C is 1 or 3. `pixel_format.stored` says what the values mean.

    Raises
    ------
    ImageError : on any other shape, and where an array could be understood in two ways: (3, H, W) may have its colours first,
        (H, W, 4) an alpha channel or four slices, (H, W, N) its slices last; on infinity.
    """
    return open_with_axes(file, "")


def open_with_axes(file: BufferedReader, axes: str) -> FileFrames:
    """Read an array whose axes are stated, as `open_frames` reads those that state themselves.

    Parameters
    ----------
    file : a .npy or .npz
    axes : a letter for each axis in turn: N frames, H rows, W columns, C channels (1, 3, or 2 and 4 with straight alpha); ""
        leaves it to the shape. A number behind them takes that item, from 0, of one more axis: HWN2 of (H, W, N, items)

    Raises
    ------
    ImageError : if the array has another number of axes or no such item, or the channels are not 1 to 4.
    """
    return _frames(file, lambda shape: axes or _axes_of(shape), IMAGE_NAMES)


def open_mask(file: BufferedReader, axes: str) -> FileFrames:
    """Read a mask as `open_with_axes` reads an image; of several arrays that which is called after masks.

    Parameters
    ----------
    file : a .npy or .npz
    axes : of its image, "" where they are not stated; a mask may have no channels where its image has some, and a single frame
        states itself

    Raises
    ------
    ImageError : as `open_frames` does.
    """

    def axes_of(shape: tuple[int, ...]) -> str:
        return next((stated for stated in (axes, axes.replace("C", "")) if len(stated) == len(shape)), "") or _axes_of(shape)

    return _frames(file, axes_of, MASK_NAMES)


def _frames(file: BufferedReader, axes_of: AxesOf, names: tuple[str, ...]) -> FileFrames:
    if file.read(len(NPY)) != NPY:
        return _archived_frames(file, axes_of, names)
    size = file.seek(0, 2)
    file.seek(0)
    return _array_frames(file, size, axes_of)


def _archived_frames(file: BufferedReader, axes_of: AxesOf, wanted: tuple[str, ...]) -> FileFrames:
    archive = zipfile.ZipFile(file)
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if set(MEDMNIST) <= set(names):
        members = [archive.getinfo(f"{name}.npy") for name in MEDMNIST]
        parts = [_array_frames(archive.open(member), member.file_size, _axes_of_medmnist) for member in members]
        return FileFrames(sum(part.total for part in parts), chain.from_iterable(part.frames for part in parts))
    chosen = names[:1] if len(names) == 1 else [name for name in wanted if name in names]
    if len(chosen) != 1:
        listed = ", ".join(names[:5]) or "none"
        raise ImageError(f"is an .npz with {len(names)} arrays ({listed}); expected one, or one that is called '{wanted[0]}'")
    member = archive.getinfo(f"{chosen[0]}.npy")
    frames = _array_frames(archive.open(member), member.file_size, axes_of)
    others = ", ".join(name for name in names if name != chosen[0])
    return frames._replace(understood=f"{frames.understood} of '{chosen[0]}' (not read: {others})") if others else frames


def _array_frames(file: IO[bytes], size: int, axes_of: AxesOf) -> FileFrames:
    """Read the array in `file`, of `size` bytes with its header; `axes_of` tells what the axes of its shape are."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ImageError("holds Python objects (a pickle), which are never loaded; save the pixels as a plain array")
    axes = axes_of(shape)
    if axes == "NDHW":  # volumes, whose slices are the frames
        axes, shape = "NHW", (shape[0] * shape[1], *shape[2:])
    letters, item, count = _understood(shape, axes)
    available, expected = size - file.tell(), prod(shape) * dtype.itemsize
    if available < expected:
        raise ImageError(f"truncated: {available} of {expected} bytes of pixels are there")
    return FileFrames(count, _items(file, shape, letters, item, dtype, fortran), understood=f"axes {axes}")


def _understood(shape: tuple[int, ...], axes: str) -> tuple[str, int | None, int]:
    """Return a letter for each axis, the item that is taken of one more, and how many frames an array has.

    Raises
    ------
    ImageError : if the axes are not those of its shape, or a frame has no pixels or channels that nobody knows.
    """
    letters, item = split_axes(axes)
    stated = len(letters) + (item is not None)
    if stated != len(shape):
        raise ImageError(f"has shape {joined(shape)}, which are {len(shape)} axes; --axes {axes} names {stated}")
    if item is not None and item >= shape[-1]:
        raise ImageError(f"has shape {joined(shape)}: its last axis has no item {item}, counted from 0")
    sides = dict(zip(letters, shape, strict=item is None))
    count = sides.get("N", 1)
    check_size(sides["H"], sides["W"])
    if not 1 <= sides.get("C", 1) <= 4:
        raise ImageError(f"has {sides['C']} channels; expected 1 to 4")
    if count < 1:
        raise ImageError(f"has no frames: its shape is {joined(shape)}")
    return letters, item, count


def frames_of(array: NDArray[Any], axes: str = "") -> Iterator[StoredFrame]:
    """Yield the frames of an array in memory, as `open_with_axes` reads those of the same array in a file.

    Parameters
    ----------
    array : of any real type
    axes : a letter for each axis, "" for what its shape says

    Raises
    ------
    ImageError : as `open_with_axes` does.
    """
    letters, item, _ = _understood(array.shape, axes or _axes_of(array.shape))
    chosen = array if item is None else array[..., item]
    ordered = chosen.transpose([letters.index(axis) for axis in "NHWC" if axis in letters])
    yield from (stored(frame) for frame in (ordered if "N" in letters else ordered[None]))


def _axes_of(shape: tuple[int, ...]) -> str:
    """Return the axes of an array, where its shape leaves no doubt.

    Raises
    ------
    ImageError : if it does, or is of no known form.
    """
    ask = f"has shape {joined(shape)}"
    match shape:
        case ():
            raise ImageError("holds a single number and no picture")
        case (_, _):
            return "HW"
        case (3, _, last) if last not in CHANNELS:
            raise ImageError(f"{ask}: colour first, or three grey frames? say --axes CHW or NHW")
        case (_, _, last) if last in CHANNELS:
            return "HWC"
        case (first, second, last) if last in ALPHA and min(first, second) > 4:
            raise ImageError(f"{ask}: channels with alpha, or {last} slices? say --axes HWC or HWN")
        case (first, second, last):
            if _slices_may_lie_last(first, second, last):
                raise ImageError(f"{ask}: which axis counts the frames? say --axes NHW (the first) or HWN (the last)")
            return "NHW"
        case (_, _, _, last) if last in CHANNELS:
            return "NHWC"
        case (_, channels, _, last) if channels in CHANNELS and last not in ALPHA:
            raise ImageError(f"{ask}: colour before rows and columns? say --axes NCHW")
        case (_, _, _, last) if last in ALPHA:
            raise ImageError(f"{ask}: channels with alpha? say --axes NHWC")
    raise ImageError(f"{ask}; expected (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3, or state it with --axes")


def _axes_of_medmnist(shape: tuple[int, ...]) -> str:
    return "NHW" if len(shape) == 3 else "NHWC" if shape[-1] in CHANNELS else "NDHW"


def _slices_may_lie_last(first: int, second: int, last: int) -> bool:
    """Tell whether the last axis may count the frames: the first two are like a frame's sides, and the last is not longer."""
    if second == last:
        return first == second
    return last < max(first, second) and max(first, second) <= ASPECT * min(first, second)


def _items(
    file: IO[bytes], shape: tuple[int, ...], axes: str, item: int | None, dtype: np.dtype, fortran: bool
) -> Iterator[StoredFrame]:
    chosen = ... if item is None else (..., item)  # of the axis behind those that have a letter
    ordered = [axis for axis in "NHWC" if axis in axes]
    order = [axes.index(axis) for axis in ordered]
    one_by_one = axes.startswith("N") or "N" not in axes
    if fortran or not one_by_one:  # the frames lie interleaved: all of them have to be read
        if prod(shape) > MAX_VOLUME:
            raise ImageError(
                f"holds its frames interleaved and is too large to turn; at most {MAX_VOLUME // 1_000_000} million values"
            )
        data = file.read(prod(shape) * dtype.itemsize)
        whole = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")[chosen].transpose(order)
        yield from (stored(frame) for frame in (whole if "N" in axes else whole[None]))
        return
    frame_shape = shape[1:] if "N" in axes else shape
    within = [axis - ("N" in axes) for axis in order if axes[axis] != "N"]
    length = prod(frame_shape) * dtype.itemsize
    for _ in range(shape[0] if "N" in axes else 1):
        data = file.read(length)
        if len(data) < length:
            raise ImageError(f"truncated: {len(data)} of {length} bytes of a frame are there")
        yield stored(np.frombuffer(data, dtype).reshape(frame_shape)[chosen].transpose(within))
