#!/usr/bin/env bash
# platipy cuts structures off where a picture is wider than it is high, or higher than it is wide.
#
# Library:  platipy 0.7.2, with SimpleITK 2.5.7 and pydicom 2.4.5
# Expected: contours that lie within the picture become masks whatever its shape.
# Instead:  the outline is filled with columns first and rows second, and clipped to rows and columns in the order of the array. Columns beyond the
#           number of rows are dropped, and rows beyond the number of columns.
# Seen:     voxels of a lesion of 10 x 10 drawn 5 pixels from the lower right corner
#             40 rows, 40 columns   100
#             40 rows, 60 columns     0
#             60 rows, 40 columns     0
#           and 50 where it reaches over the border of the square by half
# Matters:  MR, cropped CT and cone beams are often not square. What lies to the right or at the back is gone or cut straight, without a message,
#           and left out of volumes and of training.
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


found = {}
for rows, columns, x, y in ((40, 40, 25, 25), (40, 60, 45, 25), (60, 40, 25, 45), (40, 60, 35, 25)):
    image = sitk.Image(columns, rows, 3, sitk.sitkInt16)
    (mask,), _ = transform_point_set_from_dicom_struct(image, structure([(x, x + 9, y, y + 9, 1)]))
    found[rows, columns, x] = int(sitk.GetArrayFromImage(mask).sum())
    print(f"{rows} rows, {columns} columns, lesion of 10 x 10 from column {x} and row {y}: {found[rows, columns, x]} voxels")
assert list(found.values()) == [100, 0, 0, 50]
PYTHON
