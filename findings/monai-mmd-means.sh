#!/usr/bin/env bash
# MONAI's MMD compares the mean pictures of two sets and nothing else, and is below 0 where they agree.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: a maximum mean discrepancy near 0 for two draws of one distribution and a larger one for sets that look nothing alike; never
#           below 0, as its text says.
# Instead:  without `y_mapping` its kernel is the product of two pictures, whose discrepancy is the squared distance of their means:
#           pictures of noise are as near to flat grey ones as to other noise. The estimate is the unbiased one, so that a set has
#           less than 0 with itself. With a Gaussian kernel, as in the paper that it names, grey ones are told apart at once.
# Seen:     256 pictures of noise, of black ones 64.05 away: -0.01 from other noise, -0.01 from flat grey, 0.01 from black and white,
#           -0.17 from themselves; with a Gaussian kernel 0.00, 0.54 and 0.06
# Matters:  a generator that only ever returns the mean of its training set is as good as one that draws from it, though such a collapse
#           is what the measure is asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.metrics import MMDMetric

draw = torch.Generator().manual_seed(0)


def noise():
    return torch.rand(256, 1, 16, 16, generator=draw)


def gaussian(x, y, width=16.0):
    """The same estimate with a Gaussian kernel; the squared distance of two pictures of noise is about 43."""
    x, y = x.flatten(1), y.flatten(1)
    own = [(torch.exp(-(torch.cdist(one, one) ** 2) / width).sum() - len(one)) / (len(one) * (len(one) - 1)) for one in (x, y)]
    return float(own[0] + own[1] - 2 * torch.exp(-(torch.cdist(x, y) ** 2) / width).mean())


real = noise()
others = {"other noise": noise(), "flat grey": torch.full_like(real, 0.5), "black and white": noise().round()}
linear = {name: float(MMDMetric()(real, other)) for name, other in others.items()}
kernel = {name: gaussian(real, other) for name, other in others.items()}
itself, black = float(MMDMetric()(real, real)), float(MMDMetric()(real, torch.zeros_like(real)))
for name in others:
    print(f"{name}: {linear[name]:.2f}, with a Gaussian kernel {kernel[name]:.2f}")
print(f"itself: {itself:.2f}; black: {black:.2f}")
assert all(abs(value) < 0.02 for value in linear.values()) and -0.2 < itself < -0.1 and 60 < black < 70
assert abs(kernel["other noise"]) < 0.001 and kernel["flat grey"] > 0.5 and kernel["black and white"] > 0.05
PYTHON
