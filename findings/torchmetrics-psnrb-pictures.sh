#!/usr/bin/env bash
# torchmetrics' PSNR-B falls with the number of pictures: 22.4 dB for one, and 12.5 dB for 64 of the same.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0
# Expected: 10 log10 of the squared range divided by mean squared error plus blocking effect, both per pixel or pair of pixels (Yim and Bovik 2011).
#           As with PSNR, 64 copies of a picture have the value of one.
# Instead:  the squared error is divided by the number of all pixels, the blocking effect by that of one picture's pairs, though it is the sum over
#           all pictures of a batch and over all batches.
# Seen:     a picture, and the same as blocks of 8 by 8 pixels with one value each
#             1 picture     PSNR-B 22.4 dB, by hand 22.4 dB, PSNR 23.1 dB
#             4 pictures    20.9 dB, in one batch or in 4
#             64 pictures   12.5 dB, in one batch or in 64; PSNR 23.1 dB
# Matters:  the value of a test set is not that of its pictures: with 64 or more of them it measures their number. Two codecs, or two networks, can
#           be compared only where the sets are equally large.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import math

import torch
from torch.nn.functional import avg_pool2d, interpolate
from torchmetrics.image import PeakSignalNoiseRatio, PeakSignalNoiseRatioWithBlockedEffect

draw = torch.Generator().manual_seed(0)
picture = avg_pool2d(torch.rand(1, 1, 64, 64, generator=draw), 5, 1, 2)
blocks = interpolate(avg_pool2d(picture, 8), scale_factor=8)


def by_hand():
    """PSNR-B of the one picture: squared steps over the borders of blocks, more than within them, come to the squared error."""
    steps = [blocks.diff(dim=axis)[0, 0].pow(2).movedim(axis - 2, 0) for axis in (2, 3)]
    border = torch.arange(63) % 8 == 7
    pairs = [2 * (64 * 64 / 8 - 1), 0.0]
    pairs[1] = 2 * 64 * 63 - pairs[0]
    across, within = (sum(step[side].sum() for step in steps) / count for side, count in zip((border, ~border), pairs, strict=True))
    effect = math.log2(8) / math.log2(64) * max(float(across - within), 0)
    return -10 * math.log10(float((blocks - picture).pow(2).mean()) + effect)


def measured(measure, batch, batches):
    """The value of a measure after so many batches of so many copies."""
    for _ in range(batches):
        measure.update(blocks.expand(batch, -1, -1, -1), picture.expand(batch, -1, -1, -1))
    return float(measure.compute())


found = {}
for number in (1, 4, 64):
    found[number] = [measured(PeakSignalNoiseRatioWithBlockedEffect(data_range=1.0), *way) for way in ((number, 1), (1, number))]
    plain = measured(PeakSignalNoiseRatio(data_range=1.0), number, 1)
    print(f"{number} pictures: PSNR-B in one batch {found[number][0]:.2f} dB, one by one {found[number][1]:.2f} dB; PSNR {plain:.2f} dB")
    assert abs(found[number][0] - found[number][1]) < 1e-3 and abs(plain - measured(PeakSignalNoiseRatio(data_range=1.0), 1, 1)) < 1e-3
print(f"by hand: {by_hand():.2f} dB")
assert abs(found[1][0] - by_hand()) < 1e-3
assert found[4][0] < found[1][0] - 1 and found[64][0] < found[1][0] - 9
PYTHON
