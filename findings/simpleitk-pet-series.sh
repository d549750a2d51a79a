#!/usr/bin/env bash
# SimpleITK gives a whole DICOM series the pixel type of its first slice, and cuts the other slices down to it.
#
# Library:  SimpleITK 2.5.7 (files written with pydicom 3.0.2)
# Expected: each slice of a PET series has a RescaleSlope of its own. A series reader applies it, so that a volume holds the same
#           values as the slices read one by one, in a type that can hold them all.
# Instead:  the type is that which suits the first slice. With a slope of 1 there it is 16-bit unsigned: fractions of later
#           slices are cut off and large values run over, modulo 65536, without a warning. With another slice first, all values
#           are right.
# Seen:     slices one by one:     [1001, 250.25, 70070]
#           the series:            [1001, 250, 4534] 16-bit unsigned integer
#           slice of 0.25 first:   [250.25, 1001.0, 70070.0] 64-bit float
# Matters:  the slope of a PET slice often follows its hottest voxel. A hot lesion becomes cold, or the activity loses its
#           decimals, and whether that happens depends on which slice is the first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

STORED = 1001
study, series, space = generate_uid(), generate_uid(), generate_uid()


def write(name: str, place: int, slope: str) -> str:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality, ds.Units = "Phantom", "1", "PT", "BQML"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, space
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 4, 4, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, place], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.InstanceNumber = [1, 1], 1, place + 1
    ds.RescaleSlope, ds.RescaleIntercept = slope, "0"
    ds.PixelData = np.full((4, 4), STORED, "<u2").tobytes()
    ds.save_as(name, enforce_file_format=True)
    return name


def voxels(image: sitk.Image) -> list[float]:
    return sitk.GetArrayFromImage(image)[:, 0, 0].tolist()


names = [write(f"{place}.dcm", place, slope) for place, slope in enumerate(("1", "0.25", "70"))]
alone = [voxels(sitk.ReadImage(name))[0] for name in names]
volume = sitk.ReadImage(names)
names = [write(f"{place}.dcm", place, slope) for place, slope in enumerate(("0.25", "1", "70"))]
other = sitk.ReadImage(names)
print("slices one by one:    ", alone)
print("the series:           ", voxels(volume), volume.GetPixelIDTypeAsString())
print("slice of 0.25 first:  ", voxels(other), other.GetPixelIDTypeAsString())
assert alone == [1001, 250.25, 70070]
assert voxels(volume) == [1001, 250, 70070 % 65536]
assert voxels(other) == [250.25, 1001, 70070]
PYTHON
