#!/usr/bin/env bash
# PyOD's LODA looks a value up in the bin to the right of its own: the fullest bin gets the score of an almost empty one.
#
# Library:  pyod 3.6.7
# Expected: the score of a value under LODA's histograms is minus the logarithm of how full its bin is.
# Instead:  the bin is found among the edges but the first counts as one, so that each value but the lowest has the next bin's score, in
#           training and afterwards. The last bin stands for itself, and is taken for all that lies beyond it, however far.
# Seen:     9901 of 10,000 values in the first of ten bins and about 10 in each other, one cut: the first bin scores 7.01, as it should be for the
#           second, where by hand it has 0.01; the last but one scores as the last. Values of the first bin against those of the second, 100
#           cuts, ten seeds: AUROC 0.00, by hand 1.00
# Matters:  the detector looks sound on data that are smooth, and finds less where normal values lie close together, as those of a
#           bounded or nearly constant feature do. More cuts do not help: half of them look to the one side and half to the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyod==3.6.7 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from pyod.models.loda import LODA
from sklearn.metrics import roc_auc_score

draw = np.random.default_rng(0)


def by_hand(model, values):
    """The same cuts and histograms, each value looked up in the bin that it lies in."""
    score = np.zeros(len(values))
    for cut, edges, shares in zip(model.projections_, model.limits_, model.histograms_, strict=True):
        score -= np.log(shares[np.clip(np.searchsorted(edges, values @ cut, side="right") - 1, 0, len(shares) - 1)])
    return score / model.n_random_cuts**2


train = np.concatenate([draw.uniform(0, 1, 9900), draw.uniform(1, 10, 98), [0, 10]])[:, None]
print("training values in the ten bins:", np.histogram(train, 10)[0].tolist())
centres = np.arange(0.5, 10)[:, None]
single = LODA(random_state=0, n_random_cuts=1).fit(train)
assert single.projections_[0, 0] > 0  # the bins from left to right
scores, right = single.decision_function(centres), by_hand(single, centres)
print("scores of their centres, one cut: pyod", scores.round(2).tolist(), "by hand", right.round(2).tolist())
normal, odd = draw.uniform(0, 1, (500, 1)), draw.uniform(1, 2, (500, 1))
test, truth = np.concatenate([normal, odd]), np.repeat([0, 1], 500)
aurocs = []
for seed in range(10):
    model = LODA(random_state=seed).fit(train)
    aurocs.append([roc_auc_score(truth, score) for score in (model.decision_function(test), by_hand(model, test))])
lowest, highest = np.min(aurocs, axis=0), np.max(aurocs, axis=0)
print(f"0 to 1 against 1 to 2, ten seeds: AUROC pyod {lowest[0]:.2f} to {highest[0]:.2f}, by hand {lowest[1]:.2f} to {highest[1]:.2f}")
assert np.allclose(scores[:-1], right[1:]) and scores[-1] == right[-1] and right[0] < 0.02
assert lowest[1] > 0.99 and lowest[0] < 0.1
PYTHON
