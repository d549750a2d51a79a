#!/usr/bin/env bash
# MONAI's GaussianSmooth takes what is outside of a picture for zero: a map of ones has 0.30 in its corners, and no option says otherwise.
#
# Library:  monai 1.6.1, with torch 2.13.0; beside it scipy 1.17.1 and scikit-image 0.26.0
# Expected: a smoothed map of ones is a map of ones, as in scipy and scikit-image, which mirror or repeat the edge.
# Instead:  GaussianSmooth, and the layer GaussianFilter below it, pad with zeros.
# Seen:     a map of ones, sigma 4, corner, edge, centre: MONAI 0.30 0.55 1.00, scipy 1.00 1.00 1.00, scikit-image 1.00 1.00 1.00;
#           a finding of 1.0 along the edge (8 columns) and one of 0.8 inside, in tissue of 0.5: highest at column 47 by MONAI, 0 by scipy
# Matters:  detectors smooth their anomaly maps with a sigma of 4 and take the highest value as the score. By MONAI whatever lies at the edge of
#           the frame counts about half, and tiles that are smoothed one by one have dark seams.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
from monai.transforms import GaussianSmooth
from scipy.ndimage import gaussian_filter
from skimage.filters import gaussian

SIGMA = 4.0
FILTERS = {
    "MONAI": lambda values: GaussianSmooth(SIGMA)(torch.from_numpy(values)[None])[0].numpy(),
    "scipy": lambda values: gaussian_filter(values, SIGMA),
    "scikit-image": lambda values: gaussian(values, SIGMA),
}

ones = np.ones((64, 64), np.float32)
of_ones = {name: smooth(ones)[[0, 0, 32], [0, 32, 32]] for name, smooth in FILTERS.items()}
print("a map of ones, sigma 4, corner, edge, centre:", ", ".join(f"{name} {' '.join(f'{v:.2f}' for v in at)}" for name, at in of_ones.items()))
assert np.allclose(of_ones["MONAI"], (0.302, 0.550, 1.0), atol=0.01)
assert np.allclose(of_ones["scipy"], 1) and np.allclose(of_ones["scikit-image"], 1)

tissue = np.full((64, 64), 0.5, np.float32)
tissue[16:48, :8] = 1.0
tissue[16:48, 40:56] = 0.8
highest = {name: FILTERS[name](tissue).argmax() % 64 for name in ("MONAI", "scipy")}
print(f"columns of the highest value: MONAI {highest['MONAI']}, scipy {highest['scipy']}; the finding of 1.0 has 0 to 7, that of 0.8 40 to 55")
assert 40 <= highest["MONAI"] < 56 and highest["scipy"] < 8
PYTHON
