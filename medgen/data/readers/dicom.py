"""DICOM to frames: pictures and segmentations, whose they are, and their spacing, through pydicom.

`_dicom_pixels` decodes, `_dicom_grey` says what grey values mean and how they are shown, `_dicom_segments` reads marks. Enhanced
multi-frame files may carry rescale, window and spacing for each frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BufferedReader
from typing import TYPE_CHECKING, Literal

import numpy as np

from medgen.data.pixel_format import MAX_VOLUME, FileFrames, Raw, Spacing, StoredFrame, check_size, stored
from medgen.data.readers._dicom_deflate import inflates_beyond
from medgen.data.readers._dicom_grey import grey, look_up
from medgen.data.readers._dicom_pixels import KEYWORDS, check_coding, decoded, is_lossy, is_video, stored_range
from medgen.data.readers._dicom_segments import is_segmentation, marks, reference
from medgen.data.readers._dicom_video import encapsulated_video
from medgen.errors import ImageError

if TYPE_CHECKING:  # pydicom takes a while to import, and few need it
    from pydicom import Dataset

NAMED = (".dcm", ".dicom", ".ima")
SUFFIXES = frozenset({*NAMED, ""})  # files from archives and discs often have none
WITHOUT_PREAMBLE = (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # how older files begin: with group 2 or 8
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # all of them become RGB
PALETTE = "PALETTE COLOR"
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
OF_A_FRAME = (0x0018, 0x0028, 0x2050)  # groups of attributes that say how pixels are meant
NO_PICTURES = {"RTDOSE": "a radiotherapy dose"}  # modalities whose pixel data show nobody; others without a picture have none
DEFERRED = 2**16  # bytes; larger values, the pixels above all, stay in the file until they are asked for
NOBODY = re.compile(  # what programs that take the name away leave in its place; a number may be a pseudonym
    r"anon(ym(i[sz]ed?|ous|at)?)?|de-?identified|pseudonym(i[sz]ed)?|unknown|none|null|n/?a|nil|no ?(id|name)|not ?available|"
    r"removed|redacted|confidential|hidden|private|patient|patient ?id|id|test|x+|\W*",
    re.IGNORECASE,
)


def recognises(head: bytes, suffix: str) -> bool:
    """Tell DICOM by its preamble, or, in a file from before that was required, by the first of its elements.

    Where the suffix does not say DICOM, two elements of the group with which such files begin must follow each other.
    """
    if head[128:132] == b"DICM":
        return True
    return head[:2] in WITHOUT_PREAMBLE and (suffix in NAMED or _second_group(head) == head[:2])


def _second_group(head: bytes) -> bytes:
    """Return the two bytes of the group of the second element, or b"" where there is none within the head."""
    order: Literal["little", "big"] = "little" if head[0] else "big"
    explicit = (
        head[4:6].isalpha() and head[4:6].isupper()
    )  # then two letters say of which type the value is, and two bytes how long
    start = 8 + int.from_bytes(head[6:8] if explicit else head[4:8], order)
    return head[start : start + 2]


def open_frames(file: BufferedReader) -> FileFrames:
    """Read a DICOM file.

    Returns
    -------
    Each frame with its spacing in mm (PixelSpacing, else ImagerPixelSpacing). Colour and grey of 8 bits without a window or table
    are rendered as uint8, and so are palettes; grey by its window or table as float32 in [0, 1]. All else ranges over what the
    bits stored can hold, after rescale. The patient is identified by PatientID, the next best are the study and the series. A
    segmentation has one frame for each frame and segment that it marks.

    Raises
    ------
    ImageError : if there are no pixel data, it is no picture (a dose, a report), the frame is too large, or the
        compression or colour space is not supported.
    """
    ds = _open(file)
    _check_kind(ds)
    if is_video(ds.file_meta.TransferSyntaxUID):
        return encapsulated_video(ds)._replace(identity=_identity(ds), instance=str(ds.get("SOPInstanceUID", "")))
    check_size(int(ds.get("Rows") or 0), int(ds.get("Columns") or 0))
    check_coding(ds)
    space = str(ds.get("PhotometricInterpretation", ""))
    if space not in (*GREY, *COLOUR, PALETTE):
        raise ImageError(f"DICOM colour space '{space}' is not supported")
    samples = int(ds.get("SamplesPerPixel") or 1)
    if samples != (3 if space in COLOUR else 1):
        raise ImageError(f"the colour space '{space}' does not go with {samples} samples per pixel")
    total = max(1, int(ds.get("NumberOfFrames") or 1))
    refers_to = [reference(ds, frame_header(ds, k)) for k in range(total)] if is_segmentation(ds) else None
    return FileFrames(total, _frames(ds, space, total), _identity(ds), str(ds.get("SOPInstanceUID", "")), refers_to)


def _open(file: BufferedReader) -> Dataset:
    """Read the data set; files from before the preamble was required are read too."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if inflates_beyond(file, MAX_VOLUME):
        raise ImageError(f"inflates to more than {MAX_VOLUME / 1e9:g} GB, the most that is read of a deflated DICOM file")
    try:
        ds = dcmread(file, defer_size=DEFERRED)
    except InvalidDicomError:
        file.seek(0)
        ds = dcmread(file, defer_size=DEFERRED, force=True)
        if "Rows" not in ds and "SOPClassUID" not in ds:
            raise ImageError("is not DICOM inside") from None
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit, little = ds.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return ds


def _check_kind(ds: Dataset) -> None:
    """Refuse by its name what is no picture."""
    modality = str(ds.get("Modality", ""))
    if modality in NO_PICTURES:
        raise ImageError(f"is {NO_PICTURES[modality]} ({modality}) and no picture")
    if not any(keyword in ds for keyword in KEYWORDS):
        name = getattr(ds.get("SOPClassUID") or ds.file_meta.get("MediaStorageSOPClassUID", ""), "name", "")
        kind = name.removesuffix(" Storage") or modality
        if kind and "Image" not in kind:
            raise ImageError(f"is DICOM of the kind '{kind}' and no picture: it holds no pixel data")
        raise ImageError("is DICOM, but holds no pixel data")


def _identity(ds: Dataset) -> tuple[str, str]:
    """Return the kind and the value of who or what is shown."""
    for kind, keyword in (("patient", "PatientID"), ("study", "StudyInstanceUID"), ("series", "SeriesInstanceUID")):
        value = " ".join(str(ds.get(keyword) or "").split())
        if not NOBODY.fullmatch(value):
            return kind, value
    return "", ""


def _frames(ds: Dataset, space: str, total: int) -> Iterator[StoredFrame]:
    lossy = is_lossy(ds)
    for k, raw in enumerate(decoded(ds, total)):  # raw (H, W) or (H, W, 3)
        header = frame_header(ds, k)
        if is_segmentation(ds):
            frame = marks(raw, ds, header)
        elif space in GREY:
            frame = grey(raw, header)
        elif space == PALETTE:
            frame = _palette(raw, header)
        else:
            frame = _colour(raw, header)
        yield frame._replace(lossy=lossy, spacing=_spacing(header))


def frame_header(ds: Dataset, k: int) -> Dataset:
    """Return the attributes that hold for frame `k`: the file's, then the shared, then the frame's own, the later winning."""
    from pydicom import Dataset

    header = Dataset()
    header.file_meta = ds.file_meta
    header.update({tag: ds[tag] for tag in list(ds.keys()) if tag.group in OF_A_FRAME})
    for keyword, item in zip(GROUPS, (0, k), strict=True):
        groups = ds.get(keyword) or []
        for macro in groups[item] if item < len(groups) else ():
            if macro.VR == "SQ" and macro.value:
                header.update({element.tag: element for element in macro.value[0]})
    return header


def _colour(raw: Raw, header: Dataset) -> StoredFrame:
    """RGB (H, W, 3), over the range of its bits."""
    low, high = stored_range(header)
    pixels = np.clip(raw, 0, 255).astype(np.uint8) if (low, high) == (0, 255) else raw
    return stored(pixels, high)._replace(black=low, white=high, conventional=False)


def _palette(raw: Raw, header: Dataset) -> StoredFrame:
    """Indices (H, W) -> (H, W, 3) of 8 bits: what they show is stated, whatever else the data set holds."""
    count, first, _ = (int(number) for number in header.RedPaletteColorLookupTableDescriptor)
    every = np.arange(first, first + (count or 2**16))[None]
    table = _colours(every.astype(raw.dtype), header)[0]  # (N, 3), of 8 or 16 bits, though some writers fill eight of these
    wide = table.max() > 255
    colours = _colours(raw, header)
    return stored((colours >> 8 if wide else colours).astype(np.uint8))._replace(labels=raw)


def _colours(indices: Raw, header: Dataset) -> Raw:
    """Return the entries of the palette for indices, (H, W, 3)."""
    if "RedPaletteColorLookupTableData" in header:
        names = [f"{name}PaletteColorLookupTable" for name in ("Red", "Green", "Blue")]
        tables = [look_up(indices, header[f"{name}Descriptor"].value, header[f"{name}Data"], header) for name in names]
        return np.stack(tables, axis=-1)
    from pydicom.pixels.processing import apply_color_lut  # of segmented tables

    return apply_color_lut(indices, header)


def _spacing(header: Dataset) -> Spacing:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        value = header.get(keyword)
        if value and len(value) == 2 and all(0 < float(side) < float("inf") for side in value):
            return float(value[0]), float(value[1])
    return None
