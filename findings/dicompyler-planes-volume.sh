#!/usr/bin/env bash
# dicompyler-core makes a structure smaller where slices are put in between its own: of two slices a third is lost, of three more than a fifth.
#
# Library:  dicompyler-core 0.5.6, with pydicom 2.4.5
# Expected: `interpolation_segments_between_planes` looks at the dose between the slices of a structure as well; its volume stays as it is.
# Instead:  n slices of thickness t become n (m + 1) - m of thickness t / (m + 1): those beyond the first and the last are missing, half of
#           which belongs to the structure.
# Seen:     boxes of 12 x 12 mm, slices 3 mm apart, with 0, 1, 2 and 5 segments in between
#             2 slices   0.864, 0.648, 0.576, 0.504 cm3
#             3 slices   1.296, 1.080, 1.008, 0.936 cm3
#            10 slices   4.320, 4.104, 4.032, 3.960 cm3
# Matters:  volumes that get a dose, which limits in cm3 are about, shrink with them, most in small structures; the finer one looks, the smaller
#           a structure is.
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



save_dose(np.full((20, 20, 20), 60.0))
boxes = {2: [9, 12], 3: [9, 12, 15], 10: list(range(9, 39, 3))}
save_boxes([(22.6, 34.6, 13.6, 25.6, slices) for slices in boxes.values()])
for number, count in enumerate(boxes, 1):
    found = []
    for between in (0, 1, 2, 5):
        dvh = dvhcalc.get_dvh("boxes.dcm", "dose.dcm", number, interpolation_segments_between_planes=between)
        found.append(float(dvh.volume))
        assert abs(found[-1] - 0.432 * (count * (between + 1) - between) / (between + 1)) < 0.001
    print(f"{count} slices: {', '.join(f'{volume:.3f}' for volume in found)} cm3")
    assert abs(found[0] - 0.432 * count) < 0.001
PYTHON
