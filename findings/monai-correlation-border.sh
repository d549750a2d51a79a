#!/usr/bin/env bash
# MONAI's local cross-correlation takes what lies outside the pictures for 0: two pictures of noise match better the brighter both are.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: LocalNormalizedCrossCorrelationLoss is "zero-normalised": in each window the mean is taken off. Adding a number to both
#           pictures changes nothing, and pictures that have nothing in common have about 0.
# Instead:  the windows at the border are filled with zeros, and their means are taken with them. Both pictures then have the same
#           step there, from the tissue to nothing, and it correlates.
# Seen:     two pictures of noise, 64 x 64, windows of 9: -0.02 at a mean of 0, -0.03 at 1, -0.23 at 10, -0.25 at 100; the windows
#           that lie within the pictures alone: -0.02 in each case
# Matters:  registrations are trained and compared with it, mostly in 3D, where half of the windows touch the border of a cube of 40
#           voxels. The number depends on the offset of the scale: two CT with 1024 added to each match better than without.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.losses import LocalNormalizedCrossCorrelationLoss

torch.manual_seed(0)
one, other = torch.randn(2, 1, 1, 64, 64, dtype=torch.float64)
loss = LocalNormalizedCrossCorrelationLoss(spatial_dims=2, kernel_size=9, reduction="none")
seen = {}
for mean in (0, 1, 10, 100):
    every = loss(one + mean, other + mean)
    seen[mean] = float(every.mean()), float(every[..., 4:-4, 4:-4].mean())
    print(f"noise with a mean of {mean}: {seen[mean][0]:.3f}, of the windows within {seen[mean][1]:.3f}")
assert len({round(within, 6) for _, within in seen.values()}) == 1
assert abs(seen[0][0]) < 0.03 and -0.26 < seen[100][0] < seen[10][0] < -0.2
PYTHON
