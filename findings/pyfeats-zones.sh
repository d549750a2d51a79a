#!/usr/bin/env bash
# pyfeats counts all that is not of a grey level as a zone of it: the large zone emphasis of a chessboard is 3358 where it is 1.
#
# Library:  pyfeats 1.0.1, with scikit-image 0.26.0
# Expected: the size zone matrix lists the connected regions of equal grey. A picture of two halves has two zones, a chessboard one for each field.
#           A flat region has a coefficient of variation of 0.
# Instead:  label 0 of skimage's `label`, the background, is counted as a region, for each of 255 levels, those that do not occur as well, and
#           sizes are taken for one more than they are. The coefficient of variation is the root of the median, not of the variance, by the mean.
# Seen:     8 x 8 pixels of 50 and 200
#                                      two halves        chessboard
#             large zone emphasis      4176 for 1024     3358 for 1
#             zones                     257 for 2         319 for 64
#           a flat region of 100: coefficient of variation 0.0996 for 0
# Matters:  these are features of plaques, thyroid nodules and breast lesions in ultrasound, for which the package was written. What they say of
#           a region is mostly its area and how bright it is, so that a model of texture is one of size.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 scipy==1.17.1 matplotlib==3.11.2 \
    opencv-python-headless==5.0.0.93 PyWavelets==1.9.0 mahotas==1.4.19 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps pyfeats==1.0.1  # it asks for OpenCV with windows
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from pyfeats import fos, glszm_features
from pyfeats.textural.glszm import glszm
from skimage.measure import label

halves = np.full((8, 8), 50, np.uint8)
halves[:, 4:] = 200
board = np.where(np.indices((8, 8)).sum(0) % 2, 200, 50).astype(np.uint8)
everywhere = np.ones((8, 8), np.uint8)
found = []
for name, picture in {"two halves": halves, "chessboard": board}.items():
    zones = label(picture, connectivity=1, background=0)  # no pixel is 0
    sizes = np.bincount(zones.ravel())[1:]
    values, names = glszm_features(picture, everywhere)
    emphasis, count = float(values[names.index("GLSZM_LargeZoneEmphasis")]), int(glszm(picture, everywhere).sum())
    found += [(emphasis, float(np.mean(sizes**2.0)), count, len(sizes))]
    print(f"{name}: large zone emphasis {emphasis:.0f} for {found[-1][1]:.0f}, zones {count} for {len(sizes)}")
np.testing.assert_allclose(found, [(1073281 / 257, 1024, 257, 2), (1071359 / 319, 1, 319, 64)])

values, names = fos(np.full((8, 8), 100, np.uint8), everywhere)
variation = float(values[names.index("FOS_CoefficientOfVariation")])
print(f"a flat region: coefficient of variation {variation:.4f}")
assert abs(variation - 0.0996) < 1e-4
PYTHON
