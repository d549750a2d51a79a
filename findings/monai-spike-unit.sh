#!/usr/bin/env bash
# MONAI's random k-space spike cannot be seen where the picture goes to 1, and is ninety times the picture where it goes to 4095.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: the default strength is chosen by the picture, so that the same picture in another unit has the same stripes.
# Instead:  it is 2.5 times the mean *logarithm* of k-space: a factor of the unit becomes its power of 2.5, and a mean below 0 a weaker spike.
#           The docs of `RandKSpaceSpikeNoise` name "0.95x to 1.10x of the mean log-intensity"; the 2.5 is not among them.
# Seen:     stripes as a share of the picture's largest value, median of 20: 0.0001 for a picture from 0 to 1, 1.1 from 0 to 255, 93 to 4095
# Matters:  after scaling to 0 to 1, which nearly all do, the augmentation does nothing; before it nothing is left of the picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.transforms import RandKSpaceSpikeNoise

y, x = np.mgrid[:128, :128] / 128 - 0.5
picture = np.exp(-(x**2 + y**2) / 0.05) + 0.02 * np.random.default_rng(0).normal(size=x.shape)
picture = (picture / picture.max()).clip(0, 1).astype(np.float32)[None]
found = {}
for unit in (1, 255, 4095):
    spike = RandKSpaceSpikeNoise(prob=1)
    spike.set_random_state(0)
    found[unit] = float(np.median([np.std(np.asarray(spike(picture * unit)) - picture * unit) / unit for _ in range(20)]))
    print(f"0 to {unit}: stripes of {found[unit]:.4f} of the picture's largest value")
assert found[1] < 0.001 and 0.5 < found[255] < 5 and found[4095] > 50
PYTHON
