"""Photographs and TIFF stacks to frames: JPEG, PNG, TIFF, BMP and WebP, through Pillow; 16-bit colour through OpenCV.

8 bit stays uint8; 16-bit PNG and TIFF are divided by 65535 (or by the depth that a TIFF states) to float32 in [0, 1]; floats must
lie in [0, 1] already. Alpha is laid over black. EXIF orientation is honoured. Colour profiles are not applied.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BufferedReader

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from medgen.data.pixel_format import MAX_PIXELS, FileFrames, StoredFrame, check_size, stored
from medgen.errors import ImageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".webp"})
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "DIB", "WEBP")  # what Pillow may open
MAGIC = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"II": "TIFF", b"MM": "TIFF", b"BM": "BMP", b"RI": "WebP"}
LOSSY = ("JPEG", "MPO", "WEBP")
DIB_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths of the header with which a bitmap without its file header begins
SUBFILE, BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, PLANAR = 254, 258, 262, 274, 277, 284  # TIFF tags
GREY_MODES, ALPHA_MODES = ("1", "L"), ("LA", "La", "PA", "RGBA", "RGBa")


def recognises(head: bytes, suffix: str) -> bool:
    """Tell a picture by its first bytes."""
    is_video = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return (head[:2] in MAGIC and not is_video) or int.from_bytes(head[:4], "little") in DIB_HEADERS


def open_frames(file: BufferedReader) -> FileFrames:
    """Read the pages of a TIFF, the frames of an animation, else one picture.

    Returns
    -------
    Smaller copies and masks of a page of a TIFF are left out. No format here has a spacing.

    Raises
    ------
    ImageError : if the file is damaged or too large, holds LAB colour or 16-bit colour in planes, or floats outside [0, 1].
    """
    head = file.read(25)
    file.seek(0)
    try:
        picture = PIL.Image.open(file, formats=FORMATS)
    except PIL.UnidentifiedImageError:
        kind = MAGIC.get(head[:2], "bitmap")
        raise ImageError(f"begins like a {kind}, but cannot be opened: truncated, damaged or of a rare kind") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"is larger than {MAX_PIXELS // 1_000_000} megapixels, the most that are read") from None
    deep_png = picture.format == "PNG" and head[24] == 16  # the bit depth in its header
    pages: Sequence[int] = range(1 if picture.format == "MPO" else getattr(picture, "n_frames", 1))
    if isinstance(picture, TiffImageFile) and len(pages) > 1:  # leave out smaller copies of a page, and its mask
        pages = [page for page in pages if not _tag(picture, page, SUBFILE) & 0b101] or [0]
    return FileFrames(len(pages), (_page(file, picture, deep_png, page) for page in pages))


def _tag(picture: TiffImageFile, page: int, tag: int) -> int:
    picture.seek(page)
    return int(picture.tag_v2.get(tag, 0))


def _page(file: BufferedReader, picture: PIL.Image.Image, deep_png: bool, page: int) -> StoredFrame:
    picture.seek(page)
    check_size(picture.height, picture.width)
    tags = dict(picture.tag_v2) if isinstance(picture, TiffImageFile) else {}
    bits = max(tags.get(BITS, (8,))) if tags else 8
    if deep_png or (bits == 16 and tags.get(SAMPLES, 1) > 1):
        if tags and (tags.get(PHOTOMETRIC), tags.get(PLANAR, 1)) != (2, 1):
            raise ImageError("is a 16-bit TIFF of more than one channel that is not interleaved RGB")
        turn = picture.getexif().get(ORIENTATION, 1) if picture.format == "PNG" else 1  # OpenCV turns TIFF, not PNG
        picture.load()  # OpenCV is silent on truncated files, Pillow is not
        return stored(_turned(_deep(file, page if tags else 0), turn))
    if picture.mode == "LAB":
        raise ImageError("holds LAB colour; expected grey or RGB")
    lossy, picture = picture.format in LOSSY, upright(picture)  # what is turned no longer knows its format
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture).astype(np.uint16)  # in the byte order of this machine
        top = 2**bits - 1 if bits > 8 else 65535
        return stored(top - grey if tags.get(PHOTOMETRIC) == 0 else grey, top)
    frame = stored(np.asarray(_without_palette(picture)), lossy=lossy)
    return frame._replace(labels=np.asarray(picture)) if picture.mode == "P" else frame


def upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Decode, and turn as EXIF says; a damaged EXIF block says nothing."""
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return picture


def _without_palette(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Bring any 8-bit mode to grey, grey with alpha, RGB or RGBA."""
    if picture.has_transparency_data or picture.mode in ALPHA_MODES:
        return picture.convert("LA" if picture.mode in ("1", "L", "LA", "La") else "RGBA")
    if picture.mode in ("I", "F"):
        return picture
    return picture.convert("L" if picture.mode in GREY_MODES else "RGB")


def _deep(file: BufferedReader, page: int) -> NDArray[np.uint16]:
    """Decode a 16-bit page with OpenCV, because Pillow cuts colour to 8 bits: (H, W, C), RGB."""
    file.seek(0)
    _, pages = cv2.imdecodemulti(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    if not pages:
        raise ImageError("cannot be decoded (16-bit colour)")
    raw = np.atleast_3d(pages[0])
    if raw.dtype != np.uint16:
        raise ImageError(f"cannot be decoded (expected 16-bit pixels, got {raw.dtype})")
    return raw[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[raw.shape[2]]].astype(np.uint16, copy=False)  # BGR -> RGB


def _turned(pixels: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    """Apply an EXIF orientation (1 to 8) to (H, W, C)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]
