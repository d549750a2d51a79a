"""DICOM segmentations: marks in other files, and which frame of which file each of their frames marks (DICOM PS3.3, A.51)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medgen.data.pixel_format import Raw, StoredFrame

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"  # SOP Class UIDs


def is_segmentation(ds: Dataset) -> bool:
    """Tell whether a file holds marks and no picture."""
    return str(ds.get("SOPClassUID", "")) in (SEGMENTATION, LABEL_MAP)


def reference(ds: Dataset, header: Dataset) -> tuple[str, int | None]:
    """Return the SOP Instance UID of the file that a frame marks, and the number of the frame in it, from 0.

    Parameters
    ----------
    ds : the segmentation
    header : the attributes that hold for the frame

    Returns
    -------
    The frame's own source image; without one, if there is one frame for each segment, the only file that the segmentation refers
    to; ("", None) where it does not say. The number is None where the whole file is meant.
    """
    if sources := header.get("SourceImageSequence"):
        number = sources[0].get("ReferencedFrameNumber")
        return str(sources[0].ReferencedSOPInstanceUID), None if number is None else int(np.atleast_1d(number)[0]) - 1
    if int(ds.get("NumberOfFrames") or 1) > len(ds.get("SegmentSequence") or ()):
        return "", None
    series = ds.get("ReferencedSeriesSequence") or ()
    files = {str(item.ReferencedSOPInstanceUID) for part in series for item in part.get("ReferencedInstanceSequence") or ()}
    return (files.pop(), None) if len(files) == 1 else ("", None)


def marks(raw: Raw, ds: Dataset, header: Dataset) -> StoredFrame:
    """Return a frame whose values are the numbers of the segments that are marked, 0 where none is.

    A fraction or probability marks from one half upwards; of a map of labels the padding value marks nothing.

    Parameters
    ----------
    raw : (H, W) as stored
    ds : the segmentation
    header : the attributes that hold for the frame
    """
    kind = ds.get("SegmentationType")
    if ds.SOPClassUID == LABEL_MAP or kind == "LABELMAP":
        labels = np.where(raw == header.get("PixelPaddingValue", 0), 0, raw).astype(np.int64)
    else:
        whole = int(ds.get("MaximumFractionalValue") or 255) if kind == "FRACTIONAL" else 1
        labels = np.where(2 * raw.astype(np.int64) >= whole, int(header.get("ReferencedSegmentNumber") or 1), 0)
    return StoredFrame(labels[..., None], 0.0, float(max(labels.max(), 1)))
