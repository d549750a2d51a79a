#!/usr/bin/env bash
# MONAI's F score ignores `compute_sample`: nine of ten patients' lesions are missed, and the mean of the patients' scores is 0.96 instead of 0.10.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: `FBetaScore.aggregate(compute_sample=True)` is the mean of each patient's score, as it is of ConfusionMatrixMetric with "f1 score", whose
#           documentation says that "each sample's metric will be computed based on each confusion matrix first".
# Instead:  the argument is looked at nowhere. The counts of all patients, and of all classes with the usual reduction "mean", are added first, so
#           that large lesions and the background decide; `reduction="none"` alone keeps patients apart.
# Seen:     ten patients, one lesion of 400 pixels that is found and nine of 4 that are not
#             F1 of ConfusionMatrixMetric   all counts together 0.957, compute_sample=True 0.100
#             F1 of FBetaScore              all counts together 0.957, compute_sample=True 0.957; by patient 1 and nine times 0
#           with the background as first class: 0.996 with compute_sample=True, by hand 0.549
# Matters:  a mean over patients is what is reported beside a mean Dice, to which F1 is equal for each patient. Here a network that finds one lesion
#           of ten looks better than one that finds all of them by half.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import torch
from monai.metrics import ConfusionMatrixMetric, DiceMetric, FBetaScore

truth = torch.zeros(10, 1, 32, 32)
truth[0, :, :20, :20] = 1
truth[1:, :, :2, :2] = 1
found = truth.clone()
found[1:] = 0
with_background = [torch.cat([1 - mask, mask], dim=1) for mask in (found, truth)]


def means(predicted, wanted):
    """The two classes' means, with compute_sample and without, and the scores of each patient and class."""
    f1, counts, dice = FBetaScore(), ConfusionMatrixMetric(metric_name="f1 score"), DiceMetric(reduction="none")
    for measure in (f1, counts, dice):
        measure(predicted, wanted)
    single = f1.aggregate(reduction="none")[0]
    assert torch.allclose(single, dice.aggregate())
    both = [[float(measure.aggregate(compute_sample=each)[0]) for each in (False, True)] for measure in (f1, counts)]
    return *both, single


f1, counts, single = means(found, truth)
print(f"FBetaScore: together {f1[0]:.3f}, compute_sample {f1[1]:.3f}; ConfusionMatrixMetric: {counts[0]:.3f} and {counts[1]:.3f}")
print("each patient:", single[:, 0].tolist())
assert abs(counts[1] - float(single.mean())) < 1e-6 and counts[1] < 0.11
assert f1[0] == f1[1] == counts[0] and abs(f1[1] - 800 / (800 + 36)) < 1e-6
f1, counts, single = means(*with_background)
print(f"two classes: FBetaScore with compute_sample {f1[1]:.3f}, ConfusionMatrixMetric {counts[1]:.3f}, by hand {float(single.mean()):.3f}")
assert f1[0] == f1[1] > 0.99 and abs(counts[1] - float(single.mean())) < 1e-6 < f1[1] - 0.4
PYTHON
