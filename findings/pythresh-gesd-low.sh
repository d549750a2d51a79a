#!/usr/bin/env bash
# pythresh's GESD threshold calls every case abnormal as soon as one score is unusually low.
#
# Library:  pythresh 1.1.1, with scikit-learn 1.9.1
# Expected: GESD looks for scores that lie too far above the mean, max(x - mean) / sigma in the docs, and puts the threshold at the
#           lowest of them: a case that is more normal than all others changes nothing.
# Instead:  it takes the distance to either side. The score that is unusually low counts as found, and the threshold is put there, below
#           all others.
# Seen:     500 normal scores and five high ones: five abnormal; the same with one score far below: 506 of 506, and the threshold is 0
# Matters:  likelihoods and distances have such tails, an empty or dark frame is enough: one of them in a set of hundreds, and the whole set
#           is reported as abnormal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps pythresh==1.1.1
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from pythresh.thresholds.gesd import GESD
from scipy.stats import t

draw = np.random.default_rng(0)
scores = np.concatenate([draw.normal(10, 1, 500), [18, 19, 20, 21, 22]])
called = {}
for name, given in (("500 normal scores and 5 high ones", scores), ("and one far below", np.append(scores, 1.0))):
    rule = GESD()
    called[name] = int(rule.eval(given).sum())
    print(f"{name}: {called[name]} of {len(given)} abnormal, threshold {rule.thresh_:.3f} of the range of the scores")
assert [*called.values()] == [5, 506]
left, found = np.append(scores, 1.0), []  # by the formula of the docs: the largest alone, again and again
for _ in range(20):
    count = len(left)
    quantile = t.ppf(1 - 0.05 / (2 * count), count - 2)
    far = (left.max() - left.mean()) / left.std()
    if far > (count - 1) * quantile / np.sqrt(count * (count - 2 + quantile**2)):
        found.append(left.max())
    left = np.delete(left, left.argmax())
print(f"by max(x - mean) / sigma: {len(found)} abnormal, the lowest of them {min(found):.0f}")
assert sorted(found) == [18, 19, 20, 21, 22]
PYTHON
