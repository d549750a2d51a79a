#!/usr/bin/env bash
# batchgenerators' random crops never hold the last row, column or slice of a volume; a crop of 16 slices of 17 is always the first 16.
#
# Library:  batchgenerators 0.25.5, with numpy 2.4.6
# Expected: a random crop begins anywhere from 0 to size minus crop, each as often: of 17 slices at 0 or at 1.
# Instead:  the upper end is handed to numpy's `randint`, which leaves it out. Where crop and volume are one apart nothing is random.
# Seen:     1000 crops of 16 slices each
#             of 17 slices   begin at 0 in 1000
#             of 20 slices   begin at 0 to 3; slice 0 is in 255, slice 19 in none
#           with margins of -2, so that borders may be crossed, of 20 slices: slice 0 is in 385, slice 19 in 221
# Matters:  what lies in the last slice, the base of the brain or the apex of the lung by the direction of the file, is never trained on, and
#           a net of 2D crops never sees the right and lower edges. Flips do not help, as they come after the crop.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    batchgenerators==0.25.5 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 scikit-learn==1.9.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from batchgenerators.augmentations.crop_and_pad_augmentations import random_crop


def crops(slices, margin=0):
    """Cut 16 slices out of a volume 1000 times; a slice holds its own number, from 1 on."""
    np.random.seed(0)
    volume = np.zeros((1, 1, slices, 8, 8)) + np.arange(1, slices + 1).reshape(-1, 1, 1)
    return [random_crop(volume, None, [16, 8, 8], [margin, 0, 0])[0][0, 0, :, 0, 0] for _ in range(1000)]


begin = {}
for slices in (17, 20):
    found = crops(slices)
    begin[slices] = sorted({int(crop[0]) - 1 for crop in found})
    first, last = (sum(value in crop for crop in found) for value in (1, slices))
    print(f"of {slices} slices: crops begin at {begin[slices]}; the first slice is in {first} of {len(found)}, the last in {last}")
    assert last == 0 < first
assert begin == {17: [0], 20: [0, 1, 2, 3]}
found = crops(20, -2)
first, last = (sum(value in crop for crop in found) for value in (1, 20))
print(f"of 20 slices with margins of -2: the first slice is in {first}, the last in {last}")
assert last < first - 60
PYTHON
