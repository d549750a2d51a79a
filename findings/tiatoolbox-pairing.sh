#!/usr/bin/env bash
# TIAToolbox pairs marks with nuclei by all distances and drops the far pairs afterwards: a false mark elsewhere undoes right ones.
#
# Library:  tiatoolbox 2.1.3, with scipy 1.17.1
# Expected: `f1_detection` pairs a mark with a nucleus where it lies within the radius, as well as can be. A false mark more costs precision and
#           leaves the pairs as they are.
# Instead:  the sum of all distances is made as small as can be first, those far beyond the radius too; then pairs outside of it are thrown away.
#           Where a mark is far off, it is cheaper to hand each of the others on to the next nucleus.
# Seen:     10 nuclei in a row, 10 pixels apart; radius 6
#             nuclei 2 to 10 marked to a pixel                                  9 pairs, F1 0.95
#             the same, and a false mark 300 pixels behind the last nucleus     0 pairs, F1 0.00
# Matters:  detection scores of nuclei, mitoses and lesions hang on marks that lie far away, and on how the slide is cut into tiles. What is
#           called missed and false lies where it was found.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps tiatoolbox==2.1.3  # the whole asks for 100 packages
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import sysconfig

import numpy as np

# the file alone, as the package imports all that it asks for
spec = importlib.util.spec_from_file_location("metrics", sysconfig.get_path("purelib") + "/tiatoolbox/utils/metrics.py")
metrics = importlib.util.module_from_spec(spec)
spec.loader.exec_module(metrics)

RADIUS = 6
nuclei = np.array([(10.0 * index, 50.0) for index in range(10)])
marks = nuclei[1:] - (1, 0)  # each within a pixel of a nucleus, the first nucleus is missed
stray = np.vstack([marks, (390.0, 50.0)])
seen = []
for name, marked in (("nuclei 2 to 10 marked", marks), ("and a false mark far away", stray)):
    near = np.linalg.norm(nuclei[:, None] - marked[None], axis=2) <= RADIUS
    assert near.sum() == 9 and near.sum(0).max() == near.sum(1).max() == 1  # there is one way to pair, with 9 pairs
    pairs, missed, false = metrics.pair_coordinates(nuclei, marked, RADIUS)
    seen.append((len(pairs), round(float(metrics.f1_detection(nuclei, marked, RADIUS)), 2)))
    print(f"{name}: {len(pairs)} pairs, {len(missed)} nuclei missed, {len(false)} marks false, F1 {seen[-1][1]:.2f}")
assert seen == [(9, 0.95), (0, 0.0)]
PYTHON
