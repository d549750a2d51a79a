#!/usr/bin/env bash
# lesion-metrics cuts the prediction to the box around each lesion before it measures their overlap: all marked has an IoU of 1 with a cube.
#
# Library:  lesion-metrics 0.1.12, with scikit-image 0.26.0
# Expected: the IoU of a lesion with what marks it goes down with all that is marked beyond the lesion, and `ltpr(iou_threshold=0.5)` counts lesions
#           that were found with an IoU above 0.5, `lfdr` marks that do not reach it.
# Instead:  `iou_per_lesion` reads both masks in the bounding box of the lesion alone. What lies outside of it is in no union.
# Seen:     lesions of 4 and 6 voxels a side                 IoU of each     by hand        found, IoU > 0.5
#             marked as they are                             1.0   1.0     1.0     1.0     1.0
#             marked twice as large in each direction        1.0   1.0     0.125   0.125   1.0
#             all of the picture but one slice               1.0   1.0     0.0003  0.001   1.0
#           a ball of radius 8 in a picture of 40 voxels a side, all of which is marked: 0.43, by hand 0.03
# Matters:  the threshold is there to tell a lesion that is outlined from one that is merely hit. A net that floods the brain has a lesion-wise
#           sensitivity of 1 at thresholds up to 0.4, and with small lesions, which are boxes of a few voxels, at any.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check lesion-metrics==0.1.12 scikit-image==0.26.0 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from lesion_metrics.metrics import iou_per_lesion, jaccard, lfdr, ltpr
from skimage.measure import label

truth = np.zeros((60, 60, 60), bool)
truth[10:14, 10:14, 10:14] = True
truth[40:46, 40:46, 40:46] = True


def by_hand(target, other):
    """IoU of each lesion with all marks that touch it."""
    lesions, marks = label(target), label(other)
    touching = [np.setdiff1d(marks[lesions == number], 0) for number in range(1, lesions.max() + 1)]
    return [float(jaccard(np.isin(marks, those), lesions == number)) for number, those in enumerate(touching, 1)]


whole, grown = np.ones_like(truth), np.zeros_like(truth)
whole[0] = False
grown[8:16, 8:16, 8:16] = True
grown[37:49, 37:49, 37:49] = True
for name, marked in (("as they are", truth), ("twice as long", grown), ("all but one slice", whole)):
    found = [float(iou) for iou in iou_per_lesion(truth, marked)]
    expected = by_hand(truth, marked)
    sensitivity, false = ltpr(marked, truth, iou_threshold=0.5), lfdr(marked, truth, iou_threshold=0.5)
    print(f"{name}: IoU of each {found}, by hand {[round(value, 4) for value in expected]}; found {sensitivity}, false marks {false}")
    assert found == [1.0, 1.0] and sensitivity == 1.0
    assert name == "as they are" or max(expected) < 0.13
    assert false == (0.0 if name == "as they are" else 1.0)
x, y, z = np.ogrid[-20:20, -20:20, -20:20]
ball = x**2 + y**2 + z**2 <= 64
found, expected = float(iou_per_lesion(ball, np.ones_like(ball))[0]), float(ball.mean())
print(f"a ball, all marked: IoU {found:.3f}, by hand {expected:.3f}")
assert abs(found - ball.sum() / 17**3) < 1e-9 and found > 0.4 and expected < 0.04
PYTHON
