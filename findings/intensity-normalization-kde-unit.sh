#!/usr/bin/env bash
# intensity-normalization divides one T1 image by its white matter where values go from 0 to 1, and by its grey matter where from 0 to 100.
#
# Library:  intensity-normalization 3.0.1
# Expected: KDENormalizer divides an image by its mode of white matter. An image, and the same one times 100, are the same afterwards.
# Instead:  the bandwidth of its density is a number of grey levels, an 80th of the highest, and is handed to SciPy's gaussian_kde, which takes
#           such a number for a multiple of the standard deviation. From 0 to 1 that is 0.01 of it; from 0 to 1000 it is 12 times: three
#           tissues become one hill, whose top, near the mean, is taken for the mode of the brightest tissue.
# Seen:     three tissues at 0.25, 0.55 and 0.85: white matter is 0.99 afterwards; times 100, 1000 or 4000, as scanners give it: 1.60;
#           the mode that was found: 0.86, and 0.53 times the unit
# Matters:  MR images come as whole numbers up to some thousands. There the method divides by about the mean of the brain, lesions and all, and is
#           no tissue-based normalisation any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check intensity-normalization==3.0.1 scikit-fuzzy==0.5.0 nibabel==5.4.2 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from intensity_normalization import KDENormalizer
from intensity_normalization.adapters.images import create_image

draws = np.random.default_rng(0)
brain = np.concatenate([draws.normal(value, 0.04, 10000) for value in (0.25, 0.55, 0.85)]).reshape(30, 100, 10)
white, seen = brain > 0.75, {}
for unit in (1, 100, 1000, 4000):
    normaliser = KDENormalizer()
    after = normaliser.fit_transform(create_image(brain * unit)).get_data()
    seen[unit] = round(float(after[white].mean()), 2), round(normaliser.tissue_mode / unit, 2)
    print(f"values up to {brain.max() * unit:.0f}: white matter is {seen[unit][0]} afterwards, its mode was found at {seen[unit][1]} x {unit}")
assert seen[1] == (0.99, 0.86) and set(list(seen.values())[1:]) == {(1.6, 0.53)}
PYTHON
