#!/usr/bin/env bash
# volumentations cuts its grid of holes along a diagonal: of 4 x 4 x 4 holes 16 are there, and a quarter of the volume that was asked for.
#
# Library:  volumentations-3D 1.0.4
# Expected: `GridDropout` with a ratio of 0.5 cuts a hole of half the width, height and depth out of each unit of the grid: an eighth.
# Instead:  the depth at which a hole begins is counted with the index of its row, not with that of its plane. The holes of a row are
#           cut at one depth, once for each plane, and the others never.
# Seen:     32 voxels a side, a grid of 4 x 4 x 4: 3.1 % of the volume is gone, not 12.5 %; in the first rows only the first planes
#           have holes, in the last rows only the last ones
# Matters:  the augmentation is a quarter of what a paper states, and with n holes a side an n-th; what a network sees through is a diagonal sheet.
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

holes = volumentations.GridDropout(ratio=0.5, holes_number_x=4, holes_number_y=4, holes_number_z=4, p=1)
cut = volumentations.Compose([holes])(image=np.ones((32, 32, 32), np.float32))["image"] == 0
gone = float(cut.mean())
cells = cut.reshape(4, 8, 4, 8, 4, 8).any(axis=(1, 3, 5))
print(f"{gone:.1%} of the volume is gone, {int(cells.sum())} of {cells.size} units have a hole")
for row in range(4):
    print(f"row {row} of the grid: holes in planes {np.flatnonzero(cells[row].any(axis=0)).tolist()}")
assert abs(gone - 1 / 32) < 1e-9 and cells.sum() == 16
assert all(np.flatnonzero(cells[row].any(axis=0)).tolist() == [row] for row in range(4))
PYTHON
