"""The only reader: path -> Image, upright, (H, W, C) with C 1 or 3.

What the values mean: 8 bit stays uint8; 16-bit PNG and TIFF are divided by 65535 (or by the depth that a TIFF states) to
float32 in [0, 1]; floats must lie in [0, 1] already; DICOM goes through its window or bits stored (`dicom.py`); NIfTI is
stretched per volume (`volume.py`). Alpha is laid over black. EXIF orientation is honoured. Colour profiles are not applied.

What a file is, its first bytes say: a PNG named .jpg is read as the PNG that it is. What is no image inside is refused.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Generator, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps

from medgen.data.readers.pixel_format import MAX_PIXELS, Frames, Pixels, Spacing, check_size, standard
from medgen.errors import ImageError
from medgen.types import Image

SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".webp",
    ".dcm", ".dicom", ".nii", ".nii.gz", ".npy", ".npz",
})  # fmt: skip
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "DIB", "WEBP")  # what Pillow may open
HEAD = 352  # bytes: the longest of the headers that are looked at, NIfTI-1
SUBFILE, BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, PLANAR = 254, 258, 262, 274, 277, 284  # TIFF tags
MAGIC = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"II": "TIFF", b"MM": "TIFF", b"BM": "BMP", b"RI": "WebP"}
GREY_MODES, ALPHA_MODES = ("1", "L"), ("LA", "La", "PA", "RGBA", "RGBa")


def suffix(path: Path) -> str:
    """Return the suffix in lower case, ``.nii.gz`` as one."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def stem(path: Path) -> str:
    """Return the name without its suffix, ``.nii.gz`` taken as one."""
    return path.name[: len(path.name) - len(suffix(path))]


def is_image(path: Path) -> bool:
    """Tell whether a file in a folder is meant as an image: by its suffix, or as DICOM, which is often stored without one."""
    if suffix(path) in SUFFIXES:
        return True
    if (suffix(path) and not suffix(path)[1:].isdigit()) or path.name == "DICOMDIR":  # 1.2.840.113619.2.5 has no suffix
        return False
    try:
        with path.open("rb") as file:
            return file.read(HEAD)[128:132] == b"DICM"
    except OSError:
        return False


def read_image(path: Path, frame: int = 0) -> Image:
    """Read one frame.

    Parameters
    ----------
    path : the file
    frame : which of its frames, from 0

    Raises
    ------
    ImageError : as `read_images`; and if the file has no such frame.
    """
    if frame < 0:
        raise ImageError(f"frame {frame} was asked for; frames count from 0")
    frames = read_images(path)
    try:
        image = next(islice(frames, frame, None), None)
    finally:
        frames.close()
    if image is None:
        raise ImageError(f"has no frame {frame}, which was asked for; frames count from 0")
    return image


def read_images(path: Path) -> Generator[Image, None, None]:
    """Read every frame of a multi-frame DICOM, page of a TIFF, slice of a NIfTI volume or item of an array, in order.

    Yields
    ------
    Image whose `source` is the path, with ``#k`` behind it where the file holds more than one frame.

    Raises
    ------
    ImageError : with the reason, which does not name the path: missing, empty, truncated, no permission, not an image inside,
        more than 100 megapixels (from the header, before decoding), NaN or infinite pixels, ... A file that is damaged far
        behind its start may yield good frames first.
    """
    frames = _frames(path)
    try:
        while True:
            with _quiet:
                image = next(frames, None)
            if image is None:
                return
            yield image
    except ImageError:
        raise
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"is larger than {MAX_PIXELS // 1_000_000} megapixels, the most that are read") from None
    except Exception as error:  # decoders fail in any way on damaged files; one file must never stop a run
        raise ImageError(_reason(error, path)) from error
    finally:
        frames.close()


class _Quiet:
    """Keeps what decoders say about odd but readable files from the user.

    Warning filters belong to the whole process, so that threads share one change of them: the first in makes it, the last
    out takes it back.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._logger = logging.getLogger("nibabel.global")  # it brings its own handler to stderr

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
                self._disabled, self._logger.disabled = self._logger.disabled, True
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._logger.disabled = self._disabled
                self._filters.__exit__(None, None, None)


_quiet = _Quiet()


def _reason(error: Exception, path: Path) -> str:
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return "permission denied"
        case IsADirectoryError():
            return "is a folder, not a file"
        case MemoryError():
            return "needs more memory than there is"
    detail = " ".join(str(error).replace(str(path), "").split())[:120]
    return f"truncated, damaged or of a rare kind ({detail or type(error).__name__})"


def _frames(path: Path) -> Generator[Image, None, None]:
    if suffix(path) not in SUFFIXES and path.is_file() and not is_image(path):
        raise ImageError(f"suffix '{suffix(path)}' is not supported; expected one of {', '.join(sorted(SUFFIXES))}")
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not head:
            raise ImageError("empty file")
        file.seek(0)
        count, frames = _decode(file, head, path)
        for k, (pixels, spacing) in enumerate(frames):
            yield Image(pixels, spacing, f"{path}#{k}" if count > 1 else str(path))


def _decode(file: BinaryIO, head: bytes, path: Path) -> Frames:
    """Choose the decoder by the first bytes of the file. The rarer ones are imported when they are met."""
    if head[128:132] == b"DICM":
        from medgen.data.readers.dicom import dicom_frames

        return dicom_frames(file)
    if head.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
        from medgen.data.readers.volume import numpy_frames, zip_frames

        return numpy_frames(file) if head.startswith(b"\x93") else zip_frames(file)
    if head.startswith(b"\x1f\x8b") or head[344:347] in (b"n+1", b"ni1") or head[4:7] == b"n+2":
        from medgen.data.readers.volume import nifti_frames

        return nifti_frames(file, head)
    try:
        picture = PIL.Image.open(file, formats=FORMATS)
    except PIL.UnidentifiedImageError:
        file.seek(0)
    else:
        return _pages(file, picture, head)
    if suffix(path) in (".dcm", ".dicom"):  # DICOM from before the preamble was required
        from medgen.data.readers.dicom import dicom_frames

        return dicom_frames(file)
    if kind := MAGIC.get(head[:2]):
        raise ImageError(f"begins like a {kind}, but cannot be opened: truncated, damaged or of a rare kind")
    raise ImageError(f"is not an image inside, although it is named {suffix(path)}")


def _pages(file: BinaryIO, picture: PIL.Image.Image, head: bytes) -> Frames:
    """Read what Pillow has opened: the pages of a TIFF, the frames of an animation, else one picture."""
    pages: Sequence[int] = range(1 if picture.format == "MPO" else getattr(picture, "n_frames", 1))
    if picture.format == "TIFF" and len(pages) > 1:  # leave out smaller copies of a page, and its mask
        pages = [k for k in pages if not _tag(picture, k, SUBFILE) & 0b101] or [0]
    return len(pages), (_page(file, picture, head, k) for k in pages)


def _tag(picture: Any, page: int, tag: int) -> int:
    picture.seek(page)
    return int(picture.tag_v2.get(tag, 0))


def _page(file: BinaryIO, picture: Any, head: bytes, k: int) -> tuple[Pixels, Spacing]:
    picture.seek(k)
    check_size(picture.height, picture.width)
    tags = dict(picture.tag_v2) if picture.format == "TIFF" else {}
    bits = max(tags.get(BITS, (8,))) if tags else 8
    if (picture.format == "PNG" and head[24] == 16) or (bits == 16 and tags.get(SAMPLES, 1) > 1):
        if tags and (tags.get(PHOTOMETRIC), tags.get(PLANAR, 1)) != (2, 1):
            raise ImageError("is a 16-bit TIFF of more than one channel that is not interleaved RGB")
        turn = picture.getexif().get(ORIENTATION, 1) if picture.format == "PNG" else 1  # OpenCV turns TIFF, not PNG
        picture.load()  # OpenCV is silent on truncated files, Pillow is not
        return standard(_turned(_deep(file, k if tags else 0), turn)), None
    if picture.mode == "LAB":
        raise ImageError("holds LAB colour; expected grey or RGB")
    picture = upright(picture)
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture).astype(np.uint16)  # in the byte order of this machine
        top = 2**bits - 1 if bits > 8 else 65535
        return standard(top - grey if tags.get(PHOTOMETRIC) == 0 else grey, top), None
    return standard(np.asarray(_without_palette(picture))), None


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


def _deep(file: BinaryIO, page: int) -> NDArray[np.uint16]:
    """Decode a 16-bit page with OpenCV, because Pillow cuts colour to 8 bits: (H, W, C), RGB."""
    file.seek(0)
    _, pages = cv2.imdecodemulti(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    if not pages:
        raise ImageError("cannot be decoded (16-bit colour)")
    raw = np.atleast_3d(pages[0])
    if raw.dtype != np.uint16:
        raise ImageError(f"cannot be decoded (expected 16-bit pixels, got {raw.dtype})")
    return raw[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[raw.shape[2]]].astype(np.uint16, copy=False)  # BGR -> RGB


def _turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation (1 to 8) to (H, W, C)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]
