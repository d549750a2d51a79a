#!/usr/bin/env bash
# volumentations turns a volume by 0 degrees and moves it: by half a voxel at 32, not at all at 33, by a whole one at 35 voxels a side.
#
# Library:  volumentations-3D 1.0.4
# Expected: a rotation by 0 degrees leaves image and mask as they are, and one by an angle turns them about their centre.
# Instead:  coordinates are counted from (size - 1) / 2 and put back with size / 2, rounded to a whole number (17.5 to 18, 16.5 to 16).
# Seen:     how far a ball in the middle moves along each axis, image and mask: 32 voxels: 0.5 and 1.0; 33: 0 and 0; 34: 0.5 and 1.0;
#           35: 1.0 and 1.0; 36: 0.5 and 1.0
# Matters:  at even sizes, the usual ones, image and mask come half a voxel apart, each image is blurred by the half voxel (its brightest
#           voxel goes from 2 to 1.1), and all of them are moved the same way. `ElasticTransform` puts its coordinates back with the same lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 opencv-python-headless==5.0.0.93
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps volumentations-3D==1.0.4
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np

warnings.simplefilter("ignore", DeprecationWarning)
import volumentations

STILL = volumentations.Compose([volumentations.Rotate((0, 0), (0, 0), (0, 0), p=1)])


def centre(volume):
    """Return the centre of mass along the first axis, in voxels."""
    return float((np.indices(volume.shape)[0] * volume).sum() / volume.sum())


seen = {}
for size in (32, 33, 34, 35, 36):
    middle = (size - 1) / 2
    ball = (np.sqrt(((np.indices((size,) * 3) - middle) ** 2).sum(0)) < 6).astype(np.float32)
    out = STILL(image=ball, mask=ball)
    seen[size] = tuple(round(middle - centre(out[name]), 2) for name in ("image", "mask"))
    print(f"{size} voxels a side, turned by 0 degrees: image moved by {seen[size][0]}, mask by {seen[size][1]}")
assert seen == {32: (0.5, 1.0), 33: (0, 0), 34: (0.5, 1.0), 35: (1, 1), 36: (0.5, 1.0)}
point = np.ones((32, 32, 32), np.float32)
point[16, 16, 16] = 2
brightest = float(STILL(image=point)["image"].max())
print(f"a voxel of 2 among ones: {brightest:.3f}")
assert abs(brightest - 1.125) < 1e-6
PYTHON
