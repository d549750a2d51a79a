#!/usr/bin/env bash
# scikit-learn's Ledoit-Wolf covariance of two samples is not shrunk at all, and calls a point far away the most normal of all.
#
# Library:  scikit-learn 1.9.1, with numpy 2.4.6
# Expected: the estimator is made for fewer samples than features ("well-conditioned" in the title of its paper): what it returns can be
#           inverted, and the fewer samples there are, the more it shrinks. OAS of the same module shrinks two samples all the way.
# Instead:  two samples lie alike on both sides of their mean, so that the estimated error of their covariance is 0, and with it the
#           shrinkage. The covariance has rank 1; its pseudo-inverse ignores every direction but the line through both samples.
# Seen:     samples (0, 0, 0) and (1, 2, 2): shrinkage 0, rank 1; a point 1,414 to the side of the line through them has a squared Mahalanobis
#           distance of 0 (of other samples NaN, by rounding), either sample itself 1. With (2, 0, 1) as a third the shrinkage is 0.72 and
#           the point at 3.6e6; by OAS two samples have a shrinkage of 1 and the point is at 2.7e6.
# Matters:  few-shot detectors (PaDiM, deep feature modelling) fit such Gaussians to a handful of normal frames, and a cross-validation or
#           a position that few frames show leaves two of them. No error, no warning: whatever is not on the line is scored as normal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from sklearn.covariance import OAS, LedoitWolf

samples = np.array([[0.0, 0, 0], [1, 2, 2], [2, 0, 1]])
two = samples[:2]
far = two.mean(axis=0) + [0, 1000, -1000]  # at right angles to the line through both

found = {}
for name, given, estimator in (("LedoitWolf", two, LedoitWolf()), ("OAS", two, OAS()), ("LedoitWolf of three", samples, LedoitWolf())):
    estimator.fit(given)
    rank = int(np.linalg.matrix_rank(estimator.covariance_))
    distances = estimator.mahalanobis([far, given[0]])
    found[name] = (float(estimator.shrinkage_), rank, *map(float, distances))
    print(f"{name}: shrinkage {abs(estimator.shrinkage_):.2f}, rank {rank}, far point {distances[0]:.3g}, first sample {distances[1]:.3g}")

share, rank, far_away, sample = found["LedoitWolf"]
assert abs(share) < 1e-9 and rank == 1 and abs(far_away) < 1e-6 and abs(sample - 1) < 1e-6
share, rank, far_away, sample = found["OAS"]
assert share > 0.99 and rank == 3 and far_away > 1e6
share, rank, *_ = found["LedoitWolf of three"]
assert share > 0.5 and rank == 3
PYTHON
