#!/usr/bin/env bash
# DIPY's bootstrap draws the first and the last case half as often as the others, and the middle third of 100,000 never.
#
# Library:  dipy 1.12.1, with numpy 2.4.6 and scipy 1.17.1
# Expected: "uniform weighting among all samples (1/n)", as the docs of `bootstrap` say: the standard error of a mean is that which scipy's
#           bootstrap finds, about the deviation divided by the root of n.
# Instead:  random numbers from 0 to n - 1 are rounded to places, so that half as much goes to either end, and places are kept in 16 bits:
#           above 32,767 they run over into negative ones, which count from the end.
# Seen:     eight cases, 1 to 8: 1 and 8 are 7 % of the draws each, the others 14 %; standard error of the mean 0.71, by scipy 0.80
#           100,000 values, of which the 30,000 in the middle are 1, the others 0: means of 20 draws 0.000, by numpy 0.30
# Matters:  tables are mostly sorted, by size of the lesion or by score, so that the extremes are those that are missed and intervals come out
#           too narrow; of the voxels of a region those of the slices in its middle are left out of every draw.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dipy==1.12.1 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from dipy.stats.resampling import bootstrap
from scipy.stats import bootstrap as reference

cases = np.arange(1, 9.0)  # eight lesions by size
drawn = np.zeros(len(cases))


def count(sample):
    """Mean of a sample; what it is made of is counted on the way, in the draws alone, which hold no other values."""
    if np.isin(sample, cases).all():
        np.add.at(drawn, sample.astype(int) - 1, 1)
    return sample.mean()


made, error, _ = bootstrap(cases, statistic=count, B=2000, rng=np.random.default_rng(0))
known = reference((cases,), np.mean, n_resamples=2000, rng=np.random.default_rng(0), method="percentile").standard_error
share = drawn / drawn.sum()
print(f"8 cases: shares of the draws {share.round(3)}; standard error dipy {error:.3f}, scipy {known:.3f}, by hand "
      f"{cases.std() / np.sqrt(len(cases)):.3f}")
assert np.allclose(share, np.array([1, 2, 2, 2, 2, 2, 2, 1]) / 14, atol=0.01) and error < 0.9 * known

many = np.zeros(100_000)
many[35_000:65_000] = 1  # what lies in the middle
made = []


class Enough(Exception):
    """Raised after 20 draws: the interval, which DIPY makes of derivatives and not of the draws, takes hours for 100,000 values."""


def mean(sample):
    if len(made) == 20:
        raise Enough
    made.append(sample.mean())
    return made[-1]


try:
    bootstrap(many, statistic=mean, B=20, rng=np.random.default_rng(0))
except Enough:
    pass
draw = np.random.default_rng(0)
known = [many[draw.integers(0, len(many), len(many))].mean() for _ in range(20)]
print(f"100,000 values, 30 % of them 1 and in the middle: their share in 20 draws {min(made):.3f} to {max(made):.3f} by dipy, "
      f"{min(known):.3f} to {max(known):.3f} by numpy")
assert max(made) == 0 and min(known) > 0.29
PYTHON
