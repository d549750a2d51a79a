#!/usr/bin/env bash
# rt-utils reads contours of a picture that is wider than high into one that is higher than wide: what lies to the right is gone.
#
# Libraries: rt-utils 1.2.7 with pydicom 3.0.2
# Expected:  the mask of a structure has the shape of the series, rows and columns as pydicom's pixels have them and as the mask
#            was that the structure was made of.
# Instead:   get_roi_mask_by_name returns an array of as many rows as the pictures have columns, and the other way round. Contours are drawn
#            into it at the right row and column, as far as it goes.
# Seen:      40 rows and 60 columns, lesions of 10 by 10 voxels
#              columns 10 to 19  mask (40, 60, 3), read (60, 40, 3), 100 of 100 voxels
#              columns 35 to 44  mask (40, 60, 3), read (60, 40, 3), 50 of 100 voxels
#              columns 45 to 54  mask (40, 60, 3), read (60, 40, 3), 0 of 100 voxels
# Matters:   a lesion in the right third of the picture is no longer there or is cut, without a word. Who makes the shapes fit by
#            transposing the mask has lesions mirrored at the diagonal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pydicom==3.0.2 opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps rt-utils==1.2.7  # it asks for OpenCV with windows
cd "$folder"
venv/bin/python - <<'PYTHON'
import contextlib
import os

import numpy as np
import pydicom
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


save_slices(40, 60, (1, 1))
SEEN = {10: 100, 35: 50, 45: 0}
for column, expected in SEEN.items():
    mask = np.zeros((40, 60, 3), bool)
    mask[5:15, column : column + 10, 1] = True
    with contextlib.redirect_stdout(None):  # it says which file it writes
        built = RTStructBuilder.create_new(dicom_series_path="ct")
        built.add_roi(mask=mask, name="lesion")
        built.save("lesion.dcm")
    back = RTStructBuilder.create_from(dicom_series_path="ct", rt_struct_path="lesion.dcm").get_roi_mask_by_name("lesion")
    kept = int((back[:40, :40] & mask[:, :40]).sum())
    print(f"columns {column} to {column + 9}  mask {mask.shape}, read {back.shape}, {kept} of {mask.sum()} voxels")
    assert back.shape == (60, 40, 3) and back.sum() == kept == expected
PYTHON
