#!/usr/bin/env bash
# MONAI's summary of a data set squares 8-bit and 16-bit pixels in their own type: a standard deviation of 25 is NaN, and one of 250 is 3.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: `DatasetSummary.calculate_statistics` gives the mean and standard deviation of the voxels, whatever type they are stored in.
# Instead:  the squares are taken in the image's type, where 16 * 16 is 0 (uint8) and 200 * 200 is below 0 (int16); only their sum is float32.
#           In float32 the square of the mean is taken from the mean of the squares, which leaves nothing where the mean is far from 0.
# Seen:     uint8 with a mean of 8: 2.0, as by NumPy, one of 120: nan, NumPy 25.0; int16 with a mean of 40.1: 14.9, as by NumPy, of 56.5: 2.8,
#           NumPy 250.2, of 999.4: nan, NumPy 100.9; float32 with a mean of 499.5: 100.2, as by NumPy, of 100,000: 0.0, NumPy 20.0
# Matters:  with these two numbers one normalises. The mean is right in each case, and for small values so is the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import math

import numpy as np
import torch
from monai.data import DatasetSummary, MetaTensor

draw = np.random.default_rng(0)


def deviation(kind, mean, spread):
    images = [draw.normal(mean, spread, (1, 64, 64)).round().astype(kind) for _ in range(4)]
    summary = DatasetSummary([{"image": MetaTensor(torch.as_tensor(one)), "label": torch.ones(1, 64, 64)} for one in images])
    summary.calculate_statistics()
    exact = np.stack(images).astype(float)
    assert abs(summary.data_mean - exact.mean()) < 0.001 * abs(exact.mean()), (summary.data_mean, exact.mean())
    print(f"{kind.__name__}, mean {exact.mean():.1f}: standard deviation {summary.data_std:.1f}, numpy {exact.std():.1f}")
    return summary.data_std, exact.std()


dark, eight, sixteen = deviation(np.uint8, 8, 2), deviation(np.uint8, 120, 25), deviation(np.int16, 1000, 100)
head, trunk = deviation(np.int16, 40, 15), deviation(np.int16, 60, 250)
pet, far = deviation(np.float32, 500, 100), deviation(np.float32, 100000, 20)
assert abs(dark[0] - dark[1]) < 0.1 and abs(head[0] - head[1]) < 0.1 and abs(pet[0] - pet[1]) < 0.1
assert math.isnan(eight[0]) and math.isnan(sixteen[0]) and far[0] < far[1] - 10 and trunk[0] < trunk[1] - 100
PYTHON
