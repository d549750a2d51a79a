#!/usr/bin/env bash
# panoptica takes the spacing of voxels and measures its distances in voxels all the same; only the tolerance of its surface Dice is in mm.
#
# Library:  panoptica 1.5.1, with scipy 1.17.1
# Expected: the Hausdorff distance, the average surface distance, the surface Dice and the distance of centres take `voxelspacing`, "in real
#           world coordinates" where they explain it. An instance that lies two slices of 5 mm lower is 10 mm away.
# Instead:  the spacing is checked and brought into form, and the distance transform is called without it. The surface Dice takes its tolerance
#           in mm from the spacing and compares it with distances in voxels.
# Seen:     a box two slices lower, voxelspacing (5, 1, 1): Hausdorff distance 2.0 and 10.0 by hand, 95 % 2.0, centres 2.0; surface Dice at a
#           tolerance of 4 mm 1.00, and 0.56 by hand
# Matters:  with slices of 5 mm an error along the body comes out five times too small, and the surface Dice is perfect where top and bottom are
#           10 mm off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
# it does not import without the three that it calls optional
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    panoptica==1.5.1 torch==2.13.0 SimpleITK==2.5.7 nibabel==5.4.2 scipy==1.17.1 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from panoptica.metrics import Metric
from scipy.ndimage import binary_erosion, distance_transform_edt

SPACING, TOLERANCE = (5.0, 1.0, 1.0), 4.0
truth = np.zeros((20, 30, 30), int)
truth[5:10, 10:20, 10:20] = 1
lower = np.roll(truth, 2, 0)

edges = [mask.astype(bool) & ~binary_erosion(mask) for mask in (truth, lower)]
distances = np.concatenate([distance_transform_edt(~edges[i], sampling=SPACING)[edges[1 - i]] for i in (0, 1)])
by_hand = {"HD": distances.max(), "HD95": np.percentile(distances, 95), "CEDI": 2 * SPACING[0], "NSD": (distances <= TOLERANCE).mean()}
by_hand["ASSD"] = distances.mean()  # both surfaces have the same number of voxels
found = {}
for name, value in by_hand.items():
    more = {"threshold": TOLERANCE} if name == "NSD" else {}
    arguments = dict(ref_instance_idx=1, pred_instance_idx=1, **more)
    found[name] = getattr(Metric, name)(truth, lower, voxelspacing=SPACING, **arguments)
    same = getattr(Metric, name)(truth, lower, voxelspacing=(1.0, 1.0, 1.0), **arguments)
    print(f"{name}: panoptica {found[name]:.2f}, with a spacing of 1 mm {same:.2f}; by hand {value:.2f}")
    assert found[name] == same and abs(found[name] - value) > 0.4
assert (found["HD"], found["CEDI"], found["NSD"], by_hand["HD"]) == (2, 2, 1, 10)
PYTHON
