#!/usr/bin/env bash
# netcal counts bins that are left out for having too few samples as perfectly calibrated: the average calibration error goes from 0.20 to 0.04.
#
# Library:  netcal 1.4.0, with torch 2.13.0 and scipy 1.17.1
# Expected: "bins with an amount of samples below this threshold are not included into the miscalibration metrics": the average error is that of
#           the bins that are left.
# Instead:  accuracy and confidence of such a bin become 0, so its error is 0, and it is counted all the same: in the number of bins that ACE
#           divides by, and in the number of samples of ECE.
# Seen:     10 bins, each off by 0.20; two of them hold 2000 samples, eight 5
#             sample_threshold=1    ACE 0.200, ECE 0.200
#             sample_threshold=10   ACE 0.040, ECE 0.198; of the two bins that are left 0.200
# Matters:  the threshold is there to make the measure robust, and makes each detector look better the fewer samples it has; with all bins
#           below the threshold, a small test set, the error is 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 pandas==3.1.1 scikit-learn==1.9.1 scipy==1.17.1 tqdm==4.70.1 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps netcal==1.4.0  # the rest is for fitting and drawing
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from netcal.metrics.confidence import ACE, ECE

confidences, labels = [], []
for tenth in range(10):
    count = 2000 if tenth in (0, 9) else 5
    confidence = tenth / 10 + 0.05
    right = confidence + (0.2 if confidence < 0.5 else -0.2)
    if count == 5:  # whole numbers of 5: put the confidence, within its bin, where it is off by 0.2 as well
        right = round(5 * right) / 5
        confidence = right + (-0.2 if confidence < 0.5 else 0.2)
        confidence += 0.0001 if confidence < tenth / 10 + 0.05 else -0.0001
    assert tenth / 10 <= confidence <= tenth / 10 + 0.1
    confidences += [confidence] * count
    labels += [int(index < round(right * count)) for index in range(count)]
confidences, labels = np.array(confidences), np.array(labels)
found = {}
for threshold in (1, 10, 5000):
    found[threshold] = [float(measure(10, sample_threshold=threshold).measure(confidences, labels)) for measure in (ACE, ECE)]
    print(f"sample_threshold={threshold}: ACE {found[threshold][0]:.3f}, ECE {found[threshold][1]:.3f}")
many = np.isin(confidences, (0.05, 0.95))
left = float(ACE(10).measure(confidences[many], labels[many]))
print(f"of the two bins with 2000 samples: ACE {left:.3f}")
assert abs(found[1][0] - 0.2) < 0.001 and abs(left - 0.2) < 0.001 and abs(found[10][0] - 0.04) < 0.001
assert found[10][1] < found[1][1] and found[5000] == [0, 0]
PYTHON
