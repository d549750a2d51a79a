#!/usr/bin/env bash
# MONAI's `RandIntensityRemap` puts a CT from -1000 to 1000 into -1000 to 0, and draws its curve past the seed.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: "the curve is rescaled to the input image intensity range"; and a transform with a set seed does the same twice.
# Instead:  the curve from 0 to 1 is multiplied by the largest value, not by the range, before the smallest is added: right where the smallest is 0.
#           The curve comes from a new `IntensityRemap` each time, whose random state nobody can set.
# Seen:     -1000 to 1000 becomes -1000 to 0, 100 to 200 becomes 100 to 300, -1000 to -10 becomes -1010 to -1000, 0 to 255 stays 0 to 255;
#           twice with seed 0: values differ by some hundreds
# Matters:  soft tissue and bone of a CT are moved to the values of lung and fat; and a run with `set_random_state` cannot be repeated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.transforms import Compose, RandIntensityRemap

picture = torch.randint(0, 256, (1, 64, 64), generator=torch.Generator().manual_seed(0)).float()
picture.flatten()[:2] = torch.tensor([0.0, 255.0])


def remapped(lowest, highest):
    given = lowest + picture / 255 * (highest - lowest)
    transform = Compose([RandIntensityRemap(prob=1)])
    transform.set_random_state(0)
    return transform(given)


found = {}
for ends in ((-1000, 1000), (100, 200), (-1000, -10), (0, 255)):
    result = remapped(*ends)
    found[ends] = round(float(result.min())), round(float(result.max()))
    print(f"{ends[0]} to {ends[1]} becomes {found[ends][0]} to {found[ends][1]}")
apart = float((remapped(-1000, 1000) - remapped(-1000, 1000)).abs().max())
print(f"twice with seed 0: values differ by up to {apart:.0f}")
assert found == {(-1000, 1000): (-1000, 0), (100, 200): (100, 300), (-1000, -10): (-1010, -1000), (0, 255): (0, 255)}
assert apart > 10
PYTHON
