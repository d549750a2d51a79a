#!/usr/bin/env bash
# torchmetrics' generalised Dice of a picture depends on the pictures beside it in the batch, and ignores false lesions where it is alone.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0
# Expected: the score is one number for each picture, as in the documentation's formula, and their mean for several. Classes that a picture lacks,
#           whose weight would be infinite, take the largest weight of the picture's other classes, as in MONAI; what is marked in vain counts.
# Instead:  they take the largest weight that the class has in the batch, looked up in the wrong order of classes and pictures. Alone in
#           its batch, or with none that has the lesion, the weight is 0.
# Seen:     a healthy picture with half of it marked 0.667, by hand 0.500; an ill one that is right to the pixel 1.000 and 1.000
#           both in batches of one 0.833, in one batch 0.748, with the ill one first 0.500; by hand 0.750
# Matters:  healthy pictures are where generalised Dice is meant to be stable. With another batch size, or another order of the same test set,
#           the same predictions have another score, and what is marked in a healthy picture costs too little or all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from torchmetrics.segmentation import GeneralizedDiceScore


def picture(rows, columns):
    """Return labels of 32 x 32 pixels with a lesion in the first corner."""
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    labels[:, :rows, :columns] = 1
    return labels


def by_hand(prediction, truth):
    """Return the score of one picture: what it lacks weighs as much as the heaviest class that it has."""
    sizes = torch.bincount(truth.flatten(), minlength=2).double()
    weights = torch.where(sizes > 0, sizes**-2, 0)
    weights[sizes == 0] = weights.max()
    common = torch.bincount(truth[truth == prediction], minlength=2)
    return float(2 * (weights * common).sum() / (weights * (sizes + torch.bincount(prediction.flatten(), minlength=2))).sum())


healthy = (picture(16, 32), picture(0, 0))  # prediction and truth: half of a healthy picture is marked
ill = (picture(4, 4), picture(4, 4))  # a lesion of 16 pixels, found to the pixel


def score(*batches):
    """Return the score of pictures that come in batches."""
    metric = GeneralizedDiceScore(num_classes=2, input_format="index")
    for batch in batches:
        metric.update(*(torch.cat(labels) for labels in zip(*batch)))
    return float(metric.compute())


apart, together, turned = score([healthy], [ill]), score([healthy, ill]), score([ill, healthy])
print(f"a healthy picture, half of it marked: {score([healthy]):.3f}, by hand {by_hand(*healthy):.3f}")
print(f"an ill one, right to the pixel: {score([ill]):.3f}, by hand {by_hand(*ill):.3f}")
mean = (by_hand(*healthy) + by_hand(*ill)) / 2
print(f"both in batches of one: {apart:.3f}; in one batch: {together:.3f}, the ill one first: {turned:.3f}; by hand {mean:.3f}")
assert abs(score([ill]) - by_hand(*ill)) < 1e-6 and score([healthy]) - by_hand(*healthy) > 0.1
assert apart - mean > 0.05 and mean - turned > 0.2 and together - turned > 0.2
PYTHON
