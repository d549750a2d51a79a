#!/usr/bin/env bash
# The rescale of an enhanced multi-frame DICOM file: pydicom ignores it, SimpleITK takes that of the first frame for all.
#
# Libraries: pydicom 3.0.2, SimpleITK 2.5.7
# Expected:  stored values times slope plus intercept, as in a classic file. In an enhanced file (CT, MR, PET) both stand in the
#            functional groups: in the shared one, or in one of each frame.
# Instead:   pydicom's apply_modality_lut looks at the top level of the data set alone and hands back the stored values, without a
#            word. SimpleITK reads the groups, but where frames differ it applies the slope of the first to all of them.
# Seen:      one shared slope of 2 and intercept of -1024, stored 100 (right: -824, -824, -824)
#              pydicom   [100, 100, 100]
#              SimpleITK [-824, -824, -824]
#            slopes of 2, 4 and 0.5, frame by frame, stored 100 (right: 200, 400, 50)
#              pydicom   [100, 100, 100]
#              SimpleITK [200, 200, 200]
# Matters:   the same CT gives Hounsfield units as a classic series and stored values as an enhanced file, and in enhanced MR or
#            PET frames scaled one by one cannot be compared with each other. Neither library says that anything is missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import SimpleITK as sitk
from pydicom import Sequence, dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

warnings.simplefilter("error")  # a warning would be a word


def item(**values) -> Sequence:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


def rescale(slope: str, intercept: str) -> Sequence:
    return item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")


def write(name: str, shared: Sequence | None, frames: list[Sequence | None]) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality = "Phantom", "1", "CT"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
    ds.InstanceNumber, ds.NumberOfFrames, ds.Rows, ds.Columns = 1, len(frames), 4, 4
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    common = Dataset()
    common.PixelMeasuresSequence = item(PixelSpacing=[1, 1], SliceThickness=1)
    common.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    if shared:
        common.PixelValueTransformationSequence = shared
    ds.SharedFunctionalGroupsSequence = Sequence([common])
    groups = []
    for k, own in enumerate(frames):
        group = Dataset()
        group.FrameContentSequence = item(DimensionIndexValues=[1, k + 1], StackID="1", InStackPositionNumber=k + 1)
        group.PlanePositionSequence = item(ImagePositionPatient=[0, 0, k])
        if own:
            group.PixelValueTransformationSequence = own
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    ds.PixelData = np.full((len(frames), 4, 4), 100, "<u2").tobytes()
    ds.save_as(name, enforce_file_format=True)


def read(name: str) -> tuple[list[float], list[float]]:
    ds = dcmread(name)
    one = apply_modality_lut(ds.pixel_array, ds)[:, 0, 0].tolist()
    other = sitk.GetArrayFromImage(sitk.ReadImage(name))[:, 0, 0].tolist()
    print("  pydicom  ", one)
    print("  SimpleITK", other)
    return one, other


write("shared.dcm", rescale("2", "-1024"), [None] * 3)
write("each.dcm", None, [rescale(slope, "0") for slope in ("2", "4", "0.5")])
print("shared slope (right: -824, -824, -824)")
assert read("shared.dcm") == ([100] * 3, [-824] * 3)
print("slopes of 2, 4 and 0.5 (right: 200, 400, 50)")
assert read("each.dcm") == ([100] * 3, [200] * 3)
PYTHON
