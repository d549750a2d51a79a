"""What the headers of compressed pictures say that no decoder passes on: how many bits, and whether the compression has a loss.

Sources: ITU-T T.81 (JPEG, annex B), T.87 (JPEG-LS, annex C), T.800 (JPEG 2000, annex A), the WebP container (RFC 9649).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

LOSSLESS_JPEG = (0xC3, 0xC7, 0xCB, 0xCF)  # start-of-frame markers of the lossless processes
NO_FRAME = (0xC4, 0xC8, 0xCC)  # markers between them that start no frame
JPEG_LS = 0xF7  # start of its frame
ALONE = (0x01, *range(0xD0, 0xD9))  # markers that no length follows
J2K = b"\xff\x4f\xff\x51"  # the first two markers of a JPEG 2000 codestream


class Jpeg(NamedTuple):
    """The frame header of a JPEG: bits of a sample, size, whether its process is lossless; the EXIF block or b""; its place."""

    bits: int
    height: int
    width: int
    lossless: bool
    exif: bytes
    place: int


class Jpeg2000(NamedTuple):
    """The header of a JPEG 2000 codestream: the most bits of a sample, sign, size; whether its wavelet is the lossy one."""

    bits: int
    signed: bool
    height: int
    width: int
    lossy: bool


def jpeg(data: bytes) -> Jpeg | None:
    """Read the header of a JPEG or JPEG-LS; None where there is none."""
    place, exif = 2, b""
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF or marker in ALONE:  # filling
            place += 1 if marker == 0xFF else 2
            continue
        if marker == JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in NO_FRAME):
            bits, height, width = struct.unpack_from(">BHH", data, place + 4)
            return Jpeg(bits, height, width, marker in LOSSLESS_JPEG, exif, place)
        length = struct.unpack_from(">H", data, place + 2)[0]
        if marker == 0xE1 and data[place + 4 : place + 8] == b"Exif":
            exif = data[place + 4 : place + 2 + length]
        place += 2 + length
    return None


def jpeg2000(data: bytes) -> Jpeg2000 | None:
    """Read the header of the first JPEG 2000 codestream in a file; None where there is none."""
    start = data.find(J2K)
    if start < 0 or len(data) < start + 43:
        return None
    right, lower, left, upper = struct.unpack_from(">4I", data, start + 8)
    count = struct.unpack_from(">H", data, start + 40)[0]
    depths = data[start + 42 : start + 42 + 3 * count : 3]  # bits less one, and the sign above them
    place, lossy = start + 2, False
    while place + 14 <= len(data) and data[place] == 0xFF and data[place + 1] != 0x90:  # the tiles begin there
        if data[place + 1] == 0x52:
            lossy = data[place + 13] == 0  # the 9-7 wavelet
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    bits, signed = max(depth & 127 for depth in depths) + 1, any(depth & 128 for depth in depths)
    return Jpeg2000(bits, signed, lower - upper, right - left, lossy)


def webp_is_lossy(data: bytes) -> bool:
    """Tell whether any frame of a WebP is compressed as a VP8 key frame and not losslessly."""
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        if name == b"VP8 ":
            return True
        place += 24 if name == b"ANMF" else 8 + length + length % 2  # the chunks of an animation's frame follow its header
    return False
