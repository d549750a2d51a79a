#!/usr/bin/env bash
# dicompyler-core moves the dose by half of one of its voxels where a finer resolution is asked for, and the volume with it.
#
# Library:  dicompyler-core 0.5.6, with pydicom 2.4.5 and scikit-image 0.26.0
# Expected: `get_dvh(..., interpolation_resolution=0.75)` looks at the same dose on a finer grid: the mean of a dose that rises evenly by 1 Gy a mm
#           stays as it is, and comes nearer to that in the middle of the structure.
# Instead:  the dose without its last row and column is made larger, which puts its first value a part of a voxel before the first centre; the
#           places of these values are spread evenly from the first centre to the last. The two do not meet, and end a voxel apart.
# Seen:     a box of 12 x 12 mm in voxels of 3 mm, the dose in its middle 56.6 Gy: mean 56.5 Gy; at 1.5, 0.75 and 0.375 mm 55.0 Gy
#           a box of 9.2 x 12 mm at the other end, 16.0 Gy in its middle: mean 16.0 Gy, and 14.5 to 14.7 Gy
# Matters:  who asks for a finer grid does so for small targets and steep falls, where 1.5 mm of another dose are the difference between a
#           limit kept and one broken.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    dicompyler-core==0.5.6 pydicom==2.4.5 scikit-image==0.26.0 numpy==2.4.6 matplotlib==3.11.2
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



dose = np.broadcast_to(10 + 3.0 * np.arange(20), (10, 20, 20))  # 1 Gy more with each mm along x
save_dose(dose)
save_boxes([(40.6, 52.6, 13.6, 25.6, [9, 12, 15]), (1.4, 10.6, 13.6, 25.6, [9, 12, 15])])
for number, middle in ((1, 56.6), (2, 16.0)):
    plain = dvhcalc.get_dvh("boxes.dcm", "dose.dcm", number).mean
    finer = [dvhcalc.get_dvh("boxes.dcm", "dose.dcm", number, interpolation_resolution=mm).mean for mm in (1.5, 0.75, 0.375)]
    print(f"dose in the middle {middle} Gy: mean {plain:.1f} Gy, at 1.5, 0.75 and 0.375 mm {', '.join(f'{value:.1f}' for value in finer)} Gy")
    assert abs(plain - middle) < 0.15 and all(1.2 < middle - value < 1.7 for value in finer)
PYTHON
