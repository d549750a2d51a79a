#!/usr/bin/env bash
# dicompyler-core gives a structure on one slice no volume and a dose of 0 Gy, the largest and the mean alike.
#
# Library:  dicompyler-core 0.5.6, with pydicom 2.4.5
# Expected: a contour on one slice of an even dose of 60 Gy has a mean of 60 Gy, whatever thickness it is given; or an error that the thickness
#           is not known. Dose is a property of places, not of volume.
# Instead:  the thickness is the smallest distance between contours, and 0 where there is one; the volume is 0, the histogram is multiplied by it,
#           and an empty histogram has 0 Gy.
# Seen:     even dose of 60 Gy
#             contour on one slice                    0.000 cm3, mean  0.00 Gy, largest  0.00 Gy
#             the same with thickness=3               0.486 cm3, mean 60.01 Gy, largest 60.01 Gy
#             the same contour on two slices          0.972 cm3, mean 60.01 Gy, largest 60.01 Gy
# Matters:  small lesions, points and organs like the lens lie on one slice of 3 mm. Their dose is below every limit, and no warning is given.
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



save_dose(np.full((10, 20, 20), 60.0))
save_boxes([(19.6, 37.6, 13.6, 22.6, [12]), (19.6, 37.6, 13.6, 22.6, [12, 15])])
seen = []
for name, number, more in (("one slice", 1, {}), ("one slice, thickness=3", 1, {"thickness": 3}), ("two slices", 2, {})):
    dvh = dvhcalc.get_dvh("boxes.dcm", "dose.dcm", number, **more)
    seen.append([round(float(value), 3) for value in (dvh.volume, dvh.mean, dvh.max)])
    print(f"{name}: volume {seen[-1][0]:.3f} cm3, mean {seen[-1][1]:.2f}, largest {seen[-1][2]:.2f} Gy")
assert seen[0] == [0, 0, 0] and all(abs(row[1] - 60) < 0.02 > abs(row[2] - 60) for row in seen[1:])
PYTHON
