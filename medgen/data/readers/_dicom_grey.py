"""Stored grey values of a DICOM frame to what the modality means by them, and to what a window or table shows of them.

The way of the standard (DICOM PS3.3, C.11; PS3.4, N.2): modality table or rescale, then VOI table or the first window; then white
and black change places where small values are to be bright (MONOCHROME1, or a presentation table of the shape INVERSE). All of it
is computed in 64-bit floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import Pixels, Raw, StoredFrame, check_finite
from medgen.data.readers._dicom_pixels import stored_range

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

FLOATS = {np.dtype(np.float32): "Float", np.dtype(np.float64): "DoubleFloat"}  # how keywords of float pixel data begin


def grey(raw: Raw, header: Dataset) -> StoredFrame:
    """Return a grey frame, whose values are those of the modality (Hounsfield units, counts).

    Parameters
    ----------
    raw : (H, W) as stored
    header : the attributes that hold for this frame

    Returns
    -------
    Black and white are the ends of the range that the bits stored can hold, after rescale; of float pixel data by convention 0
    and 1. Pixels of the padding value, or between it and its range limit, have no value (NaN).

    Raises
    ------
    ImageError : on infinity.
    """
    check_finite(raw)
    absent = _absent(raw, header)
    values, low, high = _modality(raw, header)
    inverted = header.PhotometricInterpretation == "MONOCHROME1" or header.get("PresentationLUTShape") == "INVERSE"
    unit = _voi(values, header, signed=low < 0)
    rendered: Pixels | None = None
    if unit is not None:
        unit = np.clip(unit, 0, 1)
        rendered = (1 - unit if inverted else unit).astype(np.float32)
    elif (low, high) == (0, 255) and values is raw:
        rendered = np.clip(255 - raw.astype(np.int64) if inverted else raw, 0, 255).astype(np.uint8)
    if absent.any():
        values = np.where(absent, np.nan, values.astype(np.float64))
        if rendered is not None:
            rendered[absent] = 0
    return StoredFrame(
        values[..., None],
        *((high, low) if inverted else (low, high)),
        conventional=raw.dtype.kind == "f",
        rendered=None if rendered is None else rendered[..., None],
        labels=None if values is raw or raw.dtype.kind == "f" else _labels(raw, values, absent),
    )


def _labels(raw: Raw, values: Raw, absent: NDArray[np.bool_]) -> Raw:
    """Return what a mask calls each pixel: its value, but the stored number where rescale makes another number of 0.

    Programs give a mask the header of its CT, whose intercept makes -1024 of 0.
    """
    nothing = raw == 0
    return np.where(absent, 0, raw if (values[nothing] != 0).any() else values)


def _absent(raw: Raw, header: Dataset) -> NDArray[np.bool_]:
    """Return where there is no value: NaN, and the padding value or range, which are stored values (PS3.3, C.7.5.1.1.2)."""
    absent = np.isnan(raw) if raw.dtype.kind == "f" else np.zeros(raw.shape, bool)
    kind = FLOATS.get(raw.dtype.newbyteorder("="), "")
    ends = [header.get(f"{kind}PixelPadding{name}") for name in ("Value", "RangeLimit")]
    if ends[0] is None:
        return absent
    ends = [end for end in ends if end is not None]
    if not kind:  # writers mix up the signs of the two 16-bit types
        low, high = stored_range(header)
        turn = 2**16 if low < 0 else -(2**16)
        ends = [end if low <= end <= high or not low <= end - turn <= high else end - turn for end in ends]
    return absent | ((raw >= min(ends)) & (raw <= max(ends)))


def _modality(raw: Raw, header: Dataset) -> tuple[Raw, float, float]:
    """Stored values -> the values that the modality means, and the lowest and highest that there could be (PS3.3, C.11.1).

    Without rescale the values are the stored ones, in their type. A slope of 0, which would leave nothing, counts as 1.
    """
    low, high = (0, 1) if raw.dtype.kind == "f" else stored_range(header)
    if header.get("ModalityLUTSequence"):
        item = header.ModalityLUTSequence[0]
        return _look_up(raw, item, header, signed=low < 0), 0, _top(item)
    slope, intercept = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    if (slope, intercept) == (1, 0):
        return raw, low, high
    ends = sorted((low * slope + intercept, high * slope + intercept))
    return raw.astype(np.float64) * slope + intercept, ends[0], ends[1]


def _voi(values: Raw, header: Dataset, signed: bool) -> NDArray[np.float64] | None:
    """Apply the VOI table or the first window (PS3.3, C.11.2); None where the file has neither that makes sense.

    `signed` tells whether values could lie below 0, whether or not any of this frame does.
    """
    if header.get("VOILUTSequence"):
        item = header.VOILUTSequence[0]
        return _look_up(values, item, header, signed) / _top(item)
    if header.get("WindowCenter") is None or header.get("WindowWidth") is None:
        return None
    centre, width = (float(np.atleast_1d(header[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    function = header.get("VOILUTFunction") or "LINEAR"
    if width <= 0 or (function == "LINEAR" and width < 1):
        return None
    values = values.astype(np.float64)
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width == 0:  # a window of one value is a threshold
        return np.where(values > centre, 1.0, 0.0)
    return (values - centre) / width + 0.5


def _top(item: Dataset) -> int:
    """Return the largest entry that a table may have."""
    return 2 ** int(item.LUTDescriptor[2]) - 1


def _look_up(values: Raw, item: Dataset, header: Dataset, signed: bool) -> NDArray[np.float64]:
    """Map values through the table of a sequence item; `signed` tells how its first value is meant."""
    count, first, _ = item.LUTDescriptor
    if signed and first >= 2**15:
        first -= 2**16
    return look_up(values, (count, first), item["LUTData"], header).astype(np.float64)


def look_up(values: Raw, descriptor: Sequence[int], data: DataElement, header: Dataset) -> NDArray[np.uint16]:
    """Map values through a DICOM table (PS3.3, C.11.1.1); what lies beyond its ends gets the nearest entry.

    pydicom's own functions count the index in the type of the entries, so that more than 256 values run over in an 8-bit table.

    Parameters
    ----------
    values : (H, W)
    descriptor : how many entries there are (0 means 65536) and the value that the first one is for
    data : the entries, 8 or 16 bits each
    header : says in which order the bytes of an entry stand
    """
    count, first = int(descriptor[0]) % 2**16 or 2**16, int(descriptor[1])
    if isinstance(data.value, bytes):
        order = "<" if header.file_meta.TransferSyntaxUID.is_little_endian else ">"
        table = np.frombuffer(data.value, np.uint8 if len(data.value) <= count + 1 else f"{order}u2")
    else:
        table = np.atleast_1d(data.value)
    index = np.rint(np.nan_to_num(values)).astype(np.int64) - first
    return table[np.clip(index, 0, min(count, len(table)) - 1)].astype(np.uint16)
