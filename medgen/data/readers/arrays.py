"""NumPy arrays to frames: .npy, and .npz with one array or with one that is called after images."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BufferedReader
from itertools import chain
from math import prod
from typing import IO

import numpy as np

from medgen.data.pixel_format import MAX_VOLUME, FileFrames, StoredFrame, check_size, joined, stored
from medgen.errors import ImageError

SUFFIXES = frozenset({".npy", ".npz"})
NPY = b"\x93NUMPY"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # one that holds something, and an empty one
CHANNELS = (1, 3)
MEDMNIST = ("train_images", "val_images", "test_images")  # arrays of an .npz that are read one behind the other
IMAGE_NAMES = ("image", "images", "img", "imgs", "arr_0")  # the array of an .npz that holds several


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
    ImageError : on any other shape, also where channels might come first: (3, H, W) is never taken for three grey frames; on
        infinity.
    """
    if file.read(len(NPY)) != NPY:
        return _archived_frames(file)
    size = file.seek(0, 2)
    file.seek(0)
    return _array_frames(file, size)


def _archived_frames(file: BufferedReader) -> FileFrames:
    archive = zipfile.ZipFile(file)
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if set(MEDMNIST) <= set(names):
        members = [archive.getinfo(f"{name}.npy") for name in MEDMNIST]
        parts = [_array_frames(archive.open(member), member.file_size, volumes=True) for member in members]
        return FileFrames(sum(part.total for part in parts), chain.from_iterable(part.frames for part in parts))
    chosen = names[:1] if len(names) == 1 else [name for name in IMAGE_NAMES if name in names]
    if len(chosen) != 1:
        listed = ", ".join(names[:5]) or "none"
        raise ImageError(f"is an .npz with {len(names)} arrays ({listed}); expected one, or one that is called 'images'")
    member = archive.getinfo(f"{chosen[0]}.npy")
    return _array_frames(archive.open(member), member.file_size)


def _array_frames(file: IO[bytes], size: int, volumes: bool = False) -> FileFrames:
    """Read the array in `file`, of `size` bytes with its header; with `volumes`, (N, D, H, W) is N times D frames."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ImageError("holds Python objects (a pickle), which are never loaded; save the pixels as a plain array")
    slices = volumes and len(shape) == 4 and shape[-1] not in CHANNELS
    count, frame_shape = (shape[0] * shape[1], shape[2:]) if slices else _layout(shape)
    check_size(*frame_shape[:2])
    if count < 1:
        raise ImageError(f"has no frames: its shape is {joined(shape)}")
    available, expected = size - file.tell(), prod(shape) * dtype.itemsize
    if available < expected:
        raise ImageError(f"truncated: {available} of {expected} bytes of pixels are there")
    return FileFrames(count, _items(file, count, frame_shape, dtype, fortran))


def _layout(shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Return how many frames an array holds, and the shape of each."""
    match shape:
        case (_, _):
            return 1, shape
        case (3, _, last) if last not in CHANNELS:
            raise ImageError(f"has shape {joined(shape)}: colour first, or three grey frames? save (H, W, 3) or (3, H, W, 1)")
        case (_, _, channels) if channels in CHANNELS:
            return 1, shape
        case (count, *frame) if len(frame) == 2 or (len(frame) == 3 and frame[-1] in CHANNELS):
            return count, tuple(frame)
    raise ImageError(f"has shape {joined(shape)}; expected (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3")


def _items(file: IO[bytes], count: int, frame: tuple[int, ...], dtype: np.dtype, fortran: bool) -> Iterator[StoredFrame]:
    if fortran:  # the frames lie interleaved: all of them have to be read
        if count * prod(frame) > MAX_VOLUME:
            raise ImageError(
                f"is stored in Fortran order and too large to turn; at most {MAX_VOLUME // 1_000_000} million values"
            )
        shape = frame if count == 1 else (count, *frame)
        whole = np.frombuffer(file.read(count * prod(frame) * dtype.itemsize), dtype).reshape(shape, order="F")
        yield from (stored(item) for item in whole.reshape(count, *frame))
        return
    length = prod(frame) * dtype.itemsize
    for _ in range(count):
        data = file.read(length)
        if len(data) < length:
            raise ImageError(f"truncated: {len(data)} of {length} bytes of a frame are there")
        yield stored(np.frombuffer(data, dtype).reshape(frame))
