#!/usr/bin/env bash
# torchmetrics' segmentation metrics take masks of one channel in float for all foreground: Dice 1.0 whatever was predicted.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0
# Expected: masks of 0 and 1 give the same Dice as float32 and as bool. One class, or regions that lie in one another (whole tumour, its core,
#           what takes up contrast), are what `num_classes=1` and the examples of the documentation, whose channels overlap, allow.
# Instead:  any float tensor goes through an argmax over its channels, without a threshold and without a warning: of one channel that is always
#           the first, so that both masks are the whole picture; of regions within one another it is always the outermost.
# Seen:     a lesion marked in the other corner
#             bool      Dice 0.0, IoU 0.0, generalised Dice 0.0, Hausdorff distance 45.3
#             float32   Dice 1.0, IoU 1.0, generalised Dice 1.0, Hausdorff distance 0.0
#           of three regions in one another only the outermost marked: mean Dice 0.33 as bool, 1.00 as float32
# Matters:  `(probability > 0.5).float()` is how masks leave most training loops, and MONAI wants them so. A net that finds no lesion at all has
#           a perfect Dice, from the first epoch on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import torch
from torchmetrics.segmentation import DiceScore, GeneralizedDiceScore, HausdorffDistance, MeanIoU


def disc(radius, row=32, column=32):
    """Return a disc in a picture of 64 x 64 pixels."""
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


truth, elsewhere = disc(8, 16, 16)[None, None], disc(8, 48, 48)[None, None]
found = {}
for kind in (torch.bool, torch.float32):
    metrics = [kind_of(num_classes=1, include_background=True) for kind_of in (DiceScore, MeanIoU, GeneralizedDiceScore, HausdorffDistance)]
    found[kind] = [float(metric(elsewhere.to(kind), truth.to(kind))) for metric in metrics]
    dice, iou, general, distance = found[kind]
    print(f"a lesion marked in the other corner, {kind}: Dice {dice:.1f}, IoU {iou:.1f}, generalised Dice {general:.1f}, Hausdorff {distance:.1f}")
assert found[torch.bool][:3] == [0, 0, 0] and found[torch.bool][3] > 40 and found[torch.float32] == [1, 1, 1, 0]

truth = torch.stack([disc(radius) for radius in (24, 16, 8)])[None]  # whole tumour, core, what takes up contrast
whole = truth * torch.tensor([True, False, False])[:, None, None]
for kind, expected in ((torch.bool, 1 / 3), (torch.float32, 1)):
    dice = float(DiceScore(num_classes=3)(whole.to(kind), truth.to(kind)))
    print(f"of three regions in one another only the outermost marked, {kind}: mean Dice {dice:.2f}")
    assert abs(dice - expected) < 1e-6
PYTHON
