#!/usr/bin/env bash
# MONAI takes the frames of a multi-frame DICOM file for rows and says that they lie elsewhere in the body.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0) with pydicom 3.0.2; SimpleITK 2.5.7
# Expected:  LoadImage gives columns, rows and slices, as for a series of single frames, and an affine that tells where a voxel
#            lies. An RT dose is one file of several frames; its position, its orientation and its offsets are complete.
# Instead:   PydicomReader, which LoadImage takes for DICOM where nothing else is installed, swaps the first two axes of the array
#            that pydicom hands over. Of frames, rows, columns that makes rows, frames, columns, with the affine of columns, rows,
#            slices, and 1 mm from slice to slice. No warning about it.
# Seen:      3 frames of 4 rows of 6 columns, 2 by 2 mm, 5 mm apart; one voxel of frame 2, row 1, column 5
#              shape:    MONAI (4, 3, 6), SimpleITK (6, 4, 3)
#              index:    MONAI [1, 2, 5], SimpleITK [5, 1, 2]
#              position: MONAI [-2.0, -4.0, 5.0], SimpleITK [-10.0, -2.0, 10.0] mm (to the right, front and head)
# Matters:   doses, ultrasound loops and enhanced CT or MR come as one file. Slices that a network or an anomaly map sees are
#            cuts across time or across the body, and results of a dose land in the wrong place on the CT that it belongs to.
#            (Of files without a position at the top level MONAI warns that it has none, not that the axes are others.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 pydicom==3.0.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import SimpleITK as sitk
from monai.transforms import LoadImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, generate_uid

warnings.filterwarnings("ignore", "NvImgCodec")  # an optional decoder that is not installed
frames = np.zeros((3, 4, 6), np.uint16)
frames[2, 1, 5] = 1000

ds = Dataset()
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
ds.SOPClassUID, ds.SOPInstanceUID = RTDoseStorage, generate_uid()
ds.PatientName, ds.PatientID, ds.Modality, ds.InstanceNumber = "Phantom", "1", "RTDOSE", 1
ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
ds.NumberOfFrames, ds.Rows, ds.Columns = frames.shape
ds.FrameIncrementPointer, ds.GridFrameOffsetVector = 0x3004000C, [0, 5, 10]
ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing = [0, 0, 0], [1, 0, 0, 0, 1, 0], [2, 2]
ds.DoseUnits, ds.DoseType, ds.DoseSummationType, ds.DoseGridScaling = "GY", "PHYSICAL", "PLAN", "1"
ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.SliceThickness = 1, "MONOCHROME2", 5
ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
ds.PixelData = frames.tobytes()
ds.save_as("a.dcm", enforce_file_format=True)

with warnings.catch_warnings(record=True) as said:
    monai = LoadImage(image_only=True)("a.dcm")
index = np.argwhere(monai.numpy() == 1000)[0].tolist()
position = (monai.affine.numpy() @ [*index, 1])[:3].tolist()
image = sitk.ReadImage("a.dcm")
itk_index = np.argwhere(sitk.GetArrayFromImage(image) == 1000)[0][::-1].tolist()
x, y, z = image.TransformIndexToPhysicalPoint(itk_index)
itk_position = [-x, -y, z]  # MONAI counts to the right and to the front, SimpleITK to the left and to the back
print(f"shape:    MONAI {tuple(monai.shape)}, SimpleITK {image.GetSize()}")
print(f"index:    MONAI {index}, SimpleITK {itk_index}")
print(f"position: MONAI {position}, SimpleITK {itk_position} mm (to the right, front and head)")
assert (tuple(monai.shape), image.GetSize()) == ((4, 3, 6), (6, 4, 3))
assert (index, itk_index) == ([1, 2, 5], [5, 1, 2])
assert (position, itk_position) == ([-2, -4, 5], [-10, -2, 10])
assert not [warning for warning in said if "NvImgCodec" not in str(warning.message)]
PYTHON
