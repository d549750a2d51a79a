#!/usr/bin/env bash
# platipy draws contours that lie below the first slice of the picture into its last slices.
#
# Library:  platipy 0.7.2, with SimpleITK 2.5.7 and pydicom 2.4.5
# Expected: where a structure is larger than the picture, a part of a scan or a second one that is shorter, what lies outside of it is left out.
# Instead:  the number of the slice is compared with the upper end alone. Below the first slice it is negative, and numpy counts that from the end.
# Seen:     30 slices of 3 mm from 0 to 87 mm, a lesion of 10 contours from -12 to 15 mm
#             mask on slices 0 1 2 3 4 5 26 27 28 29; those from 26 on are 78 to 87 mm high
#           a lesion as far above the last slice: on slices 24 to 29 alone
# Matters:  a lesion of the lower body appears in the head as well, with the right volume and no message; volume, dose and what is trained on
#           hold tissue from the other end of the scan.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    SimpleITK==2.5.7 pydicom==2.4.5 scikit-image==0.26.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps platipy==0.7.2  # the rest is for servers and registration
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from platipy.dicom.io.rtstruct_to_nifti import transform_point_set_from_dicom_struct
from pydicom.dataset import Dataset


def structure(contours):
    """A structure set of one lesion: for each contour its bounds in x and y and its height, all in mm."""
    ds, roi, drawn = Dataset(), Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, drawn.ReferencedROINumber, drawn.ContourSequence = 1, "lesion", 1, []
    for x0, x1, y0, y1, z in contours:
        item = Dataset()
        item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", 4
        item.ContourData = [x0, y0, z, x1, y0, z, x1, y1, z, x0, y1, z]
        drawn.ContourSequence.append(item)
    ds.StructureSetROISequence, ds.ROIContourSequence = [roi], [drawn]
    return ds


image = sitk.Image(40, 40, 30, sitk.sitkInt16)
image.SetSpacing((1, 1, 3))
found = {}
for name, heights in (("below", range(-12, 18, 3)), ("above", range(72, 102, 3))):
    (mask,), _ = transform_point_set_from_dicom_struct(image, structure([(10, 19, 10, 19, z) for z in heights]))
    found[name] = np.flatnonzero(sitk.GetArrayFromImage(mask).any((1, 2))).tolist()
    print(f"contours from {heights[0]} to {heights[-1]} mm, slices from 0 to 87 mm: mask on slices {found[name]}")
assert found["below"] == [0, 1, 2, 3, 4, 5, 26, 27, 28, 29] and found["above"] == list(range(24, 30))
PYTHON
