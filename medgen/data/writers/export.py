"""Maps on original frames to files that others read: 16-bit PNG, DICOM secondary capture, NIfTI.

PNG and DICOM hold 16-bit levels: level 0 says that there is no score, the others are scores at equal steps (`Scale`). NIfTI holds
the scores themselves, NaN where there is none. pydicom and nibabel are imported when they are needed.
"""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

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

Kind = Literal["png", "dicom", "nifti"]
TOP = 65535
RESEARCH = "for research use only, never for diagnosis"
MEANING = f"anomaly map of medgen, {RESEARCH}: raw score = offset + slope * level; level 0: no score"
COPIED = (  # of the source: who, which study, where in space (DICOM PS3.3 C.7.1, C.7.2, C.7.4.1, C.7.6.2)
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientIdentityRemoved", "DeidentificationMethod", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID", "PositionReferenceIndicator",
    "PatientOrientation", "LossyImageCompression",
)  # fmt: skip
PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing", "SliceThickness")
NEEDED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
          "ReferringPhysicianName", "SeriesNumber", "InstanceNumber", "PatientOrientation")  # fmt: skip


class Scale(NamedTuple):
    """What a level means: the score offset + slope * level, for levels from 1 to `TOP`; level 0 is no score."""

    slope: float
    offset: float


def scale_between(low: float, high: float) -> Scale:
    """Return the scale whose levels run from score `low` to `high`; both numbers fit the 16 characters of a DICOM decimal."""
    slope = float(_decimal((high - low) / (TOP - 1) if high > low else 1.0))
    return Scale(slope, float(_decimal(low - slope)))


def to_levels(scores: NDArray[np.float32], scale: Scale) -> NDArray[np.uint16]:
    """Return the nearest level of each score, at most half a slope away; scores beyond the scale take its ends, NaN becomes 0."""
    exact = (scores.astype(np.float64) - scale.offset) / scale.slope
    return np.where(np.isnan(scores), 0, np.rint(np.clip(np.nan_to_num(exact, nan=1), 1, TOP))).astype(np.uint16)


def to_scores(levels: NDArray[np.uint16], scale: Scale) -> NDArray[np.float64]:
    """Return the scores that levels stand for, NaN for level 0."""
    return np.where(levels == 0, np.nan, scale.offset + scale.slope * levels.astype(np.float64))


def kind_of(path: Path) -> Kind:
    """Return the format in which the map of a file's frame is to be saved: that of the file, PNG for all pictures."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if dicom.recognises(head, suffix_of(path)):
        return "dicom"
    return "nifti" if suffix_of(path) in nifti.SUFFIXES else "png"


def save_png(path: Path, scores: NDArray[np.float32], scale: Scale) -> None:
    """Write a map (H, W) as 16-bit grey PNG, its scale in tEXt chunks and in a JSON file of the same name beside it."""
    about = {"slope": repr(scale.slope), "offset": repr(scale.offset), "Description": MEANING}
    info, buffer = PngInfo(), io.BytesIO()
    for name, text in about.items():
        info.add_text(name, text)
    Picture.fromarray(to_levels(scores, scale)).save(buffer, "PNG", pnginfo=info)
    write_bytes(path, buffer.getvalue())
    write_json(path.with_suffix(".json"), {**scale._asdict(), "no_score": 0, "meaning": MEANING})


def read_png(path: Path) -> NDArray[np.float64]:
    """Return the scores of a map that `save_png` wrote, (H, W), NaN where there is none.

    Raises
    ------
    ImageError : if the file states no scale.
    """
    with Picture.open(path) as picture:
        stated = picture.info
        if not {"slope", "offset"} <= stated.keys():
            raise ImageError(f"'{path}' states no slope and offset; expected a map written by `medgen maps`")
        return to_scores(np.asarray(picture).astype(np.uint16), Scale(float(stated["slope"]), float(stated["offset"])))


def read_header(path: Path) -> Dataset:
    """Return a DICOM file without its pixels; one from before the preamble was required is read too."""
    from pydicom import dcmread

    with _quiet():
        return dcmread(path, stop_before_pixels=True, force=True)


def save_dicom(
    path: Path, scores: NDArray[np.float32], scale: Scale, source: Dataset, frame: int, made_by: str, high: float
) -> None:
    """Write a map (H, W) as DICOM secondary capture: 16-bit grey, whose rescaled values are raw scores.

    Patient, study, frame of reference and plane are those of the source; series and instance are new, and the same again for
    the same map. Padding value 0 marks pixels without a score (DICOM PS3.3 A.8.1, C.7.5.1, C.11.1).

    Parameters
    ----------
    source : as `read_header` returns it
    frame : which of its frames, from 0
    made_by : names the model; its maps of one series make one series
    high : score that is shown white
    """
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    levels = to_levels(scores, scale)
    with _quiet():
        made = _described(source, frame)
    series = [made_by, str(made.StudyInstanceUID), str(source.get("SeriesInstanceUID", ""))]
    made.SeriesInstanceUID = _uid(*series)
    made.SOPInstanceUID = _uid(*series, str(source.get("SOPInstanceUID", "")), str(frame), sha256(levels.tobytes()).hexdigest())
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.Rows, made.Columns = levels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelPaddingValue = 15, 0
    made.RescaleSlope, made.RescaleIntercept, made.RescaleType = _decimal(scale.slope), _decimal(scale.offset), "US"
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = _decimal(high / 2), _decimal(high), "LINEAR_EXACT"
    made.PixelData = levels.astype("<u2").tobytes()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    with _quiet():
        made.save_as(buffer, enforce_file_format=True)
    write_bytes(path, buffer.getvalue())


def _described(source: Dataset, frame: int) -> Dataset:
    """Return a data set that says whose image this is and what it was derived from."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset

    made, plane = Dataset(), dicom.frame_header(source, frame)
    made.file_meta = FileMetaDataset()
    made.update({source[name].tag: source[name] for name in (*COPIED, *PLANE) if name in source})
    made.update({plane[name].tag: plane[name] for name in PLANE if name in plane})  # of one frame of an enhanced file
    number = source.get("InstanceNumber")
    made.InstanceNumber = (int(number) if number else 1) + frame
    for name in NEEDED:
        if name not in made:
            setattr(made, name, None)
    if not made.get("StudyInstanceUID"):
        made.StudyInstanceUID = _uid("study", str(source.get("SOPInstanceUID", "")), str(source.get("PatientID", "")))
    made.Modality, made.ConversionType, made.ImageType = "OT", "WSD", ["DERIVED", "SECONDARY"]
    made.Manufacturer = made.ManufacturerModelName = "medgen"
    made.SoftwareVersions = __version__
    made.SeriesDescription = "Anomaly map, research use only"
    made.DerivationDescription = f"Anomaly map by medgen {__version__}, {RESEARCH}. Rescaled values are raw scores; 0: no score."
    if "SOPInstanceUID" in source and "SOPClassUID" in source:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
        if "NumberOfFrames" in source:
            item.ReferencedFrameNumber = frame + 1
        made.SourceImageSequence = [item]
    return made


def save_nifti(path: Path, planes: Mapping[int, NDArray[np.float32]], source: Path) -> None:
    """Write the maps of a volume's slices as float32 NIfTI with the shape, affine and units of the source.

    Parameters
    ----------
    path : ends in .nii or .nii.gz
    planes : (rows, columns) of slice k as the reader shows it; slices that are not there are NaN
    """
    content = source.read_bytes()
    content = gzip.decompress(content) if content.startswith(nifti.GZIP) else content
    kind = nifti.image_class(content[:8])
    volume = kind.from_bytes(content)
    shape = (*volume.shape, 1, 1)[:3]  # (X, Y, Z)
    turn, _ = nifti.upright(volume)
    voxel_index = turn(np.arange(shape[0] * shape[1]).reshape(shape[:2]))  # which voxel of a slice is shown where
    values = np.full((shape[2], shape[0] * shape[1]), np.nan, dtype=np.float32)
    for k, plane in planes.items():
        values[k, voxel_index] = plane
    voxels = values.reshape(shape[2], shape[0], shape[1]).transpose(1, 2, 0).reshape(volume.shape)  # (Z, X * Y) -> (X, Y, Z)
    header = volume.header.copy()
    header.set_data_dtype(np.float32)
    header["cal_min"] = header["cal_max"] = 0  # the display range of the source
    header["descrip"] = b"anomaly map of medgen, for research use only"
    made = kind(voxels, volume.affine, header).to_bytes()
    write_bytes(path, gzip.compress(made, 6, mtime=0) if path.suffix == ".gz" else made)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what pydicom says about odd but readable values from the user: they are copied as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _uid(*parts: str) -> str:
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=list(parts))


def _decimal(value: float) -> str:
    """Return a number in the 16 characters that a DICOM decimal may have."""
    return f"{value:.9e}"
