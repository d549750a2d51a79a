#!/usr/bin/env bash
# MONAI's L1 distance of boxes adds differences with their signs: it is 0 for boxes far apart, and below 0 for half of all others.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: `boxes_center_distance(euclidean=False)` is the sum of the absolute differences of the middles, as its docs call it the L1 distance.
# Instead:  the absolute value is not taken.
# Seen:     box at (0, 0), others shifted by (30, -30), (-20, -20) and (1, 1): 0, -40 and 2, where SciPy has 60, 40 and 2
# Matters:  the nearest detection is then the one that is farthest up and to the left; pairs of marks and findings that are matched so are
#           wrong, and no number looks impossible until one is below 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
from monai.data.box_utils import boxes_center_distance
from scipy.spatial.distance import cdist

one = torch.tensor([[-4, -4, 4, 4]])
others = one + torch.tensor([[30, -30, 30, -30], [-20, -20, -20, -20], [1, 1, 1, 1]])
middles = [boxes.numpy().reshape(-1, 2, 2).mean(1) for boxes in (others, one)]
l1 = boxes_center_distance(others.float(), one.float(), euclidean=False)[0].ravel().tolist()
scipy = cdist(*middles, "cityblock").ravel().tolist()
single = boxes_center_distance(others.float(), one.float())[0].ravel().tolist()
print("L1: monai", l1, "scipy", scipy)
assert l1 == [0, -40, 2] and scipy == [60, 40, 2]
assert np.allclose(single, cdist(*middles).ravel())
PYTHON
