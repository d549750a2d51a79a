#!/usr/bin/env bash
# torchmetrics' universal image quality index of a picture with itself is 0.43 where most of it is black, and 0 where its values are small.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0
# Expected: the best value, 1, is that of two pictures that are the same and of no others (Wang and Bovik 2002), in whatever unit: the index
#           is a product of three ratios.
# Instead:  the smallest step of float32, 1.2e-7, is added to the denominator alone, a product of four values. Where both pictures are flat, as
#           the air around a body, 0 over that is 0, and where values are small the index goes to 0 all over.
# Seen:     a disc of noise on a black ground, with itself
#             0.43 as it is, 1.00 of the part that lies within the disc
#             times 255 0.47, a tenth of it 0.35, a hundredth 0.0004
#           the SSIM of the same package is 1 for each
# Matters:  slices of heads are black by a half. Two methods are compared by how much of the field is air, and pictures of small values, such as
#           attenuation per mm, have an index far below 1 however good they are. D-lambda and QNR are made of the same index.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import torch
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image import UniversalImageQualityIndex

draw = torch.Generator().manual_seed(0)
down, right = torch.meshgrid(torch.arange(128) - 64, torch.arange(128) - 64, indexing="ij")
body = (down**2 + right**2 < 40**2).float()
picture = (body * (0.5 + 0.1 * torch.randn(128, 128, generator=draw)))[None, None]
inside = picture[..., 40:88, 40:88]


def itself(one):
    """The index of a picture with a copy of it, and its SSIM."""
    return float(UniversalImageQualityIndex()(one.clone(), one)), float(structural_similarity_index_measure(one.clone(), one, data_range=1.0))


whole, within = itself(picture), itself(inside)
print(f"the whole picture {whole[0]:.3f}, of which {float(body.mean()):.2f} is body; within the body {within[0]:.3f}; SSIM {whole[1]:.3f}")
assert whole[0] < 0.5 and within[0] > 0.99 and abs(whole[1] - 1) < 1e-4
for unit in (255, 0.1, 0.01):
    scaled = itself(unit * picture), itself(unit * inside)
    print(f"times {unit}: {scaled[0][0]:.4f}, within the body {scaled[1][0]:.4f}; SSIM {scaled[0][1]:.3f}")
    assert scaled[0][0] < 0.5 and abs(scaled[0][1] - 1) < 1e-4
    assert (scaled[1][0] > 0.99) == (unit == 255)
assert scaled[0][0] < 0.001 and scaled[1][0] < 0.01
PYTHON
