#!/usr/bin/env bash
# MONAI's FROC leaves the detection of the lowest probability out: a detector that finds every lesion without a false mark has less than 1.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: four lesions, each found, no false mark: sensitivity 1.0 at no false positive per image, and so a FROC score of 1.0.
# Instead:  the curve begins at the second lowest of the probabilities, so that what has the lowest one is found at no point of it.
# Seen:     four found with 0.9, 0.8, 0.7, 0.6: score 0.75; all four with 0.9: score 0.00; one lesion, found: score 0.00;
#           the first four and one false mark at 0.1 on top: score 1.00
# Matters:  one false mark more makes the score better; marks that have one probability (a binary mask, a saturated net) score 0, and small
#           test sets, which lesion-wise studies are, lose most.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.metrics import compute_fp_tp_probs, compute_froc_curve_data, compute_froc_score

mask = np.zeros((8, 80), int)  # lesions 1 to 4, each 4 x 4 pixels
for label in range(1, 5):
    mask[2:6, 20 * label - 18 : 20 * label - 14] = label


def score(found, wrong=()):
    """One image, a mark in the middle of each of the first lesions, and marks where there is none."""
    x = [20 * label + 4 for label in range(len(found))] + [12] * len(wrong)
    y = [4] * len(x)
    targets = mask if len(found) == 4 else np.where(mask <= len(found), mask, 0)
    false, true, lesions = compute_fp_tp_probs(np.array([*found, *wrong]), np.array(y), np.array(x), targets)
    assert lesions == len(found) and len(true) == len(found) and len(false) == len(wrong)
    return compute_froc_score(*compute_froc_curve_data(false, true, lesions, 1))


steps, same = score([0.9, 0.8, 0.7, 0.6]), score([0.9] * 4)
one, worse = score([0.9]), score([0.9, 0.8, 0.7, 0.6], [0.1])
print(f"four found with 0.9, 0.8, 0.7, 0.6: score {steps:.2f}; all four with 0.9: score {same:.2f}; one lesion, found: score {one:.2f};")
print(f"the first four and one false mark at 0.1 on top: score {worse:.2f}")
assert (steps, same, one, worse) == (0.75, 0, 0, 1)
PYTHON
