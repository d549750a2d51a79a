"""Photographs to frames: JPEG, PNG, GIF, BMP, WebP, AVIF, JPEG 2000 and Netpbm, through Pillow.

What Pillow would cut to eight bits goes through imagecodecs: PNG of 16 bits, JPEG of 12, JPEG 2000 of more than eight or with a
sign. Alpha is laid over black. EXIF orientation is honoured. Colour profiles are not applied.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator
from io import SEEK_END, BufferedReader, BytesIO

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medgen.data.pixel_format import MAX_PIXELS, FileFrames, StoredFrame, check_size, stored
from medgen.data.pyramid import Pyramid
from medgen.data.readers import _codestreams as codestreams
from medgen.data.readers._channels import of_bits, of_palette, turned, with_alpha
from medgen.errors import ImageError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".avif"}
    | {".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf", ".pbm", ".pgm", ".ppm", ".pnm", ""}
)
MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\0\0\0\x0cjP  ": "JPEG2000",
    codestreams.J2K: "JPEG2000",
}
BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # their lengths, with which they begin
NETPBM = re.compile(rb"P[1-6]" + 2 * rb"(?:\s|#[^\n]*\n)+\d+" + rb"\s")  # width, height
NETPBM_HEADER = re.compile(rb"P[56]" + 3 * rb"(?:\s|#[^\n]*\n)+(\d+)" + rb"\s")  # width, height, white
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "AVIF", "JPEG2000", "PPM")  # what Pillow may open
END_OF_IMAGE = b"\xff\xd9"  # the last marker of a JPEG
REDUCED = {
    divisor: cv2.IMREAD_IGNORE_ORIENTATION | scale
    for divisor, scale in (
        (1, 0),
        (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),  # the colour is a flag of its own
        (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
        (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    )
}  # flags of the decoder by the divisor of both sides
ORIENTATION = 274  # EXIF tag
GREY = 0  # colour type of a PNG
GREY_MODES = ("1", "L", "LA")


def recognises(head: bytes, suffix: str) -> bool:
    """Tell a picture by its first bytes."""
    return _kind(head) != ""


def _kind(head: bytes) -> str:
    """Return the format that a file begins like, as Pillow calls it, or ""."""
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if head[:2] == b"BM" and _is_bitmap_header(head[14:]):
        return "BMP"
    if _is_bitmap_header(head):
        return "DIB"
    return "PPM" if NETPBM.match(head) else ""


def _is_bitmap_header(head: bytes) -> bool:
    """Tell the header of a bitmap by its length and by the one plane that every bitmap has."""
    length = int.from_bytes(head[:4], "little")
    plane = 8 if length == 12 else 12
    return length in BITMAP_HEADERS and head[plane : plane + 2] == b"\1\0"


def open_frames(file: BufferedReader) -> FileFrames:
    """Read the frames of an animation, else one picture.

    Returns
    -------
    Of a JPEG with several pictures the first one, of which the others are copies or other views. No format here has a spacing.

    Raises
    ------
    ImageError : if the file is damaged or too large.
    """
    head = file.read(352)
    file.seek(0)
    kind = _kind(head)
    if head[:2] in (b"P5", b"P6"):
        return FileFrames(1, _netpbm(file))
    if kind == "JPEG2000" and (deep := codestreams.jpeg2000(file.read())) and (deep.bits > 8 or deep.signed):
        return FileFrames(1, _deep_jpeg2000(file, deep))
    file.seek(0)
    try:
        picture = PIL.Image.open(file, formats=FORMATS)
    except PIL.UnidentifiedImageError:
        file.seek(0)
        if kind == "JPEG" and (rare := codestreams.jpeg(file.read())) and rare.bits != 8:
            return FileFrames(1, _deep_jpeg(file, rare))
        raise ImageError(f"begins like a {kind}, but cannot be opened: truncated, damaged or of a rare kind") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"is larger than {MAX_PIXELS // 1_000_000} megapixels, the most that are read") from None
    total = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    if kind == "PNG" and (head[24] == 16 or (head[24] < 8 and head[25] == GREY)):
        if total == 1:
            return FileFrames(1, _rare_png(file, picture, bits=head[24]))
        if head[24] == 16:
            raise ImageError("is an animation of 16 bits; one of 8 bits is read")
    frames = (_frame(file, picture, number) for number in range(total))
    return FileFrames(total, frames, pyramid=_pyramid(file, picture) if picture.format == "JPEG" else None)


def _frame(file: BufferedReader, picture: PIL.Image.Image, number: int) -> StoredFrame:
    """Read one frame of 8 bits through Pillow."""
    picture.seek(number)
    check_size(picture.height, picture.width)
    picture.load()
    as_text = picture.mode == "I"  # of Netpbm, brought to 16 bits
    frame = of_bits(np.asarray(picture).astype(np.uint16), 0, 65535) if as_text else _of_mode(picture)
    return turned(frame._replace(lossy=_is_lossy(file, picture.format)), _orientation(picture))


def frame_of(picture: PIL.Image.Image) -> StoredFrame:
    """Return a picture of Pillow in memory as the frame that its file would be: upright, palette and alpha resolved.

    What Pillow has in more than 8 bits (modes I, I;16, F) is an array of its values.

    Raises
    ------
    ImageError : if it is too large.
    """
    check_size(picture.height, picture.width)
    picture.load()
    frame = stored(np.asarray(picture)) if picture.mode[0] in "IF" else _of_mode(picture)
    return turned(frame, _orientation(picture))


def _of_mode(picture: PIL.Image.Image) -> StoredFrame:
    """Return a loaded picture of 8 bits as a frame, as it lies in its file."""
    if picture.mode == "P":
        frame = of_palette(np.asarray(picture), _palette(picture))
    elif picture.has_transparency_data:
        pixels = np.asarray(picture.convert("LA" if picture.mode in GREY_MODES else "RGBA"))
        frame = with_alpha(stored(pixels[..., :-1]), pixels[..., -1], 255)
    elif picture.mode in ("L", "RGB"):
        frame = stored(np.asarray(picture))
    else:
        frame = stored(np.asarray(picture.convert("L" if picture.mode in GREY_MODES else "RGB")))
    return frame


def _pyramid(file: BufferedReader, picture: PIL.Image.Image) -> Callable[[], Pyramid] | None:
    """Return how to decode an upright JPEG of 8 bits, grey or colour, at a fraction of its size; None for others.

    OpenCV decodes into the same bytes as Pillow, in half the time where a picture is large, but may fill up a truncated file
    without a word: what does not end with the marker of an end is left to Pillow.
    """
    file.seek(-len(END_OF_IMAGE), SEEK_END)
    if file.read() != END_OF_IMAGE or picture.mode not in ("L", "RGB") or _orientation(picture) not in (0, 1):
        return None
    check_size(picture.height, picture.width)
    colour = picture.mode == "RGB"

    def opened() -> Pyramid:
        file.seek(0)
        data = np.frombuffer(file.read(), np.uint8)

        def read(divisor: int) -> NDArray[np.uint8]:
            pixels = cv2.imdecode(data, REDUCED[divisor] | (cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE))
            if pixels is None:  # of a kind that OpenCV does not know
                return Pyramid.of(_by_pillow(data)).at(divisor)
            return pixels if colour else pixels[..., None]

        return Pyramid(picture.height, picture.width, 3 if colour else 1, read)

    return opened


def _by_pillow(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Decode a JPEG that is grey or in colour, (H, W, C)."""
    try:
        return np.atleast_3d(np.asarray(PIL.Image.open(BytesIO(data.tobytes()), formats=("JPEG",))))
    except OSError as error:
        raise ImageError(f"truncated, damaged or of a rare kind ({error})") from None


def _palette(picture: PIL.Image.Image) -> NDArray[np.uint8]:
    """Return the colours of a palette, (N, 4) with straight alpha."""
    picture.apply_transparency()
    return np.array(picture.getpalette("RGBA"), dtype=np.uint8).reshape(-1, 4)


def _is_lossy(file: BufferedReader, kind: str | None) -> bool:
    """Tell whether values near edges are guesses. AVIF hardly ever is lossless, and its header does not say so."""
    if kind not in ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF"):
        return False
    file.seek(0)
    data = file.read()
    if kind == "WEBP":
        return codestreams.webp_is_lossy(data)
    if kind == "JPEG2000":
        header = codestreams.jpeg2000(data)
        return header is None or header.lossy
    frame = codestreams.jpeg(data) if kind == "JPEG" else None
    return frame is None or not frame.lossless


def _orientation(picture: PIL.Image.Image) -> int:
    """Return which way is up, 1 to 8; a damaged EXIF block says nothing."""
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1


def _rare_png(file: BufferedReader, picture: PIL.Image.Image, bits: int) -> Iterator[StoredFrame]:
    """Read a PNG of 16 bits, of which Pillow cuts colour to 8, or of 1 to 4, whose transparent level Pillow takes for another."""
    import imagecodecs

    check_size(picture.height, picture.width)
    orientation = _orientation(picture)
    picture.load()  # tells a truncated file
    file.seek(0)
    pixels = np.atleast_3d(imagecodecs.png_decode(file.read()))  # few bits are spread over 8; a transparent level is alpha
    top = 2**bits - 1
    spread = np.iinfo(pixels.dtype).max // top
    channels = pixels.shape[2] // 3 * 2 + 1  # 1 of 1 or 2, 3 of 3 or 4
    frame = of_bits(pixels[..., :channels] // spread, 0, top)
    if pixels.shape[2] > channels:
        frame = with_alpha(frame, pixels[..., -1], np.iinfo(pixels.dtype).max)
    yield turned(frame, orientation)


def _deep_jpeg(file: BufferedReader, header: codestreams.Jpeg) -> Iterator[StoredFrame]:
    """Read a JPEG of other than 8 bits: 12, or a lossless one of up to 16."""
    import imagecodecs

    check_size(header.height, header.width)
    file.seek(0)
    data = file.read()
    if b"\xff\xd9" not in data[header.place :]:  # the decoder would fill in grey
        raise ImageError("truncated: a JPEG without its end")
    pixels = imagecodecs.jpeg8_decode(data)
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        raise ImageError(f"is a JPEG of {header.bits} bits and {pixels.shape[2]} channels; expected 1 or 3")
    exif = PIL.Image.Exif()
    exif.load(header.exif)
    yield turned(of_bits(pixels, 0, 2**header.bits - 1, lossy=not header.lossless), exif.get(ORIENTATION, 1))


def _deep_jpeg2000(file: BufferedReader, header: codestreams.Jpeg2000) -> Iterator[StoredFrame]:
    """Read a JPEG 2000 of more than 8 bits or with a sign; a second or fourth channel is straight alpha."""
    import imagecodecs

    check_size(header.height, header.width)
    file.seek(0)
    pixels = np.atleast_3d(imagecodecs.jpeg2k_decode(file.read()))
    lowest = -(2 ** (header.bits - 1)) if header.signed else 0
    highest = lowest + 2**header.bits - 1
    channels = pixels.shape[2] // 3 * 2 + 1
    frame = of_bits(pixels[..., :channels], lowest, highest, lossy=header.lossy)
    yield frame if pixels.shape[2] == channels else with_alpha(frame, pixels[..., -1], highest)


def _netpbm(file: BufferedReader) -> Iterator[StoredFrame]:
    """Read a binary PGM or PPM, of up to 16 bits, with the white that it states."""
    data = file.read()
    header = NETPBM_HEADER.match(data)
    if header is None:
        raise ImageError("begins like a PPM, but has no header of one")
    width, height, white = map(int, header.groups())
    check_size(height, width)
    if not 0 < white < 65536:
        raise ImageError(f"states {white} as white; expected 1 to 65535")
    shape = (height, width, 1 if data[:2] == b"P5" else 3)
    kind = np.dtype(np.uint8 if white < 256 else ">u2")
    if len(data) < header.end() + kind.itemsize * math.prod(shape):
        raise ImageError("truncated: fewer pixels than its header states")
    pixels = np.frombuffer(data, kind, math.prod(shape), header.end()).reshape(shape)
    yield of_bits(pixels.astype(kind.newbyteorder("=")), 0, white)
