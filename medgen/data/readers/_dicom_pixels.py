"""The pixel data of a DICOM file to arrays of stored values: compressions, colour spaces, bits that hold no pixel.

pydicom decodes, JPEG by imagecodecs (`_dicom_jpeg.py`), JPEG 2000 and RLE by pylibjpeg. Three things are done here. JPEG of 8
bits, whose colour space the codestream knows better than the header, goes through Pillow, so that it has the same pixels as the
JPEG in a file of its own. Where a pixel lies in its word is read from High Bit (DICOM PS3.5, 8.1.1), which pydicom passes over.
Single bits are unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from medgen.data.pixel_format import Raw
from medgen.data.readers._dicom_jpeg import NAME, is_jpeg, jpeg_decoder
from medgen.errors import ImageError

if TYPE_CHECKING:  # pydicom takes a while to import, and few need it
    from pydicom import Dataset
    from pydicom.uid import UID

KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
BITS_ALLOCATED = (1, 8, 16, 32, 64)


def is_video(syntax: UID) -> bool:
    """Tell whether pixel data are a video stream (MPEG-2, MPEG-4 AVC/H.264, HEVC/H.265), which is no row of pictures."""
    from pydicom.uid import MPEGTransferSyntaxes

    return syntax in MPEGTransferSyntaxes


def is_lossy(ds: Dataset) -> bool:
    """Tell whether values were compressed with loss, as far as the file says."""
    from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

    lossy = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)
    return ds.file_meta.TransferSyntaxUID in lossy or ds.get("LossyImageCompression") == "01"


def check_coding(ds: Dataset) -> None:
    """Refuse, before anything is decoded, what no decoder reads.

    Raises
    ------
    ImageError : naming the compression or the width of the words.
    """
    from pydicom.pixels.decoders.base import get_decoder

    syntax = ds.file_meta.TransferSyntaxUID
    try:
        get_decoder(syntax)
    except NotImplementedError:
        raise ImageError(f"DICOM compressed as {_name(syntax)} is not supported") from None
    bits = int(ds.get("BitsAllocated") or 0)
    if bits not in BITS_ALLOCATED:
        raise ImageError(f"{bits} bits allocated per pixel are not supported; 1, 8, 16, 32 and 64 are")


def decoded(ds: Dataset, count: int) -> Iterator[Raw]:
    """Yield the first `count` frames as they are stored.

    Yields
    ------
    (H, W) of grey levels, palette indices or marks, or (H, W, 3) RGB; integers, or floats of float pixel data. Data behind the
    frames that the header counts are padding.

    Raises
    ------
    ImageError : if there are fewer frames, or they cannot be decoded.
    """
    if _is_8_bit_jpeg(ds):
        frames = _jpegs(ds)
    elif ds.get("BitsAllocated") == 1 and not ds.file_meta.TransferSyntaxUID.is_encapsulated:
        frames = _single_bits(ds, count)
    else:
        frames = _through_pydicom(ds)
    done = 0
    for frame in islice(frames, count):
        yield frame
        done += 1
    if done < count:
        raise ImageError(f"truncated: the header says {count} frames, {done} are there")


def stored_range(header: Dataset) -> tuple[int, int]:
    """Return the smallest and the largest value that the bits stored can hold."""
    bits = int(header.BitsStored)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.get("PixelRepresentation") else (0, 2**bits - 1)


def _is_8_bit_jpeg(ds: Dataset) -> bool:
    from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

    return ds.file_meta.TransferSyntaxUID in (JPEGBaseline8Bit, JPEGExtended12Bit) and int(ds.BitsStored) <= 8


def _jpegs(ds: Dataset) -> Iterator[Raw]:
    """Decode JPEG of 8 bits."""
    stated_rgb = ds.PhotometricInterpretation == "RGB"
    for data in _codestreams(ds):
        image = PIL.Image.open(BytesIO(data), formats=["JPEG"])
        if image.size != (ds.Columns, ds.Rows):
            raise ImageError(f"the header says {ds.Columns} x {ds.Rows} pixels, its JPEG holds {image.width} x {image.height}")
        if image.mode != ("RGB" if ds.SamplesPerPixel == 3 else "L"):
            raise ImageError(f"the header says {ds.SamplesPerPixel} samples per pixel, its JPEG is {image.mode}")
        # A codestream says by a JFIF or Adobe marker, or by its components' names, whether it is YCbCr. Of one that says nothing
        # decoders believe it; but then the header knows. Asked for YCbCr they leave the components as they are.
        names = bytes(component[0] for component in getattr(image, "layer", ()))
        if not {"jfif", "adobe_transform"} & image.info.keys() and (names == b"rgb" or (stated_rgb and names != b"RGB")):
            image.draft("YCbCr", image.size)
        yield np.array(image)


def _codestreams(ds: Dataset) -> Iterator[bytes]:
    """Yield the compressed bytes of one frame after the other."""
    from pydicom.encaps import generate_frames

    tables = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
    offsets = (ds[tables[0]].value, ds[tables[1]].value) if all(table in ds for table in tables) else None
    yield from generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames") or 1), extended_offsets=offsets)


def _single_bits(ds: Dataset, count: int) -> Iterator[Raw]:
    """Unpack frames of one bit for each pixel, which follow each other within a byte (PS3.5, 8.1.1).

    pydicom fetches too few bytes of some frames whose number of pixels is no multiple of 8.
    """
    data = np.frombuffer(ds.PixelData, np.uint8)
    pixels = int(ds.Rows) * int(ds.Columns)
    for start in range(0, count * pixels, pixels):
        bits = np.unpackbits(data[start // 8 : (start + pixels + 7) // 8], bitorder="little")[start % 8 :][:pixels]
        if bits.size < pixels:
            return
        yield bits.reshape(ds.Rows, ds.Columns)


def _through_pydicom(ds: Dataset) -> Iterator[Raw]:
    """Decode whatever pydicom decodes, in its own colours if it is YCbCr."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import JPEGLossless, JPEGLosslessSV1, RLELossless

    syntax = ds.file_meta.TransferSyntaxUID
    lossless_jpeg = syntax in (JPEGLossless, JPEGLosslessSV1)
    whole_words = "PixelData" in ds and (not syntax.is_encapsulated or syntax == RLELossless or lossless_jpeg)
    options: dict[str, Any] = {"correct_unused_bits": False} if whole_words else {}
    if is_jpeg(syntax):
        options["decoding_plugin"] = NAME  # the same pixels whatever else is installed
    decoder, was_rgb = jpeg_decoder(syntax) if is_jpeg(syntax) else get_decoder(syntax), _was_rgb(ds)
    try:
        for frame, form in decoder.iter_array(ds, raw=True, **options):
            values = _pixel_bits(frame, ds) if whole_words else frame
            yield values if was_rgb else _rgb(values, str(form["photometric_interpretation"]), ds)
    except RuntimeError as error:
        if syntax.is_encapsulated and set(decoder.available_plugins) <= {"pillow"}:
            raise ImageError(
                f"compressed as {_name(syntax)}, for which no decoder is installed "
                "(try: pip install pylibjpeg pylibjpeg-openjpeg)"
            ) from error
        detail = " ".join(str(error).split("\n")[1:2])[:120].strip() or type(error).__name__
        raise ImageError(f"its {_name(syntax)} data are damaged or of a rare kind ({detail})") from error


def _was_rgb(ds: Dataset) -> bool:
    """Tell whether JPEG 2000 was made of RGB by its own component transformation, so that decoders hand over RGB.

    Some headers still name the colour space of the file that it was compressed from. The transformation stands in the marker of
    the coding style (ISO/IEC 15444-1, A.6.1).
    """
    from pydicom.uid import JPEG2000TransferSyntaxes

    if ds.file_meta.TransferSyntaxUID not in JPEG2000TransferSyntaxes or ds.get("SamplesPerPixel") != 3:
        return False
    data = next(_codestreams(ds), b"")
    style = data.find(b"\xff\x52")
    return style >= 0 and data[style + 8 : style + 9] == b"\x01"


def _name(syntax: UID) -> str:
    return " ".join(syntax.name.split())


def _pixel_bits(words: Raw, ds: Dataset) -> Raw:
    """Take the bits stored out of their words: those above High Bit and below the lowest may hold anything (overlays)."""
    words = words.astype(words.dtype.newbyteorder("="), copy=False)
    width, stored = words.dtype.itemsize * 8, int(ds.BitsStored)
    high = ds.get("HighBit")
    if high is None or not stored - 1 <= high < width:
        high = stored - 1
    above = width - 1 - int(high)
    raised = words.view(f"u{words.dtype.itemsize}") << above  # the highest bit is where the sign is looked for
    return raised.view(words.dtype) >> (width - stored)


def _rgb(values: Raw, space: str, ds: Dataset) -> Raw:
    """YCbCr to RGB (PS3.3, C.7.6.3.1.2); other spaces stay."""
    if space in ("YBR_ICT", "YBR_RCT"):  # the decoders of JPEG 2000 hand them over as RGB
        raise ImageError(f"DICOM colour space '{space}' without JPEG 2000 is not supported")
    if space not in ("YBR_FULL", "YBR_FULL_422"):
        return values
    bits = int(ds.BitsStored)
    y, cb, cr = np.moveaxis(values.astype(np.float64), -1, 0)
    cb, cr = cb - 2 ** (bits - 1), cr - 2 ** (bits - 1)
    rgb = np.stack([y + 1.402 * cr, y - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr, y + 1.772 * cb], axis=-1)
    return np.clip(np.rint(rgb), 0, 2**bits - 1).astype(values.dtype)
