"""Copies of DICOM files that name nobody: the Basic Application Level Confidentiality Profile (DICOM PS3.15 Annex E).

dicom-anonymizer knows what the profile does to each attribute of a data set. It leaves nested data sets alone unless the sequence
itself is listed, so each of them is handed to it here, the innermost first. Beyond the profile, an attribute that no dictionary
knows is removed, and so is a text that repeats the name or the number of the patient. Pixels are written anew and uncompressed,
since comments of a compressed stream may say anything.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.contour import find_field
from medgen.data.field.overlay import channel_levels, find_overlay
from medgen.data.writers.export import format_of
from medgen.errors import ConfigError, DataError
from medgen.files import write_bytes

if TYPE_CHECKING:
    from pydicom import Dataset

TEXT_MODALITIES = ("US", "ES")  # whose pictures carry text as a rule: ultrasound, endoscopy
NAMED_BY = ("PatientID", "AccessionNumber", "OtherPatientIDs")
TEXTS = ("LO", "LT", "SH", "ST", "UC", "UT", "PN")
SHORTEST = 4  # letters of a name that is looked for in other texts; shorter ones are found in any
REGION = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
METHOD = "medgen: Basic Profile of PS3.15 by dicom-anonymizer"
BLANKED = "text found by a program blanked, not seen by a person"


def deidentify(source: Path, out: Path, blank_text: bool | None = None) -> int:
    """Write a copy that names nobody of each DICOM picture; return how many there are.

    Files are named by their new SOP Instance UIDs. New UIDs are random, and the same for the same old one within a call.

    Parameters
    ----------
    source : a DICOM file, or a folder of nothing else; hidden files and files without pixels are left out
    out : a new folder
    blank_text : blank what is burned in; None does so for ultrasound and endoscopy (`burned_in`)

    Raises
    ------
    ConfigError : if dicom-anonymizer is not installed.
    DataError : if a file is no DICOM file or its pixels cannot be read, or there is none.
    """
    try:
        from dicomanonymizer import simpledicomanonymizer as profile
    except ImportError:
        raise ConfigError("--deidentify needs dicom-anonymizer; install it by `pip install 'medgen[deidentify]'`") from None
    found = sorted(source.rglob("*")) if source.is_dir() else [source]
    files = [path for path in found if path.is_file() and not path.name.startswith(".")]
    for path in files:
        if format_of(path) != "dicom":
            raise DataError(f"'{path}' is no DICOM file; --deidentify takes DICOM files alone")
    profile.dictionary.clear()  # old UID -> new UID, of this call alone
    written = sum(_copy(path, out, blank_text) for path in files)
    if not written:
        raise DataError(f"'{source}' has no DICOM file with pixels; --deidentify takes DICOM files alone")
    return written


def _copy(path: Path, out: Path, blank_text: bool | None) -> bool:
    """Write the copy of one file; return whether it has pixels."""
    from pydicom import dcmread
    from pydicom.dataset import FileMetaDataset
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values of the source; what they say goes
        try:
            dataset = dcmread(path, force=True)
            if "PixelData" not in dataset:
                return False
            pixels = np.array(pixel_array(dataset))
            blank = dataset.get("Modality") in TEXT_MODALITIES if blank_text is None else blank_text
            if blank:
                _blank(dataset, pixels)
            space = "RGB" if dataset.SamplesPerPixel == 3 else str(dataset.PhotometricInterpretation)
            bits = int(dataset.BitsStored)
            anonymise(dataset, blank)
            if not dataset.get("SOPInstanceUID"):
                dataset.SOPInstanceUID = generate_uid(None)
            meta = FileMetaDataset()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
            dataset.file_meta, dataset.preamble = meta, bytes(128)
            dataset.set_pixel_data(pixels, space, bits, generate_instance_uid=False)
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=True, implicit_vr=False, little_endian=True)
        except Exception as error:  # pydicom and its decoders raise anything
            raise DataError(f"'{path}' cannot be de-identified: {error}") from None
    write_bytes(out / f"{dataset.SOPInstanceUID}.dcm", buffer.getvalue())
    return True


def anonymise(dataset: Dataset, blanked: bool) -> None:
    """Take from a data set, nested ones included, what names somebody, and say that it was taken.

    `BurnedInAnnotation` stays as it was where the pixels are as they were. Where text was blanked, a NO stays, and any other
    value goes: nobody has looked at what was missed.
    """
    from pydicom import Dataset

    named = {str(element.value) for element in dataset.iterall() if element.VR == "PN"}
    named |= {str(dataset.get(name, "")) for name in NAMED_BY}
    names = {part.casefold() for name in named for part in (name, *name.split("^")) if len(part) >= SHORTEST}
    burned_in = dataset.get("BurnedInAnnotation")
    _by_profile(dataset, names)
    if burned_in is not None and blanked and burned_in != "NO":
        del dataset.BurnedInAnnotation
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethodCodeSequence = "YES", [code]
    dataset.DeidentificationMethod = [METHOD, BLANKED] if blanked else METHOD


def _by_profile(dataset: Dataset, names: set[str]) -> None:
    from dicomanonymizer import simpledicomanonymizer as profile
    from pydicom.datadict import dictionary_has_tag
    from pydicom.uid import UID

    for element in list(dataset):
        if element.VR == "SQ" and not element.tag.is_private:
            for item in element.value:
                _by_profile(item, names)
    rules = profile.initialize_actions_2024b()
    references = profile.delete_or_empty_or_replace_UID  # sequences whose new UIDs the library would empty
    done = {tag: profile.keep for tag, rule in rules.items() if rule is references and dataset.get(tag[:2]) is not None}
    kept = {tag: rule for tag, rule in done.items() if dataset[tag].VR == "SQ"}
    profile.anonymize_dataset(dataset, kept, base_rules_gen=profile.initialize_actions_2024b)
    new = set(profile.dictionary.values())
    for element in list(dataset):
        known = dictionary_has_tag(element.tag) or element.tag.group & 0xFF00 == 0x6000
        repeats = element.VR in TEXTS and any(name in str(element.value).casefold() for name in names)
        if not known or repeats or element.keyword in ("IconImageSequence", "DataSetTrailingPadding"):
            del dataset[element.tag]
        elif element.VR == "UI" and element.value and not isinstance(element.value, list):
            old = str(element.value)
            if UID(old).name == old and old not in new and element.keyword != "SOPClassUID":
                element.value = profile.get_UID(old)


def _blank(dataset: Dataset, pixels: NDArray) -> None:
    """Blank what is burned in, in place; pixels are (H, W), (H, W, 3), or either with the frames before."""
    frames = pixels.reshape(-1, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)  # a view
    inverse = dataset.PhotometricInterpretation == "MONOCHROME1"
    stated = dataset.get("SequenceOfUltrasoundRegions") or []
    regions = [tuple(int(item[name].value) for name in REGION) for item in stated]
    low, high = float(pixels.min()), float(pixels.max())
    black = pixels.max() if inverse else pixels.min()
    for frame in frames:
        shown = np.rint((frame.astype(np.float64) - low) * (255 / ((high - low) or 1))).astype(np.uint8)
        frame[burned_in(255 - shown if inverse else shown, regions)] = black


def burned_in(pixels: NDArray[np.uint8], regions: list[tuple[int, ...]]) -> NDArray[np.bool_]:
    """Return what of a frame is to be blanked, (H, W) bool.

    That is what lies outside the regions, where an ultrasound device states some. Otherwise it is all outside the largest piece
    that is neither border nor box, and what is small, bright and colourless: letters, and highlights with them.

    Parameters
    ----------
    pixels : (H, W, C) uint8, C 1 or 3
    regions : left, top, right and bottom of each, in pixels, the last ones included
    """
    if regions:
        outside = np.ones(pixels.shape[:2], dtype=bool)
        for left, top, right, bottom in regions:
            outside[top : bottom + 1, left : right + 1] = False
        return outside
    overlay = find_overlay(channel_levels(pixels), max(find_field(pixels).threshold, 16), rules="endoscopy")
    tissue = ~(overlay.border | overlay.black_box | overlay.green_box)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(tissue.astype(np.uint8))
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else -1
    return (pieces != largest) | overlay.highlight
