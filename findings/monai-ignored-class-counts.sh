#!/usr/bin/env bash
# MONAI's `ignore_index` leaves the ignored voxels out of Dice and counts them in IoU, precision and specificity: Dice 1.00 beside an IoU of 0.33.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: "voxels with this label are excluded from the score", as DiceMetric and ConfusionMatrixMetric document in the same words; the two
#           scores of one mask then keep to IoU = Dice / (2 - Dice).
# Instead:  for a class of the one-hot labels MeanIoU and ConfusionMatrixMetric only empty that class's own channel. What the other classes
#           mark there is a false alarm. Only for a number beyond the classes, with all channels 0 there, are the voxels left out.
# Seen:     a lesion of 64 pixels found to the pixel, and 128 that nobody could tell called a lesion
#             class 2 ignored          Dice 1.00, IoU 0.33, precision 0.33, specificity 0.867
#             class 255, channels 0    Dice 1.00, IoU 1.00, precision 1.00, specificity 1.000
# Matters:  the class to ignore is what readers could not tell or did not mark, and a network has to mark it as something. Its IoU, precision and
#           false alarms get worse by that alone, and DiceMetric on the same batch says that nothing is wrong.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import torch
from monai.metrics import ConfusionMatrixMetric, DiceMetric, MeanIoU
from torch.nn.functional import one_hot

truth = torch.zeros(1, 32, 32, dtype=torch.long)
truth[:, 4:12, 4:12] = 1  # a lesion of 64 pixels
truth[:, 20:28, 4:20] = 2  # 128 pixels that readers could not tell
found = truth.clone()
found[truth == 2] = 1  # the lesion is found to the pixel, and what nobody could tell is called a lesion


def channels(labels):
    """Return one channel for each class."""
    return one_hot(labels, 3).movedim(-1, 1).float()


def measured(ignored, truth, found):
    """Return Dice, IoU, precision and specificity of the lesion."""
    options = {"include_background": True, "reduction": "none", "ignore_index": ignored}
    rates = ConfusionMatrixMetric(metric_name=["precision", "specificity"], compute_sample=True, **options)
    rates(found, truth)
    values = [metric(found, truth) for metric in (DiceMetric(**options), MeanIoU(**options))] + rates.aggregate()
    return [float(value[0, 1]) for value in values]


told = truth != 2
true, false = int((found[told & (truth == 1)] == 1).sum()), int((found[told & (truth == 0)] == 1).sum())
print(f"pixels that could be told: {true} of 64 of the lesion found, {false} false")
without = channels(truth) * torch.tensor([1, 1, 0])[:, None, None]
lines = {"class 2 ignored": measured(2, channels(truth), channels(found)), "class 255, channels 0": measured(255, without, channels(found))}
for name, (dice, iou, precision, specificity) in lines.items():
    print(f"{name}: Dice {dice:.2f}, IoU {iou:.2f}, precision {precision:.2f}, specificity {specificity:.3f}")
assert lines["class 255, channels 0"] == [1, 1, 1, 1]
dice, iou, precision, specificity = lines["class 2 ignored"]
assert dice == 1 and max(iou, precision) < 0.34 and specificity < 0.9
PYTHON
