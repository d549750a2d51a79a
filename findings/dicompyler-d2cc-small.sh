#!/usr/bin/env bash
# dicompyler-core's D2cc of an organ that is smaller than 2 cm3 is 0 Gy.
#
# Library:  dicompyler-core 0.5.6, with pydicom 2.4.5
# Expected: D2cc is the least dose within the 2 cm3 that get most. An organ of 1.9 cm3 has no such part; its least dose (as other programs have
#           it), an error or NaN would say so.
# Instead:  0 Gy, which `describe()` prints among the other numbers.
# Seen:     doses of 59 to 61 Gy: organ of 2.16 cm3: D2cc 59.07 Gy; organ of 1.89 cm3: D2cc 0.00 Gy, its least dose 59.01 Gy
# Matters:  D2cc is a limit for what must not get too much (rectum, bladder, spinal cord). A small organ, or the part of one that was drawn,
#           keeps any limit, in a table where 0.00 looks like a dose.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    dicompyler-core==0.5.6 pydicom==2.4.5 numpy==2.4.6 matplotlib==3.11.2
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



dose = 60 + np.random.default_rng(0).uniform(-1, 1, (12, 20, 20))
save_dose(dose)
slices = [9, 12, 15, 18, 21]
save_boxes([(10.6, 10.6 + 3 * 8, 13.6, 13.6 + 3 * 2, slices), (10.6, 10.6 + 3 * 7, 13.6, 13.6 + 3 * 2, slices)])
found = []
for number in (1, 2):
    dvh = dvhcalc.get_dvh("boxes.dcm", "dose.dcm", number)
    found.append(float(dvh.D2cc.value))
    print(f"organ of {dvh.volume:.2f} cm3: least dose {dvh.min:.2f}, mean {dvh.mean:.2f}, D2cc {found[-1]:.2f} Gy")
    assert dvh.min > 59 and (dvh.volume > 2) == (number == 1)
assert found[0] > 59 and found[1] == 0
PYTHON
