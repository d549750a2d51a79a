#!/usr/bin/env bash
# batchgeneratorsv2's local changes of brightness, contrast and gamma come from one side: with a centre before the picture nothing happens.
#
# Library:  batchgeneratorsv2 0.3.6, with torch 2.13.0 and scipy 1.17.1
# Expected: the centre of the bell lies anywhere from a picture's length before the picture to one behind it, by default; a bell as far before it
#           as another is behind it gives the mirror image.
# Instead:  the bell is the difference of neighbouring values of its distribution function. Behind the picture these are tiny numbers that
#           float64 has; before it they are 1 minus a tiny number, which is 1. The difference is 0, or a few steps of rounding.
# Seen:     256 x 256 pixels, a scale of 25 pixels ("e.g. 10-30"), max_strength 1
#             centre 0.9 lengths behind   change from 0.00 to 1.00
#             centre 0.9 lengths before   change from 0.00 to 0.00
#           of 300 draws of the place along one axis, from -1 to 2 lengths as by default, 5 % leave the picture as it is, all of them before it
# Matters:  what is meant to come from all sides darkens or brightens right and bottom alone, which a net learns, and much of the augmentation
#           that was asked for does not take place.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps batchgeneratorsv2==0.3.6  # it asks for more than this part needs
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
from batchgeneratorsv2.transforms.local.brightness_gradient import BrightnessGradientAdditiveTransform

SIDE, SCALE = 256, 25


def change(place):
    """What is added to an empty picture, the bell `place` lengths along the rows and in the middle of the columns."""
    transform = BrightnessGradientAdditiveTransform(
        scale=SCALE, loc=lambda shape, axis: place if axis == 0 else 0.5, max_strength=1.0, mean_centered=False
    )
    return transform(image=torch.zeros(1, SIDE, SIDE))["image"][0].numpy()


behind, before = change(1.9), change(-0.9)
print(f"centre 0.9 lengths behind the picture: change from {behind.min():.2f} to {behind.max():.2f}")
print(f"centre 0.9 lengths before the picture: change from {before.min():.2f} to {before.max():.2f}")
assert behind.max() == 1 and not before.any()
assert np.allclose(change(0.9), change((SIDE - 1) / SIDE - 0.9)[::-1], atol=1e-3)  # within the picture they are mirror images

places = np.random.default_rng(0).uniform(-1, 2, 300)
still = [place for place in places if not change(place).any()]
print(f"of {len(places)} draws {100 * len(still) / len(places):.0f} % leave the picture as it is, their centres at {max(still):.2f} at most")
assert len(still) > 8 and max(still) < 0
PYTHON
