#!/usr/bin/env bash
# seg-metrics gives a lesion that is missed a Hausdorff distance of 0, and a surface distance of 0: better than one that is found.
#
# Library:  seg-metrics 1.2.8
# Expected: without a prediction there is no distance: NaN, infinite, or the size of the picture, as others have it.
# Instead:  where a mask is empty the map of distances to it is filled with zeros, and the distances of the other mask's surface are
#           read from it. A warning tells of precision and recall alone.
# Seen:     a cube of 10 voxels a side, 1 mm: missed: Dice 0.00, HD 0.00, HD95 0.00, mean surface distance 0.00; moved by 2 voxels:
#           Dice 0.80, HD 2.00, HD95 2.00, mean surface distance 0.69; a cube where there is none: 0.00 for all distances
# Matters:  the mean over a test set goes down with each lesion that a network misses. One that marks nothing at all wins by HD95.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pandas==3.1.1 SimpleITK==2.5.7 matplotlib==3.11.2 pingouin==0.7.0 tabulate==0.10.0 tqdm==4.70.1
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps seg-metrics==1.2.8 medutils==0.1.21
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from seg_metrics.seg_metrics import write_metrics

lesion = np.zeros((24, 24, 24), int)
lesion[6:16, 6:16, 6:16] = 1
nothing = np.zeros_like(lesion)
seen = {}
for name, truth, prediction in (
    ("found, moved by 2", lesion, np.roll(lesion, 2, axis=0)),
    ("missed", lesion, nothing),
    ("marked where there is none", nothing, lesion),
):
    found = write_metrics(labels=[1], gdth_img=truth, pred_img=prediction, spacing=[1.0, 1.0, 1.0])
    found = found[0] if isinstance(found, list) else found
    seen[name] = [round(float(found[key][0]), 2) for key in ("dice", "hd", "hd95", "msd")]
    print(f"{name}: Dice, HD, HD95 and mean surface distance {seen[name]}")
assert seen["missed"] == seen["marked where there is none"] == [0, 0, 0, 0]
assert seen["found, moved by 2"] == [0.8, 2, 2, 0.69]
PYTHON
