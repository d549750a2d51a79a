#!/usr/bin/env bash
# MONAI puts two DICOM series that lie in one folder into one volume, slice by slice in turn, and says nothing.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0) with pydicom 3.0.2; SimpleITK 2.5.7
# Expected:  LoadImage of a folder reads a series, and each slice names the one that it is of. A folder of two is refused, or one of
#            them is read and a warning says so; SimpleITK lists both and reads the one that is asked for.
# Instead:   PydicomReader, which LoadImage takes where ITK is not installed, does not look at SeriesInstanceUID. It sorts all
#            slices of the folder by InstanceNumber, which counts within a series, and stacks them.
# Seen:      four slices of 100 and four of 900, both at 0, 5, 10 and 15 mm
#              MONAI      (6, 4, 8), values [100, 900, 100, 900, ...], 2.14 mm from slice to slice, no warning
#              SimpleITK  2 series
# Matters:   an export from an archive is often a folder for a study: CT without and with contrast, T1 and T2, two reconstructions.
#            The volume has twice the slices at a spacing that nothing has, and each network sees stripes of two kinds of tissue.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 pydicom==3.0.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import os
import warnings

import numpy as np
import SimpleITK as sitk
from monai.transforms import LoadImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

warnings.filterwarnings("ignore", "NvImgCodec")  # an optional decoder that is not installed
STUDY, FRAME = generate_uid(), generate_uid()


def save_slice(path, number, position, series, value=0, orientation=(1, 0, 0, 0, 1, 0)):
    """Write a CT slice of 4 rows and 6 columns, 2 mm from row to row and 1 mm from column to column."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom^", "1", "", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, series, FRAME
    ds.StudyID, ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", "", "", ""
    ds.Modality, ds.Manufacturer, ds.PositionReferenceIndicator = "CT", "", ""
    ds.SeriesNumber, ds.InstanceNumber = 1, number
    ds.ImageOrientationPatient, ds.ImagePositionPatient = list(orientation), position
    ds.PixelSpacing, ds.SliceThickness = [2, 1], 5
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", 4, 6
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = np.full((4, 6), value, np.uint16).tobytes()
    ds.save_as(path, enforce_file_format=True)


os.mkdir("study")
for value in (100, 900):
    series = generate_uid()
    for k in range(4):
        save_slice(f"study/{value}-{k}.dcm", k + 1, [0, 0, 5 * k], series, value)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    image = LoadImage(image_only=True)("study")
said = [warning for warning in said if "NvImgCodec" not in str(warning.message)]
values, step = image.numpy()[0, 0].astype(int).tolist(), round(float(image.pixdim[2]), 2)
series = len(sitk.ImageSeriesReader.GetGDCMSeriesIDs("study"))
print(f"MONAI      {tuple(image.shape)}, values {values}, {step} mm from slice to slice, {len(said)} warnings")
print(f"SimpleITK  {series} series")
assert tuple(image.shape) == (6, 4, 8) and sorted(values[:2]) == [100, 900] and sorted(values) == [100] * 4 + [900] * 4
assert step == 2.14 and not said and series == 2
PYTHON
