#!/usr/bin/env bash
# rt-utils writes contours with the two pixel spacings exchanged: a lesion 20 mm wide and 20 mm high becomes 40 by 10 mm.
#
# Libraries: rt-utils 1.2.7 with pydicom 3.0.2; SimpleITK 2.5.7
# Expected:  the first value of PixelSpacing is from row to row, the second from column to column. A mask becomes a contour around the
#            same voxels in millimetres.
# Instead:   steps along a row are multiplied by the distance between rows, and the other way round. Reading divides by the same values,
#            so that rt-utils gets its own masks back and no round trip shows it. Contours of other programs are read wrongly.
# Seen:      pixels 2 mm high and 1 mm wide, a lesion of rows 5 to 14 and columns 10 to 29
#              SimpleITK  x 10.0 to 29.0 mm, y 10.0 to 28.0 mm (centres of its pixels)
#              rt-utils   x 20.0 to 58.0 mm, y 5.0 to 14.0 mm, and 200 of 200 voxels come back
# Matters:   pixels that are not square are common in ultrasound, older MR and resampled or reformatted series. The structure set lies
#            elsewhere on the scan in every other program, with another shape.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pydicom==3.0.2 SimpleITK==2.5.7 opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps rt-utils==1.2.7  # it asks for OpenCV with windows
cd "$folder"
venv/bin/python - <<'PYTHON'
import contextlib
import os

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from rt_utils import RTStructBuilder

STUDY, FRAME, SERIES = generate_uid(), generate_uid(), generate_uid()


def save_slices(rows, columns, spacing):
    """Write three CT slices, 5 mm apart; spacing in mm from row to row and from column to column."""
    os.makedirs("ct", exist_ok=True)
    for k in range(3):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom^", "1", "", ""
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, SERIES, FRAME
        ds.StudyID, ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", "", "", ""
        ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "CT", 1, k + 1
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 5 * k]
        ds.PixelSpacing, ds.SliceThickness = list(spacing), 5
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", rows, columns
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.PixelData = bytes(2 * rows * columns)
        ds.save_as(f"ct/{k}.dcm", enforce_file_format=True)


save_slices(40, 40, (2, 1))
mask = np.zeros((40, 40, 3), bool)
mask[5:15, 10:30, 1] = True
with contextlib.redirect_stdout(None):  # it says which file it writes
    built = RTStructBuilder.create_new(dicom_series_path="ct")
    built.add_roi(mask=mask, name="lesion")
    built.save("lesion.dcm")
contour = pydicom.dcmread("lesion.dcm").ROIContourSequence[0].ContourSequence[0].ContourData
found = np.array(contour, float).reshape(-1, 3)
back = RTStructBuilder.create_from(dicom_series_path="ct", rt_struct_path="lesion.dcm").get_roi_mask_by_name("lesion")

image = sitk.ReadImage("ct/1.dcm")
corners = [image.TransformIndexToPhysicalPoint(index) for index in ((10, 5, 0), (29, 14, 0))]
(x0, y0, _), (x1, y1, _) = corners
(a0, b0, _), (a1, b1, _) = found.min(0).tolist(), found.max(0).tolist()
print(f"SimpleITK  x {x0} to {x1} mm, y {y0} to {y1} mm (centres of its pixels)")
print(f"rt-utils   x {a0} to {a1} mm, y {b0} to {b1} mm, and {(back & mask).sum()} of {mask.sum()} voxels come back")
assert (x0, x1, y0, y1) == (10, 29, 10, 28)
assert (a0, a1, b0, b1) == (20, 58, 5, 14) and np.array_equal(back, mask)
PYTHON
