#!/usr/bin/env bash
# MONAI's patch merger counts how many patches lie over a pixel in 8 bits: past 255 the average is too large, or infinite.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: a network that returns its input, applied in overlapping patches and merged by `AvgMerger`, returns the picture.
# Instead:  the counts are uint8 unless told otherwise, and start again at 0: 256 patches over a pixel are divided by 0, 324 by 68.
# Seen:     patches of 18 x 18, picture from 0 to 1 of 54 x 54 pixels: largest value 1.00 at overlap 15/18 and 16/18, and infinite at 17/18;
#           patches of 16 voxels aside in 3D at overlap 7/8, values of 1: 256 voxels infinite, 2240 wrong in all
# Matters:  many patches over each pixel are what maps of occlusion and uncertainty need, and in 3D an overlap of 7/8 is enough. Only the
#           middle is wrong: at the edge, where fewer patches lie, all is well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.inferers import AvgMerger, PatchInferer, SlidingWindowSplitter


def merged(picture, side, overlap):
    splitter = SlidingWindowSplitter(patch_size=(side,) * (picture.ndim - 2), overlap=overlap)
    return PatchInferer(splitter=splitter, merger_cls=AvgMerger, batch_size=64)(picture, lambda patches: patches)


picture = torch.rand(1, 1, 54, 54, generator=torch.Generator().manual_seed(0))
largest = {}
for step in (3, 2, 1):
    largest[step] = float(merged(picture, 18, (18 - step) / 18).max())
    print(f"18 x 18, overlap {18 - step}/18: largest value {largest[step]:.2f}")
solid = torch.ones(1, 1, 32, 32, 32)
result = merged(solid, 16, 0.875)
endless, wrong = int(result.isinf().sum()), int(((result - 1).abs() > 1e-3).sum())
print(f"3D, overlap 7/8: {endless} voxels infinite, {wrong} wrong in all")
assert largest[3] <= 1 and largest[2] <= 1 and largest[1] == float("inf") and endless > 0
PYTHON
