"""Copies of DICOM files that name nobody: the Basic Application Level Confidentiality Profile (DICOM PS3.15 Annex E).

dicom-anonymizer knows what the profile does to each attribute of a data set. It leaves nested data sets alone unless the sequence
itself is listed, so each of them is handed to it here, the innermost first. Beyond the profile, an attribute that no dictionary
knows is removed, and so is a text that repeats the name or the number of the patient, or a UID. Every UID gets its new one before
the library meets it, which would replace some twice and empty others. Pixels are written anew and uncompressed, since comments of
a compressed stream may say anything.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from medgen.data.field.contour import find_field
from medgen.data.field.overlay import channel_levels, find_overlay
from medgen.data.readers._dicom_pixels import decoded, is_lossy
from medgen.data.tree.walk import walk
from medgen.data.writers.export import format_of
from medgen.errors import ConfigError, DataError
from medgen.files import write_bytes
from medgen.outputs.own_files import remove_earlier

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

Rule = Callable[[Any, tuple[int, int]], None]  # the data set, and the attribute in it that it is done to
COPIES, UNFINISHED = "deidentified", "deidentified.new"  # folders
TEXT_MODALITIES = ("US", "ES")  # whose pictures carry text as a rule: ultrasound, endoscopy
NAMED_BY = ("PatientID", "AccessionNumber", "OtherPatientIDs")
TEXTS = ("LO", "LT", "SH", "ST", "UC", "UT", "PN")
SHORTEST = 4  # letters of a name that is looked for in other texts; shorter ones are found in any
OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")  # of compressed frames
UID_IN_TEXT = re.compile(r"[0-9]+(?:\.[0-9]+){3,}")
REGION = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
METHOD = "medgen: Basic Profile of PS3.15 by dicom-anonymizer"
BLANKED = "text found by a program blanked, not seen by a person"


def deidentified(source: Path, out: Path, blank_text: bool | None, earlier: Sequence[str]) -> Path:
    """Write copies that name nobody into ``deidentified/`` of a folder of maps; return where they are.

    Then nothing of a call before stays in the folder, as it may name somebody. Where this fails, all of it does.

    Parameters
    ----------
    earlier : names of what a call before may have left beside its copies, in the order in which it goes

    Raises
    ------
    ConfigError, DataError : as `deidentify`.
    """
    remove_earlier(out, UNFINISHED)
    try:
        deidentify(source, out / UNFINISHED, blank_text)
    except BaseException:
        remove_earlier(out, UNFINISHED)
        raise
    remove_earlier(out, *earlier, COPIES)
    return (out / UNFINISHED).rename(out / COPIES)


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
    files = [path for path in walk(source) if path.is_file()] if source.is_dir() else [source]
    for path in files:
        if format_of(path) != "dicom":
            raise DataError(f"'{path}' is no DICOM file; --deidentify takes DICOM files alone")
    profile.dictionary.clear()  # old UID -> new UID, of this call alone
    profile.dictionary.update({"": "", None: None})  # the library would invent one for all that are empty
    written = sum(_copy(path, out, blank_text) for path in files)
    if not written:
        raise DataError(f"'{source}' has no DICOM file with pixels; --deidentify takes DICOM files alone")
    return written


def _copy(path: Path, out: Path, blank_text: bool | None) -> bool:
    """Write the copy of one file; return whether it has pixels."""
    from pydicom import dcmread
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values of the source; what they say goes
        try:
            dataset = dcmread(path, force=True)
            if "PixelData" not in dataset:
                return False
            pixels, lossy = _pixels(dataset), is_lossy(dataset)
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
            if lossy:
                dataset.LossyImageCompression = "01"  # for good (PS3.3, C.7.6.1.1.5)
            for name in OFFSETS:
                dataset.pop(name, None)
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=True, implicit_vr=False, little_endian=True)
        except Exception as error:  # pydicom and its decoders raise anything
            raise DataError(f"'{path}' cannot be de-identified: {error}") from None
    write_bytes(out / f"{dataset.SOPInstanceUID}.dcm", buffer.getvalue())
    return True


def _pixels(dataset: Dataset) -> NDArray:
    """Decode all frames as the reader of DICOM does: (H, W) or (H, W, 3) RGB, with the frames before where they are counted."""
    frames = list(decoded(dataset, int(dataset.get("NumberOfFrames") or 1)))
    return np.stack(frames) if "NumberOfFrames" in dataset else np.array(frames[0])


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
    _number(dataset)
    _by_profile(dataset, names)
    if burned_in is not None and blanked and burned_in != "NO":
        del dataset.BurnedInAnnotation
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethodCodeSequence = "YES", [code]
    dataset.DeidentificationMethod = [METHOD, BLANKED] if blanked else METHOD


def _number(dataset: Dataset) -> None:
    """Give the library a new UID for each that a data set or one nested in it has; it then takes these whenever it replaces any.

    A new UID stands for itself, so that one which is met again stays; and so do those that the standard gives to kinds of things.
    """
    from dicomanonymizer import simpledicomanonymizer as profile
    from pydicom.uid import UID, generate_uid

    for element in dataset.iterall():
        values = element.value if element.VM > 1 else [element.value]
        for old in values if element.VR == "UI" else ():
            if old not in profile.dictionary:
                of_a_kind = UID(old).name != old or "SOPClassUID" in element.keyword
                new = profile.dictionary[old] = old if of_a_kind else generate_uid(None)
                profile.dictionary[new] = new


def _by_profile(dataset: Dataset, names: set[str]) -> None:
    """Do what the profile says to each attribute, in nested data sets first."""
    from dicomanonymizer import simpledicomanonymizer as profile

    rules = _rules()
    here: dict[tuple[int, ...], Rule] = {}
    for element in list(dataset):
        if element.VR == "SQ" and not element.tag.is_private:
            for item in element.value:
                _by_profile(item, names)
        if rule := rules.get(tag := (element.tag.group, element.tag.element)):
            here[tag] = _of_sequences(rule) if element.VR == "SQ" else rule
    here |= {tag: rule for tag, rule in rules.items() if len(tag) > 2}  # of groups that repeat
    profile.anonymize_dataset(dataset, base_rules_gen=lambda: here)
    for element in list(dataset):
        if _goes(element, names):
            del dataset[element.tag]
        elif element.VR == "UI":
            profile.replace_element_UID(element)


@cache
def _rules() -> dict[tuple[int, ...], Rule]:
    from dicomanonymizer import simpledicomanonymizer as profile

    return profile.initialize_actions_2024b()


def _of_sequences(rule: Rule) -> Rule:
    """Return what is done to a sequence, whose items were cleaned: references stay, and what is to be empty has no items.

    The library would empty UIDs in both, those of classes too.
    """
    from dicomanonymizer import simpledicomanonymizer as profile

    if rule is profile.delete_or_empty_or_replace_UID:
        return profile.keep
    return _without_items if rule in (profile.empty, profile.delete_or_empty) else rule


def _without_items(dataset: Dataset, tag: tuple[int, int]) -> None:
    dataset[tag].value = []


def _goes(element: DataElement, names: set[str]) -> bool:
    """Tell whether an attribute goes that the profile leaves: one that no dictionary knows, or that repeats what went."""
    from dicomanonymizer import simpledicomanonymizer as profile
    from pydicom.datadict import dictionary_has_tag

    if element.keyword in ("IconImageSequence", "DataSetTrailingPadding"):
        return True
    if not dictionary_has_tag(element.tag) and element.tag.group & 0xFF00 != 0x6000:
        return True
    if element.VR not in TEXTS:
        return False
    text = str(element.value).casefold()
    uids = (profile.dictionary.get(uid, uid) != uid for uid in UID_IN_TEXT.findall(text))
    return any(name in text for name in names) or any(uids)


def _blank(dataset: Dataset, pixels: NDArray) -> None:
    """Blank what is burned in, in place; pixels are (H, W), (H, W, 3), or either with the frames before."""
    frames = pixels.reshape(-1, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)  # a view
    stated = dataset.get("SequenceOfUltrasoundRegions") or []
    regions = [tuple(int(item[name].value) for name in REGION) for item in stated]
    levels, black = _levels(dataset, pixels)
    for frame in frames:
        frame[burned_in(levels(frame), regions)] = black


def _levels(dataset: Dataset, pixels: NDArray) -> tuple[Callable[[NDArray], NDArray[np.uint8]], int]:
    """Return what makes a frame (H, W, C) of stored values the 8-bit picture that is seen, and the stored value of black."""
    space = dataset.PhotometricInterpretation
    if space == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        count, first, _ = (int(value) for value in dataset.RedPaletteColorLookupTableDescriptor)
        indices = np.arange(first, first + (count or 65536)).astype(pixels.dtype)
        colours = apply_color_lut(indices[np.newaxis], dataset)[0]
        top, black = float(colours.max()) or 1.0, int(indices[colours.sum(axis=1).argmin()])
        return lambda frame: np.rint(apply_color_lut(frame[..., 0], dataset) * (255 / top)).astype(np.uint8), black
    low, high = float(pixels.min()), float(pixels.max())
    scale = 255 / ((high - low) or 1)
    if space == "MONOCHROME1":
        return lambda frame: np.rint((high - frame.astype(np.float64)) * scale).astype(np.uint8), int(high)
    return lambda frame: np.rint((frame.astype(np.float64) - low) * scale).astype(np.uint8), int(low)


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
