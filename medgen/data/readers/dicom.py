"""DICOM to frames: colour spaces, lookup tables, windows and spacing, through pydicom.

Grey frames go the way of the standard (DICOM PS3.3 C.11, PS3.4 N.2): modality lookup table or rescale, then VOI lookup
table or the first window, then MONOCHROME1 is inverted, so that white is always the largest value. Enhanced multi-frame
files may carry these per frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import FileFrames, Pixels, Raw, Spacing, StoredFrame, check_finite, check_size, stored
from medgen.errors import ImageError

if TYPE_CHECKING:  # pydicom takes a while to import, and few need it
    from pydicom import DataElement, Dataset

NAMED = (".dcm", ".dicom")
SUFFIXES = frozenset({*NAMED, ""})  # files from archives and discs often have none
WITHOUT_PREAMBLE = (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # how older files begin: with group 2 or 8
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # pydicom hands all of them over as RGB
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def recognises(head: bytes, suffix: str) -> bool:
    """Tell DICOM by its preamble, or, in a file from before that was required, by its suffix and the group it begins with."""
    return head[128:132] == b"DICM" or (suffix in NAMED and head[:2] in WITHOUT_PREAMBLE)


def open_frames(file: BufferedReader) -> FileFrames:
    """Read a DICOM file.

    Returns
    -------
    Each frame with its spacing in mm (PixelSpacing, else ImagerPixelSpacing).
    8-bit colour and 8-bit grey without a window or table are uint8. All else is float32 in [0, 1]: grey by its window
    or table, or, if the file has none, from the smallest to the largest value that the bits stored can hold; deeper
    colour is divided by the largest value.

    Raises
    ------
    ImageError : if there are no pixel data, the frame is too large, or the compression or colour space is not supported.
    """
    ds = _open(file)
    if "PixelData" not in ds:
        raise ImageError("is DICOM, but holds no pixel data")
    check_size(int(ds.get("Rows") or 0), int(ds.get("Columns") or 0))
    space = str(ds.get("PhotometricInterpretation", ""))
    if space not in (*GREY, *COLOUR, "PALETTE COLOR"):
        raise ImageError(f"DICOM colour space '{space}' is not supported")
    count = max(1, int(ds.get("NumberOfFrames") or 1))
    return FileFrames(count, _frames(ds, space, count))


def _open(file: BufferedReader) -> Dataset:
    """Read the data set; files from before the preamble was required are read too."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    try:
        return dcmread(file)
    except InvalidDicomError:
        file.seek(0)
    ds = dcmread(file, force=True)
    if "Rows" not in ds or "PixelData" not in ds:
        raise ImageError("is not DICOM inside")
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit, little = ds.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return ds


def _frames(ds: Dataset, space: str, count: int) -> Iterator[StoredFrame]:
    done = 0
    for k, raw in enumerate(_decode(ds)):  # raw (H, W) or (H, W, 3)
        header = frame_header(ds, k)
        if space in GREY:
            yield _grey(raw, header)
        elif space == "PALETTE COLOR":
            yield _palette(raw, header)
        else:
            yield stored(raw, 2 ** int(header.BitsStored) - 1, spacing=_spacing(header))
        done += 1
    if done < count:
        raise ImageError(f"truncated: the header says {count} frames, {done} are there")


def _decode(ds: Dataset) -> Iterator[Raw]:
    from pydicom.pixels.utils import iter_pixels

    try:
        yield from iter_pixels(ds)
    except (NotImplementedError, RuntimeError) as error:
        if "missing dependencies" in str(error) or "not supported" in str(error):
            name = " ".join(ds.file_meta.TransferSyntaxUID.name.split())
            raise ImageError(
                f"compressed as {name}, for which no decoder is installed (try: pip install pylibjpeg[all])"
            ) from error
        raise


def frame_header(ds: Dataset, k: int) -> Dataset:
    """Return the attributes that hold for frame `k`: the file's, then the shared, then the frame's own, the later winning."""
    from pydicom import Dataset

    header = Dataset()
    header.file_meta = ds.file_meta
    header.update({tag: ds[tag] for tag in list(ds.keys()) if tag.group in (0x0018, 0x0028)})
    for keyword, item in zip(GROUPS, (0, k), strict=True):
        groups = ds.get(keyword) or []
        for macro in groups[item] if item < len(groups) else ():
            if macro.VR == "SQ" and macro.value:
                header.update({element.tag: element for element in macro.value[0]})
    return header


def _palette(raw: Raw, header: Dataset) -> StoredFrame:
    """Indices -> (H, W, 3)."""
    top = 2 ** int(header.RedPaletteColorLookupTableDescriptor[2]) - 1
    if "RedPaletteColorLookupTableData" not in header:  # segmented tables
        from pydicom.pixels.processing import apply_color_lut

        return stored(apply_color_lut(raw, header), top)._replace(labels=raw)
    tables = [
        _look_up(
            raw, header[f"{name}PaletteColorLookupTableDescriptor"].value, header[f"{name}PaletteColorLookupTableData"], header
        )
        for name in ("Red", "Green", "Blue")
    ]
    colours = np.stack(tables, axis=-1)  # (H, W, 3)
    return stored(colours.astype(np.uint8) if top == 255 else colours, top, spacing=_spacing(header))._replace(labels=raw)


def _grey(raw: Raw, header: Dataset) -> StoredFrame:
    """Stored values -> those that the modality means, (H, W, 1) float64, and what a window or table shows of them."""
    values, low, high = _modality(raw.astype(np.float64), header)
    check_finite(values)
    inverted = header.PhotometricInterpretation == "MONOCHROME1"
    ends = (high, low) if inverted else (low, high)
    unit = _voi(values, header)
    rendered: Pixels | None = None
    if unit is not None:
        unit = np.clip(unit, 0, 1)
        rendered = np.nan_to_num(1 - unit if inverted else unit).astype(np.float32)[..., None]
    elif (low, high) == (0, 255) and (values == raw).all():
        grey = raw.astype(np.uint8)[..., None]
        rendered = 255 - grey if inverted else grey
    return StoredFrame(values[..., None], *ends, rendered=rendered, spacing=_spacing(header))


def _modality(raw: Raw, header: Dataset) -> tuple[Raw, float, float]:
    """Stored values -> the values that the modality means, and the lowest and highest that there could be (PS3.3 C.11.1)."""
    if header.get("ModalityLUTSequence"):
        item = header.ModalityLUTSequence[0]
        return _look_up(raw, item.LUTDescriptor, item["LUTData"], header), 0, 2 ** int(item.LUTDescriptor[2]) - 1
    bits, slope, intercept = int(header.BitsStored), header.get("RescaleSlope"), header.get("RescaleIntercept")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.get("PixelRepresentation") else (0, 2**bits - 1)
    slope, intercept = 1.0 if slope is None else float(slope), float(intercept or 0)
    if (slope, intercept) == (1, 0):
        return raw, low, high
    ends = sorted((low * slope + intercept, high * slope + intercept))
    return raw.astype(np.float64) * slope + intercept, ends[0], ends[1]


def _voi(values: Raw, header: Dataset) -> NDArray[np.float64] | None:
    """Apply the VOI table or the first window (PS3.3 C.11.2); None where the file has neither that makes sense."""
    if header.get("VOILUTSequence"):
        item = header.VOILUTSequence[0]
        return _look_up(values, item.LUTDescriptor, item["LUTData"], header) / (2 ** int(item.LUTDescriptor[2]) - 1)
    if header.get("WindowCenter") is None or header.get("WindowWidth") is None:
        return None
    centre, width = (float(np.atleast_1d(header[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    function = header.get("VOILUTFunction") or "LINEAR"
    if width <= 0 or (function == "LINEAR" and width < 1):
        return None
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width == 0:  # a window of one value is a threshold
        return np.where(values > centre, 1.0, 0.0)
    return (values - centre) / width + 0.5


def _look_up(values: Raw, descriptor: Sequence[int], data: DataElement, header: Dataset) -> NDArray[np.uint16]:
    """Map values through a DICOM table (PS3.3 C.11.1.1); what lies beyond its ends gets the nearest entry.

    pydicom's own functions count the index in the type of the entries, so that more than 256 values run over in an 8-bit table.
    """
    count, first = int(descriptor[0]) or 2**16, int(descriptor[1])
    if isinstance(data.value, bytes):
        order = "<" if header.file_meta.TransferSyntaxUID.is_little_endian else ">"
        table = np.frombuffer(data.value, np.uint8 if len(data.value) <= count + 1 else f"{order}u2")
    else:
        table = np.atleast_1d(data.value)
    index = np.rint(values).astype(np.int64) - first
    return table[np.clip(index, 0, min(count, len(table)) - 1)].astype(np.uint16)


def _spacing(header: Dataset) -> Spacing:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        value = header.get(keyword)
        if value and len(value) == 2 and all(0 < float(side) < float("inf") for side in value):
            return float(value[0]), float(value[1])
    return None
