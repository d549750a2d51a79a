#!/usr/bin/env bash
# platipy's specificity is measured in the box around both masks: one false voxel more, far away, makes it better.
#
# Library:  platipy 0.7.2, with SimpleITK 2.5.7
# Expected: specificity is the share of what is not the organ that is left unmarked; more false voxels lower it. The docstring of
#           `compute_metric_specificity` names two masks and "the specificity between the two labels".
# Instead:  both masks are first cut to the smallest box that holds them, by an argument, `auto_crop=True`, that the docstring does not have.
#           What is counted as correctly left out is the corners of that box. Dice and sensitivity do not change by such a cut, and share it.
# Seen:     a ball of radius 8 in 64 x 64 x 64 voxels, marked with radius 9: specificity 0.797; the same and one false voxel in a corner of the
#           picture: 0.987; in the whole picture: 0.996 both times
# Matters:  the numbers cannot be compared with those of another program, nor with one another from case to case, and rank methods that
#           leave stray voxels first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    SimpleITK==2.5.7 scikit-image==0.26.0 matplotlib==3.11.2 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps platipy==0.7.2  # the rest is for servers and registration
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from platipy.imaging.label.comparison import compute_metric_specificity

far = np.sqrt(((np.indices((64, 64, 64)) - 32) ** 2).sum(0))
truth, larger = (far <= 8).astype(np.uint8), (far <= 9).astype(np.uint8)
stray = larger.copy()
stray[0, 0, 0] = 1
found = []
for name, marked in (("marked with radius 9", larger), ("and one voxel in a corner", stray)):
    pair = sitk.GetImageFromArray(truth), sitk.GetImageFromArray(marked)
    cut, whole = compute_metric_specificity(*pair), compute_metric_specificity(*pair, auto_crop=False)
    by_hand = float((marked[truth == 0] == 0).mean())
    print(f"{name}: specificity {cut:.3f}, without the cut {whole:.4f}, by hand {by_hand:.4f}")
    assert abs(whole - by_hand) < 1e-9 and "auto_crop" not in compute_metric_specificity.__doc__
    found.append((cut, whole))
assert found[0][0] < 0.8 and found[1][0] > 0.98 and found[0][1] > found[1][1] > 0.99
PYTHON
