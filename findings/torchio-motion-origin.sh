#!/usr/bin/env bash
# TorchIO's simulated motion turns the head about the scanner's origin, not about its own middle, so that it depends on the file's affine.
#
# Library:  torchio 1.2.1, with torch 2.13.0 and SimpleITK 2.5.7
# Expected: a rotation by 10 degrees turns what is in the picture about its middle; the code sets that middle as the centre.
# Instead:  the rotation is taken apart into a matrix and a translation and put together again without the centre. The picture turns about
#           (0, 0, 0) of its world, and what is far from there is carried away, out of the picture.
# Seen:     a block of 16 voxels in 64, 10 degrees about x, at half time: with the origin in its middle the picture changes by 0.020 (root mean
#           square), with the origin at its corner by 0.060; with the origin 500 mm away 0.62 of the block's brightness is left
# Matters:  the strength of the artefact is set by where the scanner had its zero; where that is far from the body "motion of 10 degrees"
#           mixes the picture with an empty one. RandomAffine has the middle.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchio==1.2.1 torch==2.13.0 simpleitk==2.5.7 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
import torchio

block = torch.zeros(1, 64, 64, 64)
block[0, 24:40, 24:40, 24:40] = 1
turn = {"degrees": np.array([[10.0, 0, 0]]), "translation": np.zeros((1, 3)), "image_interpolation": "linear"}


def moved(*corner):
    """Return the artefact's root mean square, and the share of the block's brightness that is left at its place."""
    affine = np.eye(4)
    affine[:3, 3] = corner
    motion = torchio.Motion(times=np.array([0.5]), **turn)
    change = motion(torchio.ScalarImage(tensor=block, affine=affine)).data - block
    return float(change.square().mean().sqrt()), float((block + change)[block > 0].mean())


middle, corner, far = moved(-31.5, -31.5, -31.5), moved(0, 0, 0), moved(-31.5, -31.5, 500)
for name, (strength, left) in (("in its middle", middle), ("at its corner", corner), ("500 mm away", far)):
    print(f"origin {name}: change {strength:.3f}, brightness of the block {left:.2f}")
assert middle[0] < 0.025 and corner[0] > 2 * middle[0] and middle[1] > 0.95 and far[1] < 0.7
PYTHON
