#!/usr/bin/env bash
# MONAI's confusion matrix and F score find nothing in masks of booleans: a perfect segmentation has a sensitivity and an F1 of 0, and a Dice of 1.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: "the values should be binarized" is all that is asked of the masks, and `probability > 0.5` is a mask of booleans. MeanIoU, DiceMetric and
#           GeneralizedDiceScore take it as one of 0 and 1.
# Instead:  ConfusionMatrixMetric and FBetaScore look for places where the sum of both masks is 2. The sum of two booleans is a boolean, so that no
#           voxel is ever found: what is right counts as missed, without an error or a warning.
# Seen:     a lesion of 36 of 256 pixels, marked to the pixel
#             masks of float32, uint8   sensitivity 1, precision 1, accuracy 1, F1 1, Dice 1, IoU 1
#             masks of bool             sensitivity 0, precision nan, accuracy 0.859, F1 0, Dice 1, IoU 1
#           one that is marked two pixels too far to the right: sensitivity 0.667 with float32, 0 with bool; specificity 0.945 with both
# Matters:  accuracy and specificity stay plausible, as background is counted rightly. A network looks as if it saw no lesion at all, or the best of
#           several is chosen by a sensitivity that is 0 for each.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import torch
from monai.metrics import ConfusionMatrixMetric, DiceMetric, FBetaScore, MeanIoU

COUNTED = ["sensitivity", "precision", "accuracy", "specificity"]
probability = torch.full((1, 1, 16, 16), 0.1)
probability[..., 5:11, 5:11] = 0.9


def measures(predicted, truth):
    """Each measure of one batch, by its name."""
    counts, f1, dice, iou = ConfusionMatrixMetric(metric_name=COUNTED), FBetaScore(), DiceMetric(), MeanIoU()
    for measure in (counts, f1, dice, iou):
        measure(predicted, truth)
    found = dict(zip(COUNTED, counts.aggregate(), strict=True))
    return {name: float(value) for name, value in (found | {"F1": f1.aggregate()[0], "Dice": dice.aggregate(), "IoU": iou.aggregate()}).items()}


kinds = (torch.float32, torch.uint8, torch.bool)
truth = probability > 0.5
for name, predicted in (("to the pixel", truth), ("two pixels to the right", truth.roll(2, -1))):
    seen = {kind: measures(predicted.to(kind), truth.to(kind)) for kind in kinds}
    for kind, values in seen.items():
        print(f"{name}, {kind}: " + ", ".join(f"{key} {value:.3f}" for key, value in values.items()))
    numbers, booleans = seen[torch.float32], seen[torch.bool]
    assert seen[torch.uint8] == numbers
    share = float((predicted & truth).sum() / truth.sum())
    assert abs(numbers["sensitivity"] - share) < 1e-6 and abs(numbers["F1"] - numbers["Dice"]) < 1e-6
    assert booleans["sensitivity"] == booleans["F1"] == 0
    assert all(booleans[key] == numbers[key] for key in ("specificity", "Dice", "IoU"))
PYTHON
