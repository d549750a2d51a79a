"""TIFF to frames, through tifffile: classic and BigTIFF, strips, tiles and planes, each page a frame.

Integers of 1 to 32 bits and floats of 16 to 64; grey, RGB, palettes, CMYK and YCbCr; the compressions that imagecodecs knows.
What a channel beyond the colours means, ExtraSamples says: alpha is laid over black, anything else is left out. The
orientation is honoured. Source: TIFF 6.0, Adobe 1992.
"""

from __future__ import annotations

import math
from io import BufferedReader
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import FileFrames, Raw, StoredFrame, check_size, stored
from medgen.data.readers import _codestreams as codestreams
from medgen.data.readers._channels import of_bits, of_palette, turned, with_alpha
from medgen.errors import ImageError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

SUFFIXES = frozenset({".tif", ".tiff", ".btf", ".tf8", ""})
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two of BigTIFF
PHOTOMETRIC, COEFFICIENTS, BLACK_WHITE, INKS, ORIENTATION = 262, 529, 532, 332, 274  # tags
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, _, CMYK, YCBCR = range(7)  # what the samples mean
SMALLER, TRANSPARENCY = 1, 4  # kinds of subfiles that are no picture of their own
ASSOCIATED, UNASSOCIATED = 1, 2  # kinds of alpha among the extra samples
OLD_JPEG, JPEG = 6, 7  # compressions
JPEGS = (OLD_JPEG, JPEG, 33007, 34892)
JPEG2000S = (33003, 33004, 33005, 34712)
LOSSY = (OLD_JPEG, 33007, 34892, 22610, 34934, 50001, 50002, 52546)  # or hardly ever lossless: JPEG, JPEG XR, WebP, JPEG XL
SIGNED = 2  # format of samples
MAX_CHANNELS = 16


def recognises(head: bytes, suffix: str) -> bool:
    """Tell a TIFF by its first bytes."""
    return head.startswith(MAGIC)


def open_frames(file: BufferedReader) -> FileFrames:
    """Read the pages of a TIFF in the order of the file, each of its own size.

    Returns
    -------
    Smaller copies and transparency masks of a page are left out. A channel of a stack (OME, ImageJ) is a page, and so a frame. No
    page has a spacing.

    Raises
    ------
    ImageError : if the file is damaged or too large, or holds colours or a compression that are not known.
    """
    from tifffile import TiffFile, TiffFileError

    try:
        tiff = TiffFile(file)
        pages = [k for k in range(len(tiff.pages)) if not _page(tiff, k).subfiletype & (SMALLER | TRANSPARENCY)]
    except TiffFileError as error:
        raise ImageError(f"begins like a TIFF, but cannot be opened: truncated or damaged ({error})") from None
    if not len(tiff.pages):
        raise ImageError("begins like a TIFF, but no page can be found: truncated or damaged")
    if (planes := _planes(tiff)) > 1:
        return FileFrames(planes, (_frame(_page(tiff, 0), plane) for plane in range(planes)))
    pages = pages or [0]
    return FileFrames(len(pages), (_frame(_page(tiff, page)) for page in pages))


def _page(tiff: TiffFile, number: int) -> TiffPage:
    """Return the header of a page, whose size is one that may be decoded."""
    page = cast("TiffPage", tiff.pages[number])  # it has all of its own tags, as this is the default
    sizes = (page.imagelength, page.imagewidth, page.imagedepth, page.tilelength, page.tilewidth, page.samplesperpixel)
    if not all(isinstance(size, int) for size in (*sizes, page.subfiletype)):
        raise ImageError("damaged: a size in its header is no single number")
    check_size(page.imagelength, page.imagewidth)
    if page.is_tiled:
        check_size(page.tilelength, page.tilewidth)
    if page.samplesperpixel > MAX_CHANNELS:
        raise ImageError(f"holds {page.samplesperpixel} channels; at most {MAX_CHANNELS} are read")
    return page


def _planes(tiff: TiffFile) -> int:
    """Return how many frames lie one behind the other under the header of a single page, as ImageJ writes large stacks."""
    page = _page(tiff, 0)
    if len(tiff.pages) > 1 or not page.is_contiguous:
        return 1
    series = tiff.series
    return max(1, math.prod(series[0].shape) // math.prod(page.shape)) if series and series[0].is_truncated else 1


def _frame(page: TiffPage, plane: int = 0) -> StoredFrame:
    colours, alpha = _meaning(page)
    samples = _samples(page, plane)
    frame = _coloured(page, samples[..., :colours], _is_lossy(page))
    if alpha is not None:
        place, kind = alpha
        opaque = 1.0 if samples.dtype.kind == "f" else float(_limits(page)[1])
        frame = with_alpha(frame, samples[..., place], opaque, multiplied=kind == ASSOCIATED)
    return turned(frame, int(page.tags.valueof(ORIENTATION, 1)))


def _meaning(page: TiffPage) -> tuple[int, tuple[int, int] | None]:
    """Return how many samples of a pixel are its colour, and place and kind of its alpha.

    Raises
    ------
    ImageError : where the file does not say, or the colours are none that can be shown.
    """
    total, extras = page.samplesperpixel, tuple(page.extrasamples)
    kinds = [(total - len(extras) + k, kind) for k, kind in enumerate(extras) if kind in (ASSOCIATED, UNASSOCIATED)]
    alpha = kinds[0] if kinds else None
    match _photometric(page):
        case 0 | 1 | 4:
            # three samples are called grey by writers that do not know better, such as that of CVC-ClinicDB
            plain = total - len(kinds)
            colours = 3 if plain == 3 or (plain == 4 and len(extras) <= 1) else 1 if plain < 3 else 0
        case 2 | 6:
            colours = 3
        case 3:
            colours = 1
        case 5 if page.tags.valueof(INKS, 1) == 1:
            colours = 4
        case 8 | 9 | 10:
            raise ImageError("holds LAB colour; expected grey or RGB")
        case other:
            name = getattr(page.photometric, "name", other)
            raise ImageError(f"holds colour of the kind {name}, which cannot be shown; expected grey or RGB")
    if not colours or total < colours:
        raise ImageError(f"holds {total} channels, and the file does not say which of them are colours; expected grey or RGB")
    return colours, alpha


def _photometric(page: TiffPage) -> int:
    """Return what the samples mean; where the file does not say, three are RGB and all else is grey."""
    if PHOTOMETRIC in page.tags or page.compression == OLD_JPEG:
        return int(page.photometric)
    return RGB if page.samplesperpixel == 3 else BLACK_IS_ZERO


def _samples(page: TiffPage, plane: int) -> Raw:
    """Decode a page, or the plane of a stack that lies so many behind it, (H, W, C)."""
    import imagecodecs
    from tifffile import TIFF

    file = page.parent.filehandle
    if page.imagedepth > 1:
        raise ImageError(f"holds a volume of {page.imagedepth} slices in one page; expected a page for each")
    if page.compression != 1 and page.compression not in TIFF.DECOMPRESSORS:
        raise ImageError(f"is compressed in a way that is not known ({getattr(page.compression, 'name', page.compression)})")
    if page.dtype is None:
        raise ImageError(f"has samples of {page.bitspersample} bits in the format {page.sampleformat}, which are not read")
    if any(start + count > file.size for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)):
        raise ImageError("truncated: its pixels would lie beyond the end of the file")
    if page.is_subsampled and page.compression not in JPEGS:
        file.seek(0)
        return imagecodecs.tiff_decode(file.read(), index=page.index, asrgb=True)[..., :3]
    if plane:
        file.seek(page.dataoffsets[0] + plane * page.nbytes)
        raw = file.read_array(page.parent.byteorder + page.dtype.char, math.prod(page.shaped)).reshape(page.shaped)
    else:
        raw = page.asarray(squeeze=False, maxworkers=1)  # (planes, 1, H, W, samples)
    samples = raw[:, 0].transpose(1, 2, 0, 3).reshape(page.imagelength, page.imagewidth, -1)
    return samples.astype(np.uint8 if samples.dtype == bool else samples.dtype.newbyteorder("="), copy=False)


def _limits(page: TiffPage) -> tuple[int, int]:
    """Return the smallest and the largest number that the bits of a sample can hold."""
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 8  # several are brought to 8
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if page.sampleformat == SIGNED else (0, 2**bits - 1)


def _coloured(page: TiffPage, samples: Raw, lossy: bool) -> StoredFrame:
    """Bring the colours of a page, (H, W, 1, 3 or 4), to grey or RGB."""
    black, white = _limits(page)
    photometric = _photometric(page)
    whole = samples.dtype.kind in "iu" and white < 65536
    if photometric == PALETTE and page.colormap is not None and samples.dtype.kind == "u":
        colours = page.colormap.T  # (N, 3) of 16 bits, though some writers fill eight
        return of_palette(samples[..., 0], (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8))
    if photometric in (PALETTE, CMYK, YCBCR) and not (whole and black == 0):
        raise ImageError(f"holds a palette, CMYK or YCbCr in samples of type {samples.dtype}; expected whole numbers of 16 bits")
    if photometric == CMYK:
        samples = _rgb_of_cmyk(samples, white)
    elif photometric == YCBCR and page.compression not in JPEGS and not page.is_subsampled:
        samples = _rgb_of_ycbcr(page, samples, white)
    frame = of_bits(samples, black, white, lossy=lossy) if whole else stored(samples, lossy=lossy)
    return _white_is_zero(frame) if photometric == WHITE_IS_ZERO else frame


def _white_is_zero(frame: StoredFrame) -> StoredFrame:
    """Exchange black and white; what is marked is what is shown white, so that a mask's labels are counted from black."""
    values = frame.values.astype(np.float64) if frame.values.dtype.kind == "f" else frame.values.astype(np.int64)
    labels = (np.array(frame.white, values.dtype) - values).max(axis=2) if frame.black == 0 else None
    rendered = None if frame.rendered is None else 255 - frame.rendered
    return frame._replace(black=frame.white, white=frame.black, rendered=rendered, labels=labels)


def _rgb_of_cmyk(samples: Raw, top: int) -> Raw:
    """Return the light that ink leaves: (1 - ink) (1 - black)."""
    light = top - samples.astype(np.float64)
    return np.rint(light[..., :3] * light[..., 3:] / top).astype(samples.dtype)


def _rgb_of_ycbcr(page: TiffPage, samples: Raw, top: int) -> Raw:
    """Apply the formula of TIFF 6.0, section 21."""

    def numbers(tag: int, default: tuple[float, ...]) -> NDArray[Any]:
        value = page.tags.valueof(tag)
        if value is None:
            return np.array(default)
        pairs = np.array(value, dtype=np.float64).reshape(-1, 2)
        return pairs[:, 0] / pairs[:, 1]

    red, green, blue = numbers(COEFFICIENTS, (0.299, 0.587, 0.114))
    middle = (top + 1) / 2
    black, white = numbers(BLACK_WHITE, (0, top, middle, top, middle, top)).reshape(3, 2).T
    luma, to_blue, to_red = np.moveaxis((samples - black) * ([top, top // 2, top // 2] / (white - black)), -1, 0)
    r, b = luma + to_red * (2 - 2 * red), luma + to_blue * (2 - 2 * blue)
    colours = np.stack([r, (luma - red * r - blue * b) / green, b], axis=-1)
    return np.rint(colours.clip(0, top)).astype(samples.dtype)


def _is_lossy(page: TiffPage) -> bool:
    """Tell whether values near edges are guesses."""
    if page.compression not in (JPEG, *JPEG2000S) or not page.dataoffsets:
        return page.compression in LOSSY
    page.parent.filehandle.seek(page.dataoffsets[0])
    data = page.parent.filehandle.read(page.databytecounts[0])
    if page.compression == JPEG:
        frame = codestreams.jpeg(data)
        return frame is None or not frame.lossless
    header = codestreams.jpeg2000(data)
    return header is None or header.lossy
