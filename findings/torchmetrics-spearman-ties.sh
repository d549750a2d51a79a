#!/usr/bin/env bash
# torchmetrics' rank correlation of a map with a mask changes its sign with the size of the picture.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0 and scipy 1.17.1
# Expected: the Spearman correlation of an anomaly map with the mask of the finding is what SciPy has, at any number of pixels.
# Instead:  ranks of equal values are averaged by their sum in 32-bit integers, which runs over where some 65,000 pixels or more are
#           equal, as those of a mask are, or those outside of a round field of view.
# Seen:     a map that is higher in the finding: 0.372 at 256 x 256 pixels, as by SciPy, and -0.372 at 448 x 448, where SciPy has 0.372;
#           two unrelated maps that are 0 outside of the same circle: 0.769 at 512 x 512, where SciPy has 0.612
# Matters:  nothing is said, the number looks sound, and small pictures in a test have the right one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
from scipy.stats import spearmanr
from torchmetrics.functional import spearman_corrcoef

draw = np.random.default_rng(0)


def correlations(one, other):
    pair = [torch.tensor(of, dtype=torch.float32).flatten() for of in (one, other)]
    return round(float(spearman_corrcoef(*pair)), 3), round(float(spearmanr(one.ravel(), other.ravel()).statistic), 3)


def circle(side, radius, left=0.0):
    y, x = np.mgrid[:side, :side] / side - 0.5
    return np.hypot(x - left, y) < radius


found = {}
for side in (256, 448):
    finding = circle(side, 0.15, 0.1)
    found[side] = correlations(draw.random((side, side)) + 0.6 * finding, finding.astype(float))
    print(f"map and mask, {side} x {side}: torchmetrics {found[side][0]}, scipy {found[side][1]}")
field = circle(512, 0.48)
maps = [np.where(field, draw.random(field.shape), 0) for _ in range(2)]
outside = correlations(*maps)
print(f"two maps that are 0 outside of a circle, 512 x 512: torchmetrics {outside[0]}, scipy {outside[1]}")
assert found[256][0] == found[256][1] > 0.36 and found[448][0] < -0.36 < 0.36 < found[448][1]
assert outside[0] > outside[1] + 0.1
PYTHON
