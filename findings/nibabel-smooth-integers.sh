#!/usr/bin/env bash
# nibabel smooths images of whole numbers in whole numbers: of a mask of 4096 voxels 8 are left.
#
# Library:  nibabel 5.4.2, with scipy 1.17.1
# Expected: `smooth_image` of a mask is a soft mask of the same sum, and smoothing keeps the mean of a picture.
# Instead:  what the filter returns has the type of the file, and is cut down to whole numbers, after each axis anew.
# Seen:     a cube of 16 voxels aside in uint8, smoothed with 4 mm: sum 8, as float32 4096; int16 values from 0 to 9: mean 4.49 becomes 3.00,
#           as float32 it stays 4.50; sparse counts of 0 and 1 in int16: 0.30 becomes 0.00
# Matters:  lesion masks are smoothed to make maps of how often a place is affected; label and count images lose a unit and a half
#           everywhere. nilearn smooths the same file in float.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import nibabel
import numpy as np
from nibabel.processing import smooth_image


def smoothed(data):
    return np.asarray(smooth_image(nibabel.Nifti1Image(data, np.eye(4)), 4).dataobj)


mask = np.zeros((32, 32, 32), np.uint8)
mask[8:24, 8:24, 8:24] = 1
left, soft = smoothed(mask), smoothed(mask.astype(np.float32))
print(f"mask of {mask.sum()} voxels: sum {left.sum()} in {left.dtype}, {soft.sum():.0f} in {soft.dtype}")
draw = np.random.default_rng(0)
values = draw.integers(0, 10, (32, 32, 32)).astype(np.int16)
whole, single = smoothed(values).mean(), smoothed(values.astype(np.float32)).mean()
print(f"values from 0 to 9: mean {values.mean():.2f}, {whole:.2f} in int16, {single:.2f} in float32")
counts = (draw.random((32, 32, 32)) < 0.3).astype(np.int16)
few = smoothed(counts).mean()
print(f"counts of 0 and 1: mean {counts.mean():.2f}, {few:.2f} in int16")
assert left.sum() == 8 and round(float(soft.sum())) == 4096
assert abs(values.mean() - single) < 0.05 and whole < 3.1 and counts.mean() > 0.29 and few < 0.01
PYTHON
