#!/usr/bin/env bash
# picai_eval leaves the lowest detection out of the lesions found: four of four are a sensitivity of 0, three of four one of 0.75.
#
# Library:  picai_eval 1.4.13 (detection in prostate MRI, the PI-CAI challenge)
# Expected: where every lesion is found and nothing else is marked, `lesion_TPR` is 1 at a false positive rate of 0.
# Instead:  the counts of the last threshold are replaced by those before it and the rate of false marks there is set to infinity. The last
#           threshold is meant to be 0, that of lesions which were missed. Where none was missed it is that of a real detection, which is
#           dropped; and where all have one confidence nothing is left, and the counts are 0.
# Seen:     four of four lesions found, each with confidence 1: TPR at 1 false mark a case 0.00, average precision 1.00
#           four of four, with 0.9, 0.8, 0.7 and 0.6: 0.75, average precision 1.00
#           three of four, with 1, the fourth missed: 0.75, average precision 0.75
# Matters:  thresholded maps have one confidence each. The better network, which finds the last lesion as well, loses its curve.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check picai_eval==1.4.13 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from picai_eval import evaluate

LESION = np.zeros((8, 32, 32), np.int32)
LESION[2:5, 10:16, 10:16] = 1


def measured(name, confidences):
    """Evaluate one case for each confidence with which its lesion is marked (0: missed), and four healthy cases without a mark."""
    healthy = [np.zeros(LESION.shape)] * 4
    marks = [LESION * float(confidence) for confidence in confidences] + healthy
    result = evaluate(y_det=marks, y_true=[LESION] * len(confidences) + healthy, num_parallel_calls=1)
    found = result.lesion_TPR_at_FPR(1.0)
    print(f"{name}: TPR at 1 false mark a case {found:.2f}, average precision {result.AP:.2f}, AUROC {result.auroc:.2f}")
    return found, round(result.AP, 6)


assert measured("four of four with confidence 1", [1, 1, 1, 1]) == (0, 1)
assert measured("four of four, 0.9 to 0.6", [0.9, 0.8, 0.7, 0.6]) == (0.75, 1)
assert measured("three of four with confidence 1", [1, 1, 1, 0]) == (0.75, 0.75)
PYTHON
