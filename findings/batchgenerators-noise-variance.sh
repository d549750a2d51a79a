#!/usr/bin/env bash
# batchgenerators takes the variance of its noise for a standard deviation: asked for 100, the Gaussian noise has 10,000.
#
# Library:  batchgenerators 0.25.5 (the augmentation of nnU-Net's first version)
# Expected: `GaussianNoiseTransform(noise_variance=(100, 100))` adds noise with a variance of 100, a standard deviation of 10. Its docstring says
#           "variance is uniformly sampled from that range", that of the Rician noise "variance of Gaussian distribution".
# Instead:  the number that is drawn is handed to NumPy as the standard deviation.
# Seen:     asked for a variance of 100: 9,968, a standard deviation of 99.8; of 0.04: 0.0016, a standard deviation of 0.04
# Matters:  above 1 the noise is stronger than stated, below 1 weaker: 0.04 is a fifth of it. Whoever builds a published augmentation again with
#           another library, from "variance 0 to 0.1" in the paper, adds noise of up to 0.32 where the authors added up to 0.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check batchgenerators==0.25.5 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 scikit-learn==1.9.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from batchgenerators.transforms.noise_transforms import GaussianNoiseTransform

np.random.seed(0)
for asked in (100, 0.04):
    flat = np.full((1, 1, 64, 64, 64), 1000, np.float64)
    noise = GaussianNoiseTransform(noise_variance=(asked, asked))(data=flat)["data"] - 1000
    print(f"asked for a variance of {asked}: {noise.var():.4g}, a standard deviation of {noise.std():.4g}")
    assert abs(noise.std() / asked - 1) < 0.01
PYTHON
