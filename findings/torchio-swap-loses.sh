#!/usr/bin/env bash
# TorchIO's swap of patches loses voxels: patches that overlap are swapped too, and a tenth of a volume is gone after 100 swaps.
#
# Library:  torchio 1.2.1, with torch 2.13.0
# Expected: RandomSwap exchanges patches. What comes out has the same values as before, at other places, from which a network can
#           restore the context; the code means to draw again where patches overlap.
# Instead:  it draws again only where the second patch has the very place of the first. Patches that overlap in part are written over each other.
#           The last place along each axis is never drawn.
# Seen:     48 x 48 x 48 voxels, each with a value of its own, defaults (patches of 15, 100 swaps): 90.0 % of the values are left, one of them
#           6 times; the last row, column and plane are as they were; patches of 4: a value is there twice
# Matters:  a network that is to put the pieces back cannot: part of the picture is no longer there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchio==1.2.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
import torchio

torch.manual_seed(0)
volume = torch.arange(48.0**3).reshape(1, 48, 48, 48)
for size in (15, 4):
    swapped = torchio.RandomSwap(patch_size=size)(volume)
    values, counts = swapped.unique(return_counts=True)
    left = values.numel() / volume.numel()
    ends = [bool((swapped.select(axis, 47) == volume.select(axis, 47)).all()) for axis in (1, 2, 3)]
    print(f"patches of {size}: {left:.1%} of the values are left, one of them {int(counts.max())} times; last planes untouched: {ends}")
    assert all(ends) and counts.max() > 1
    assert (left < 0.95) == (size == 15)
PYTHON
