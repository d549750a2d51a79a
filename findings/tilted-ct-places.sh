#!/usr/bin/env bash
# The last voxel of a CT with tilted gantry lies at three places: MONAI's is the file's, SimpleITK and dicom-numpy are 17 mm off.
#
# Libraries: SimpleITK 2.5.7; dicom-numpy 0.6.5, pydicom 3.0.2; MONAI 1.6.1 (torch 2.13.0)
# Expected:  each slice has the position of its first voxel. A reader places a slice there, or says that it cannot: slices of a tilted
#            gantry follow each other along the table, not at right angles to themselves, and no box holds them.
# Instead:   SimpleITK takes the distance between positions and goes it at right angles to the slices. dicom-numpy takes what the positions
#            differ by at right angles, goes that, and is at another place again. Neither raises, and SimpleITK says nothing at all.
# Seen:      eleven slices every 5 mm along the table, tilted by 20 degrees; the first voxel of the last slice
#              in the file    [0.0, 0.0, 50.0]
#              MONAI          [0.0, 0.0, 50.0]
#              SimpleITK      [0.0, 17.1, 46.98]
#              dicom-numpy    [0.0, 16.07, 44.15]
# Matters:   head CT is often tilted. Structures, points and other scans of the patient do not fit by up to centimetres, the more the
#            farther from the first slice, and volumes are too large by 6 % with SimpleITK.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 pydicom==3.0.2 dicom-numpy==0.6.5 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import os
import warnings

import dicom_numpy
import numpy as np
import pydicom
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


tilt, series = np.radians(20), generate_uid()
down = [0, round(float(np.cos(tilt)), 6), round(float(-np.sin(tilt)), 6)]
os.mkdir("ct")
for k in range(11):
    save_slice(f"ct/{k:02}.dcm", k + 1, [0, 0, 5 * k], series, orientation=(1, 0, 0, *down))
files = [f"ct/{k:02}.dcm" for k in range(11)]

x, y, z = (LoadImage(reader="PydicomReader", image_only=True)("ct").affine.numpy() @ [0, 0, 10, 1])[:3]
_, matrix = dicom_numpy.combine_slices([pydicom.dcmread(file) for file in files])
volume = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames("ct"))
places = {
    "in the file": pydicom.dcmread(files[-1]).ImagePositionPatient,
    "MONAI": (-x, -y, z),  # it counts to the right and to the front
    "SimpleITK": volume.TransformIndexToPhysicalPoint((0, 0, 10)),
    "dicom-numpy": (matrix @ [0, 0, 10, 1])[:3],
}
found = {name: (np.round(np.array(place, float), 2) + 0.0).tolist() for name, place in places.items()}
for name, place in found.items():
    print(f"{name:14} {place}")
assert found["in the file"] == found["MONAI"] == [0, 0, 50]
assert found["SimpleITK"] == [0, 17.1, 46.98] and found["dicom-numpy"] == [0, 16.07, 44.15]
PYTHON
