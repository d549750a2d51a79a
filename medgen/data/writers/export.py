"""Write score maps as files that other programs read: 16-bit PNG, DICOM secondary capture, NIfTI.

A map of the size of the original frame comes in, as `map_to_original` makes it, and a file goes out.

PNG and DICOM hold 16-bit levels: level 0 says that there is no score, the others are scores at equal steps (`Scale`). NIfTI holds
the scores themselves, NaN where there is none. pydicom and nibabel are slow to import and wait until they are needed.
"""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo

from medgen import __version__
from medgen.data.images import HEAD, suffix_of
from medgen.data.readers import dicom, nifti
from medgen.errors import ImageError
from medgen.files import write_bytes, write_json

if TYPE_CHECKING:
    from pydicom import Dataset

MapFormat = Literal["png", "dicom", "nifti"]
MAX_LEVEL = 65535
RESEARCH = "for research use only, never for diagnosis"
DESCRIPTION = f"anomaly map of medgen, {RESEARCH}: raw score = offset + slope * level; level 0: no score"
COPIED_TAGS = (  # from the source: patient, study, frame of reference (DICOM PS3.3 C.7.1, C.7.2, C.7.4.1, C.7.6.2)
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence", "BurnedInAnnotation",
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID", "PositionReferenceIndicator",
    "PatientOrientation", "LossyImageCompression", "BodyPartExamined", "Laterality", "ImageLaterality",
)  # fmt: skip
PLANE_TAGS = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing", "SliceThickness")
REQUIRED_TAGS = (  # present in every secondary capture, if without a value
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "SeriesNumber", "InstanceNumber", "PatientOrientation", "Laterality",
)  # fmt: skip


class Scale(NamedTuple):
    """How levels become scores: offset + slope * level for levels from 1 to `MAX_LEVEL`; level 0 means no score."""

    slope: float
    offset: float


def scale_between(low: float, high: float) -> Scale:
    """Return the scale whose levels run from score `low` to `high`; both numbers fit the 16 characters of a DICOM decimal."""
    slope = float(_decimal((high - low) / (MAX_LEVEL - 1) if high > low else 1.0))
    return Scale(slope, float(_decimal(low - slope)))


def to_levels(scores: NDArray[np.float32], scale: Scale) -> NDArray[np.uint16]:
    """Return the nearest level of each score, at most half a slope away; scores beyond the scale take its ends, NaN becomes 0."""
    unrounded = (scores.astype(np.float64) - scale.offset) / scale.slope
    return np.where(np.isnan(scores), 0, np.rint(np.clip(np.nan_to_num(unrounded, nan=1), 1, MAX_LEVEL))).astype(np.uint16)


def to_scores(levels: NDArray[np.uint16], scale: Scale) -> NDArray[np.float64]:
    """Return the scores that levels stand for, NaN for level 0."""
    return np.where(levels == 0, np.nan, scale.offset + scale.slope * levels.astype(np.float64))


def format_of(path: Path) -> MapFormat:
    """Return the format in which to save the map of a frame of this file: DICOM or NIfTI as the file itself, else PNG."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if dicom.recognises(head, suffix_of(path)):
        return "dicom"
    return "nifti" if suffix_of(path) in nifti.SUFFIXES else "png"


def save_png(path: Path, scores: NDArray[np.float32], scale: Scale) -> None:
    """Write a map (H, W) as 16-bit grey PNG, its scale in tEXt chunks and in a JSON file of the same name beside it."""
    write_bytes(path, png_of(scores, scale))
    write_json(path.with_suffix(".json"), {**scale._asdict(), "no_score": 0, "meaning": DESCRIPTION})


def png_of(scores: NDArray[np.float32], scale: Scale) -> bytes:
    """Return a map (H, W) as 16-bit grey PNG, its scale in tEXt chunks."""
    chunks = {"slope": repr(scale.slope), "offset": repr(scale.offset), "Description": DESCRIPTION}
    info, buffer = PngInfo(), io.BytesIO()
    for name, text in chunks.items():
        info.add_text(name, text)
    Picture.fromarray(to_levels(scores, scale)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def read_png(path: Path) -> NDArray[np.float64]:
    """Return the scores of a map that `save_png` wrote, (H, W), NaN where there is none.

    Raises
    ------
    ImageError : if the file states no scale.
    """
    with Picture.open(path) as picture:
        chunks = picture.info
        if not {"slope", "offset"} <= chunks.keys():
            raise ImageError(f"'{path}' states no slope and offset; expected a map written by `medgen maps`")
        return to_scores(np.asarray(picture).astype(np.uint16), Scale(float(chunks["slope"]), float(chunks["offset"])))


def read_header(path: Path | BinaryIO) -> Dataset:
    """Return a DICOM file, on a disk or opened, without its pixels; older files without the preamble are read too."""
    from pydicom import dcmread

    with _without_warnings():
        return dcmread(path, stop_before_pixels=True, force=True)


def save_dicom(
    path: Path, scores: NDArray[np.float32], scale: Scale, source: Dataset, frame: int, made_by: str, high: float
) -> None:
    """Write a map (H, W) as a DICOM file; `dicom_of` says what it holds."""
    buffer = io.BytesIO()
    dataset = dicom_of(scores, scale, source, frame, made_by, high)
    with _without_warnings():
        dataset.save_as(buffer, enforce_file_format=True)
    write_bytes(path, buffer.getvalue())


def dicom_of(
    scores: NDArray[np.float32], scale: Scale, source: Dataset, frame: int, made_by: str, high: float, comment: str = ""
) -> Dataset:
    """Return a map (H, W) as DICOM secondary capture: 16-bit grey, whose rescaled values are raw scores.

    Patient, study, frame of reference and plane are those of the source. Series and instance have new identifiers, computed from
    what is shown and said, so that the same map gets the same ones again, and an archive, which keeps the first instance of an
    identifier, never keeps a decision at a threshold that was moved since. Padding value 0 marks pixels without a score (DICOM
    PS3.3 A.8.1, C.7.5.1, C.11.1).

    Parameters
    ----------
    scores : (H, W) float32, NaN where there is no score
    scale : how scores become levels
    source : the header of the original file, from `read_header`
    frame : which frame of the original file, from 0
    made_by : identifies the model: all its maps of one source series make one series
    high : the score that viewers show white
    comment : said beside the map, of score and decision, say
    """
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    levels = to_levels(scores, scale)
    with _without_warnings():
        dataset = _new_dataset(source, frame)
    series = [made_by, str(dataset.StudyInstanceUID), str(source.get("SeriesInstanceUID", ""))]
    dataset.SeriesInstanceUID = _uid(*series)
    said = (*map(_decimal, (*scale, high)), comment)
    dataset.SOPInstanceUID = _uid(
        *series, str(source.get("SOPInstanceUID", "")), str(frame), sha256(levels.tobytes()).hexdigest(), *said
    )
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.Rows, dataset.Columns = levels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelPaddingValue = 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = _decimal(scale.slope), _decimal(scale.offset), "US"
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = _decimal(high / 2), _decimal(high), "LINEAR_EXACT"
    dataset.PixelData = levels.astype("<u2").tobytes()
    if comment:
        dataset.ImageComments = comment
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _new_dataset(source: Dataset, frame: int) -> Dataset:
    """Return a DICOM data set without pixels: patient, study and plane of the source, and what the map was derived from."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset

    dataset, plane = Dataset(), dicom.frame_header(source, frame)
    dataset.file_meta = FileMetaDataset()
    dataset.update({source[name].tag: source[name] for name in COPIED_TAGS if name in source})
    for header in (source, plane):  # of one frame of an enhanced file
        dataset.update({header[name].tag: header[name] for name in PLANE_TAGS if header.get(name)})  # which are not to be empty
    number = source.get("InstanceNumber")
    dataset.InstanceNumber = (int(number) if number else 1) + frame
    for name in REQUIRED_TAGS:
        if name not in dataset and not (name == "Laterality" and dataset.get("ImageLaterality")):  # one of them alone
            setattr(dataset, name, None)
    if not dataset.get("StudyInstanceUID"):
        dataset.StudyInstanceUID = _uid("study", str(source.get("SOPInstanceUID", "")), str(source.get("PatientID", "")))
    dataset.Modality, dataset.ConversionType, dataset.ImageType = "OT", "WSD", ["DERIVED", "SECONDARY"]
    dataset.Manufacturer = dataset.ManufacturerModelName = "medgen"
    dataset.SoftwareVersions = __version__
    dataset.SeriesDescription = "Anomaly map, research use only"
    dataset.DerivationDescription = (
        f"Anomaly map by medgen {__version__}, {RESEARCH}. Rescaled values are raw scores; 0: no score."
    )
    if "SOPInstanceUID" in source and "SOPClassUID" in source:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
        if int(source.get("NumberOfFrames") or 1) > 1:  # of a file of one frame, the whole is meant
            item.ReferencedFrameNumber = frame + 1
        dataset.SourceImageSequence = [item]
    return dataset


def save_nifti(path: Path, planes: Mapping[int, NDArray[np.float32]], source: Path) -> None:
    """Write the maps of a volume's slices as float32 NIfTI with the shape, affine and units of the source.

    Where one of several volumes was read, along a fourth axis, there is no such axis.

    Parameters
    ----------
    path : ends in .nii or .nii.gz
    planes : slice number k -> (rows, columns) float32, turned as the NIfTI reader turns slices; slices without a map are NaN
    source : the original NIfTI file
    """
    content = source.read_bytes()
    content = gzip.decompress(content) if content.startswith(nifti.GZIP) else content
    kind = nifti.image_class(content[:8])
    volume = kind.from_bytes(content)
    shape = (*volume.shape, 1, 1)[:3]  # (X, Y, Z)
    turn, _ = nifti.upright(volume)
    voxel_index = turn(np.arange(shape[0] * shape[1]).reshape(shape[:2]))  # (rows, columns): voxel of each pixel
    values = np.full((shape[2], shape[0] * shape[1]), np.nan, dtype=np.float32)
    for k, plane in planes.items():
        values[k, voxel_index] = plane
    own = volume.shape if values.size == prod(volume.shape) else shape
    voxels = values.reshape(shape[2], shape[0], shape[1]).transpose(1, 2, 0).reshape(own)  # (Z, X * Y) -> (X, Y, Z)
    header = volume.header.copy()
    header.set_data_dtype(np.float32)
    header["cal_min"] = header["cal_max"] = 0  # the display range of the source
    header["descrip"] = b"anomaly map of medgen, for research use only"
    encoded = kind(voxels, volume.affine, header).to_bytes()
    write_bytes(path, gzip.compress(encoded, 6, mtime=0) if path.suffix == ".gz" else encoded)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence pydicom's warnings of odd but readable values: they are the source's own and are copied unchanged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _uid(*parts: str) -> str:
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=list(parts))


def _decimal(value: float) -> str:
    """Return a number in at most 16 characters, the limit of a DICOM decimal string."""
    return f"{value:.9e}"
