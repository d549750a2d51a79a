#!/usr/bin/env bash
# MONAI's Gibbs noise with alpha 0, "the identity mapping", cuts 3 % of the frequencies of a volume, and with 1 pictures of even size are black.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: GibbsNoise keeps the frequencies within a radius, all of them for alpha = 0; its docstring calls that the identity. For alpha = 1
#           the middle of k-space is left, which is the mean.
# Instead:  the radius for alpha 0 is half the diagonal of a square, in volumes too, whose corners lie further out. The middle is put at
#           (size - 1) / 2, between two frequencies where the size is even: the mean lies 0.7 from it in a picture, and is cut.
# Seen:     white noise from 0 to 1, alpha 0: 64 x 64 changed by 0.0000 at most, 32 x 32 x 32 by 0.18; alpha 1: 64 x 64 is 0
#           everywhere, 65 x 65 is its mean, 0.50
# Matters:  RandGibbsNoise draws alpha from 0 on, and no draw leaves a volume whole. Pictures with an alpha near 1 are black:
#           with the default range, 0 to 1, it is 1.6 % of those of 64 x 64. (3.4 % of the frequencies of a cube lie outside the radius.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.transforms import GibbsNoise

torch.manual_seed(0)
changes = {}
for shape in ((64, 64), (32, 32, 32)):
    noise = torch.rand(1, *shape, dtype=torch.float64)
    changes[len(shape)] = float((GibbsNoise(0.0)(noise) - noise).abs().max())
    print(f"alpha 0, {' x '.join(map(str, shape))}: changed by {changes[len(shape)]:.4f} at most")
assert changes[2] < 1e-5 and 0.15 < changes[3] < 0.25
for size in (64, 65):
    noise = torch.rand(1, size, size, dtype=torch.float64)
    out = GibbsNoise(1.0)(noise)
    print(f"alpha 1, {size} x {size}: from {float(out.min()):.2f} to {float(out.max()):.2f}, its mean is {float(noise.mean()):.2f}")
    assert torch.allclose(out, torch.zeros_like(out) if size == 64 else noise.mean().expand_as(out), atol=1e-6)
black = sum(float(GibbsNoise(step / 1000)(torch.ones(1, 64, 64)).abs().max()) < 1e-3 for step in range(1001)) / 1001
print(f"of the alphas from 0 to 1, {black:.1%} make 64 x 64 black")
kept = float(GibbsNoise(0.0)._apply_mask(torch.ones(1, 32, 32, 32)).mean())
print(f"alpha 0 keeps {kept:.1%} of the frequencies of a volume")
assert 0.01 < black < 0.02 and 0.96 < kept < 0.97
PYTHON
