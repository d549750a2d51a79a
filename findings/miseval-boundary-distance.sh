#!/usr/bin/env bash
# miseval's boundary distance of a mask to itself is not 0 but grows with its size: each point of one outline is compared with all of the other.
#
# Library:  miseval 1.3.0, with scikit-image 0.26.0
# Expected: "distance of segmentation boundaries between ground truth and prediction", by default their mean: 0 for the same mask, and larger the
#           further the prediction is off.
# Instead:  the mean is taken over all pairs of points, not over the nearest ones, so that it is about 1.27 times the radius of a disc. A
#           prediction that is too small is nearer than the right one.
# Seen:     disc of radius 5, marked exactly: 6.5; of radius 10: 12.8; of radius 10, but marked with a radius of 4: 10.5
# Matters:  a perfect segmentation cannot be told from a poor one, large lesions are worse than small ones, and what is minimised is an outline
#           shrunk to a point in the middle.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    miseval==1.3.0 hausdorff==0.2.6 dictances==1.5.3 numba==0.68.1 MedPy==0.5.2 \
    scikit-image==0.26.0 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from miseval import evaluate

far = np.sqrt(((np.indices((41, 41)) - 20) ** 2).sum(0))
found = {}
for radius, marked in ((5, 5), (10, 10), (10, 4)):
    truth, prediction = (far <= radius).astype(int), (far <= marked).astype(int)
    found[radius, marked] = float(evaluate(truth, prediction, metric="BoundaryDistance"))
    print(f"disc of radius {radius}, marked with a radius of {marked}: boundary distance {found[radius, marked]:.1f}")
assert found[10, 10] > 1.8 * found[5, 5] > 9 and found[10, 4] < found[10, 10] - 1
PYTHON
