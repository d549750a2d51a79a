#!/usr/bin/env bash
# puncc adds 1 to the sides of boxes for their IoU: in coordinates from 0 to 1, boxes that do not touch have 0.64 and belong together.
#
# Library:  puncc 0.9.3, with numpy 1.26.4
# Expected: the IoU of boxes [x_min, y_min, x_max, y_max] does not depend on the unit, and is 0 where they do not overlap. puncc's own mean area
#           of boxes multiplies width and height as they are.
# Instead:  each side is counted as one longer, which is right for places of pixels alone, and by its documentation for none in particular.
#           `hungarian_assignment`, which is to pair marks with true boxes, goes by it.
# Seen:     two lesions of a tenth of the picture a side, one mark that is near the first but does not touch it, one that fits the second
#             coordinates from 0 to 1     IoU 0.64 and 0.96, both pairs above 0.5
#             coordinates from 0 to 1000  IoU 0.00 and 0.68, one pair; by hand 0.00 and 0.68 for both
# Matters:  many detectors give boxes as parts of the picture. Each mark is paired with some lesion then, and the errors from which the margins are
#           calibrated are distances to another lesion.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==1.26.4 scipy==1.15.3 scikit-learn==1.7.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps puncc==0.9.3  # matplotlib and pandas are not needed here
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from deel.puncc.api.utils import hungarian_assignment
from deel.puncc.metrics import iou, object_detection_mean_area

lesions = np.array([[0.10, 0.10, 0.20, 0.20], [0.60, 0.60, 0.70, 0.70]])
marks = np.array([[0.25, 0.25, 0.30, 0.30], [0.61, 0.61, 0.71, 0.71]])


def by_hand(one, other):
    """IoU of two boxes by their areas."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = np.prod(np.clip(high - low, 0, None))
    return float(shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared))


found = {}
for side in (1, 100, 1000, 100000):
    found[side] = iou(side * lesions, side * marks).diagonal()
    pairs = len(hungarian_assignment(side * marks, side * lesions, min_iou=0.5)[0])
    area = object_detection_mean_area(side * lesions) / side**2
    print(f"picture of {side}: IoU {found[side].round(3).tolist()}, pairs above 0.5: {pairs}, mean area {area:.4f} of the picture")
    assert pairs == (2 if side == 1 else 1)
expected = [by_hand(one, other) for one, other in zip(lesions, marks, strict=True)]
print("by hand", np.round(expected, 3).tolist())
assert expected[0] == 0 and found[1][0] > 0.5 and found[1000][0] == 0 and abs(found[100000] - expected).max() < 1e-3
PYTHON
