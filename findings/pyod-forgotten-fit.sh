#!/usr/bin/env bash
# Five fitted detectors of PyOD know nothing of what they were fitted to: normal or abnormal cases, the scores of a test set are the same.
#
# Library:  pyod 3.6.7
# Expected: `fit` on normal cases, then `decision_function` on a test set: each case's score says how far it is from what was fitted.
# Instead:  COF, LMDD, LOCI, SOD and SOS compute their scores among the cases of the test set alone. `fit` leaves them a threshold only.
# Seen:     fitted to normal cases and to abnormal ones, the scores of one test set are equal to the last digit. AUROC after a fit to 100
#           normal cases, abnormal ones far from them and close together, 40 of 200 or 160 of 200: COF 0.49 and 0.48, SOD 0.36 and 0.24,
#           kNN, which keeps what it was fitted to, 1.00 and 1.00
# Matters:  the five are in benchmarks beside kNN and LOF, which do learn. What is reported depends on the share of abnormal cases in the
#           test set and on how alike they are, and one case cannot be scored alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyod==3.6.7 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from pyod.models.cof import COF
from pyod.models.knn import KNN
from pyod.models.lmdd import LMDD
from pyod.models.loci import LOCI
from pyod.models.sod import SOD
from pyod.models.sos import SOS
from sklearn.metrics import roc_auc_score

draws = np.random.default_rng(0)


def cases(normal, abnormal):
    """Return normal cases, widely spread, and abnormal ones, far from them and close together."""
    return np.concatenate([draws.normal(0, 1, (normal, 4)), draws.normal(8, 0.3, (abnormal, 4))])


few, many, tiny = cases(160, 40), cases(40, 160), cases(15, 25)
normal, abnormal = cases(100, 0), cases(0, 100)
for name, make in (("COF", COF), ("LMDD", lambda: LMDD(random_state=0)), ("LOCI", LOCI), ("SOD", SOD), ("SOS", SOS), ("kNN", KNN)):
    one, other = (make().fit(fitted[:40]).decision_function(tiny) for fitted in (normal, abnormal))
    equal = np.array_equal(one, other)
    print(f"{name}: fitted to normal or to abnormal cases, the scores are {'equal' if equal else 'different'}")
    assert equal == (name != "kNN")
areas = {}
for name, make in (("COF", COF), ("SOD", SOD), ("kNN", KNN)):
    fitted = make().fit(normal)
    areas[name] = [round(roc_auc_score(np.repeat([0, 1], counts), fitted.decision_function(cases)), 2)
                   for counts, cases in (([160, 40], few), ([40, 160], many))]
    print(f"{name}: AUROC with 40 abnormal cases of 200 {areas[name][0]}, with 160 of 200 {areas[name][1]}")
assert areas["kNN"] == [1, 1] and max(areas["COF"] + areas["SOD"]) < 0.6
PYTHON
