#!/usr/bin/env bash
# MONAI's ScaleIntensity multiplies a picture of one value by the lower bound: air at -1024 becomes +1024 where -1 to 1 was asked for.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: what comes out lies from `minv` to `maxv`; a picture, slice or channel of one value becomes `minv`, say, or stays as it was.
# Instead:  where lowest and highest are equal the picture is multiplied by `minv`. With the default, 0, that is black and looks meant;
#           with any other bound the value is scaled by it, and with -1 its sign is turned.
# Seen:     ScaleIntensity(-1, 1): a flat picture of -1024 becomes 1024, one of 255 becomes -255; ScaleIntensity(0.1, 0.9): 255 becomes 25.5;
#           channel_wise, a channel of -1024 beside one of -1000 to 1000: 1024 beside -1 to 1; ScaleIntensityd the same
# Matters:  slices beyond the body, empty channels and patches of background are flat. A network that is fed -1 to 1, as those of
#           diffusion and of GANs are, gets 1024 instead; a single such slice spoils the statistics of its batch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.transforms import ScaleIntensity, ScaleIntensityd


def bounds(picture):
    return round(float(picture.min()), 3), round(float(picture.max()), 3)


def flat(value):
    return torch.full((1, 16, 16), float(value))


seen = {}
for low, high, value in ((-1, 1, -1024), (-1, 1, 255), (0.1, 0.9, 255), (0, 1, 255)):
    seen[low, value] = bounds(ScaleIntensity(low, high)(flat(value)))
    print(f"ScaleIntensity({low}, {high}) of a flat {value}: {seen[low, value]}")
    assert bounds(ScaleIntensityd("image", low, high)({"image": flat(value)})["image"]) == seen[low, value]
assert list(seen.values()) == [(1024, 1024), (-255, -255), (25.5, 25.5), (0, 0)]
both = torch.cat([flat(-1024), torch.linspace(-1000, 1000, 256).reshape(1, 16, 16)])
one, other = map(bounds, ScaleIntensity(-1, 1, channel_wise=True)(both))
print(f"channel_wise: {one} beside {other}")
assert one == (1024, 1024) and other == (-1, 1)
PYTHON
