#!/usr/bin/env bash
# batchgeneratorsv2's additive brightness takes the mean and the standard deviation for the ends of a range: pictures only ever become brighter.
#
# Library:  batchgeneratorsv2 0.3.6, with torch 2.13.0
# Expected: BrightnessAdditiveTransform(mu=0, sigma=0.5) adds a value "sampled from a Gaussian distribution (mu, sigma)": as often below 0 as above.
# Instead:  with synchronize_channels=True, which is the default, the pair goes to a function that draws evenly between its two values; without
#           it the draw is from the Gaussian. Where sigma is smaller than mu it fails.
# Seen:     1000 draws with mu 0 and sigma 0.5: synchronised from 0.00 to 0.50, mean 0.25, none below 0; not synchronised from -1.49 to 1.81,
#           mean 0.01, 504 below 0
# Matters:  a net trained so has never seen a darker scan, and what it has seen is brighter by 0.25 on average than what it will be shown.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps batchgeneratorsv2==0.3.6  # it asks for more than this part needs
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.brightness import BrightnessAdditiveTransform


def draw(**settings):
    """List what is added to an empty picture, 1000 times."""
    np.random.seed(0)
    torch.manual_seed(0)
    transform = BrightnessAdditiveTransform(mu=0, sigma=0.5, **settings)
    return np.array([transform(image=torch.zeros(1, 2, 2, 2))["image"].mean().item() for _ in range(1000)])


assert "Gaussian" in BrightnessAdditiveTransform.__doc__
together, apart = draw(), draw(synchronize_channels=False)
for name, found in (("synchronised, the default", together), ("not synchronised", apart)):
    print(f"{name}: from {found.min():.2f} to {found.max():.2f}, mean {found.mean():.2f}, {(found < 0).sum()} below 0")
assert together.min() >= 0 and together.max() <= 0.5 and abs(together.mean() - 0.25) < 0.02
assert abs(apart.mean()) < 0.05 and abs(apart.std() - 0.5) < 0.05 and (apart < 0).sum() > 400
PYTHON
