#!/usr/bin/env bash
# batchgenerators' Rician noise leaves the air around a head without noise, where such noise is best seen, and spreads what is near 0.
#
# Library:  batchgenerators 0.25.5 (the augmentation of nnU-Net's first version)
# Expected: Rician noise is that of a magnitude image of MR. Where there is no signal a magnitude of noise remains, never below 0: with sigma
#           0.1 the mean in air becomes 0.125 (Rayleigh) and the standard deviation 0.066.
# Instead:  the magnitude is multiplied by the sign of the voxel before. The sign of 0 is 0: air stays at 0. In an image of zero mean what is
#           below 0 is thrown to the other side, away from 0.
# Seen:     sigma 0.1: air at 0 has mean 0 and standard deviation 0 afterwards, tissue at 1 has 1.005 and 0.098;
#           voxels at -0.01 and 0.01, a difference of 0.02, have means of -0.126 and 0.126 afterwards: a difference of 0.252
# Matters:  a network is to learn from it what noisy scanners give, and meets clean air. In images of zero mean, as they are trained with, the noise
#           opens a gap around the mean: no voxel is near 0 any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check batchgenerators==0.25.5 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 scikit-learn==1.9.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import random

import numpy as np
from batchgenerators.transforms.noise_transforms import RicianNoiseTransform

np.random.seed(0)
random.seed(0)


def noisy(value):
    """Return mean and standard deviation of voxels of one value after the noise (0.1 is used as its standard deviation)."""
    out = RicianNoiseTransform(noise_variance=(0.1, 0.1))(data=np.full((1, 1, 64, 64, 64), value, np.float64))["data"]
    print(f"voxels of {value:g}: mean {out.mean():.3f}, standard deviation {out.std():.3f}")
    return out.mean(), out.std()


true = np.abs(np.random.normal(0, 0.1, 10**6) + 1j * np.random.normal(0, 0.1, 10**6))
print(f"noise alone, as a magnitude: mean {true.mean():.3f}, standard deviation {true.std():.3f}")
assert noisy(0) == (0, 0)
mean, deviation = noisy(1)
assert abs(mean - 1.005) < 0.002 and abs(deviation - 0.0995) < 0.003
below, above = noisy(-0.01)[0], noisy(0.01)[0]
assert abs(true.mean() - 0.1253) < 0.001 and abs(above - 0.126) < 0.002 and abs(below + 0.126) < 0.002
PYTHON
