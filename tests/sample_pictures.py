"""Pictures for the tests that every reader has to pass (test_readers.py): animated PNG."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

SUFFIX = ".png"


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    first, *others = (PIL.Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others)


def write_header(path: Path, height: int, width: int) -> None:
    write_png(path, (height, width), bits=8, colour=2, rows=b"\0")


def write_png(path: Path, shape: tuple[int, int], bits: int, colour: int, rows: bytes, transparent: bytes = b"") -> Path:
    """Write a PNG of any kind.

    Parameters
    ----------
    shape : height, width
    colour : its colour type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha
    rows : each after a byte that names its filter
    transparent : the content of its tRNS chunk
    """
    header = struct.pack(">IIBBBBB", shape[1], shape[0], bits, colour, 0, 0, 0)
    chunks = [b"IHDR" + header, *([b"tRNS" + transparent] if transparent else []), b"IDAT" + zlib.compress(rows), b"IEND"]
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    return path
