#!/usr/bin/env bash
# dicompyler-core's D95 and D98 of a small target are 0 Gy: they are looked up where the volume is nearest to 95 %, which is the first dose bin.
#
# Library:  dicompyler-core 0.5.6, with pydicom 2.4.5
# Expected: D95 is the dose that 95 % of a structure receives at least. Where no voxel has less than 59 Gy it is not less than 59 Gy.
# Instead:  the curve of a structure of few dose voxels falls in steps. Where it goes from 100 % to 89 %, 100 is nearer to 95, and of all bins
#           with 100 % the first is taken, that of 0 Gy. An even dose does the same to a structure of any size.
# Seen:     doses of 59.0 to 61.0 Gy, voxels of 3 mm
#             12 voxels  D90 59.01, D95  0.00, D98 0.00 Gy
#             18 voxels  D90 59.01, D95  0.00, D98 0.00 Gy
#             50 voxels  D90 59.08, D95 59.01, D98 0.00 Gy (two of them in the lowest bin)
# Matters:  D95 and D98 are what a plan is judged by, and metastases and lesions of the lung are of this size. The curve itself is right, a mean
#           over patients is pulled down by one zero in it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dicompyler-core==0.5.6 pydicom==2.4.5 numpy==2.4.6 matplotlib==3.11.2
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from dicompylercore import dvhcalc
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def new(kind, modality):
    ds = Dataset()
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = f"1.2.840.10008.5.1.4.1.1.481.{kind}", generate_uid(), modality
    return ds


def save_dose(dose, spacing=3):
    """Write a dose in Gy, voxels of `spacing` mm, the first at the origin."""
    ds = new(2, "RTDOSE")
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    ds.PixelSpacing, ds.SliceThickness = [spacing] * 2, spacing
    ds.NumberOfFrames, ds.Rows, ds.Columns = dose.shape
    ds.GridFrameOffsetVector = [spacing * k for k in range(len(dose))]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 32, 32, 31, 0
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType, ds.DoseGridScaling = "GY", "PHYSICAL", "PLAN", "0.001"
    ds.PixelData = np.round(dose * 1000).astype("<u4").tobytes()
    ds.save_as("dose.dcm", write_like_original=False)


def save_boxes(boxes):
    """Write a structure for each box: its bounds in x and y and its slices, all in mm."""
    ds = new(3, "RTSTRUCT")
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (x0, x1, y0, y1, slices) in enumerate(boxes, 1):
        roi, contours = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, f"target {number}"
        contours.ReferencedROINumber, contours.ContourSequence = number, []
        for z in slices:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
            contour.ContourData = [x0, y0, z, x1, y0, z, x1, y1, z, x0, y1, z]
            contours.ContourSequence.append(contour)
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(contours)
    ds.save_as("boxes.dcm", write_like_original=False)


dose = np.full((10, 20, 20), 60.0) + np.random.default_rng(0).uniform(-1, 1, (10, 20, 20))
save_dose(dose)
save_boxes([(19.6, 28.6, 13.6, 19.6, [9, 12]), (19.6, 28.6, 13.6, 22.6, [9, 12]), (19.6, 34.6, 13.6, 28.6, [9, 12])])
for number, voxels in ((1, dose[3:5, 5:7, 7:10]), (2, dose[3:5, 5:8, 7:10]), (3, dose[3:5, 5:10, 7:12])):
    dvh = dvhcalc.get_dvh("boxes.dcm", "dose.dcm", number)
    assert round(dvh.volume / 0.027) == voxels.size and abs(dvh.min - voxels.min()) < 0.02
    found = [float(dvh.statistic(name).value) for name in ("D90", "D95", "D98")]
    print(f"{voxels.size:2} voxels of {voxels.min():.2f} to {voxels.max():.2f} Gy: D90 {found[0]:.2f}, D95 {found[1]:.2f}, D98 {found[2]:.2f} Gy")
    assert found[2] == 0 and (found[1] > 59) == (number == 3)
PYTHON
