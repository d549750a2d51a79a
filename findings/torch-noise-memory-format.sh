#!/usr/bin/env bash
# The same seed gives a picture in PyTorch's channels_last format other noise than the same picture in the usual one.
#
# Library:  torch 2.13.0, on a CPU
# Expected: `channels_last` changes the order in memory and nothing else, so that with one seed each pixel gets the noise that it had before.
# Instead:  noise is drawn in the order of memory. `rand_like` and dropout give the same numbers to other pixels, `randn_like` gives other numbers, as
#           normal values are made in another way where memory is not in the usual order. `bernoulli` and channel dropout keep to the pixels.
# Seen:     two pictures of 3 x 8 x 8, seed 0; values that differ between the two formats
#             rand_like 99 %, of the same set; randn_like 100 %, of another set; dropout 52 % dropped in one and kept in the other
#             bernoulli 0 %, dropout2d 0 %, randn and then channels_last 0 %
# Matters:  the format is changed for speed. A diffusion model, a VAE or a net with dropout is then another sample of the same experiment: a comparison
#           of "before and after" with fixed seeds, and a test against stored numbers, show a difference that is none of the arithmetic.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from torch.nn import functional

usual = torch.ones(2, 3, 8, 8)
last = usual.contiguous(memory_format=torch.channels_last)
assert torch.equal(usual, last) and usual.shape == last.shape


def seeded(draw, picture):
    torch.manual_seed(0)
    return draw(picture)


found = {}
for name, draw in {
    "rand_like": torch.rand_like,
    "randn_like": torch.randn_like,
    "dropout": lambda picture: functional.dropout(picture, 0.5),
    "bernoulli": lambda picture: torch.bernoulli(picture / 2),
    "dropout2d": lambda picture: functional.dropout2d(picture, 0.5),
    "randn, then channels_last": lambda picture: torch.randn(picture.shape).contiguous(memory_format=torch.channels_last),
}.items():
    one, other = seeded(draw, usual), seeded(draw, last)
    same_set = torch.equal(one.flatten().sort().values, other.flatten().sort().values)
    in_memory = torch.equal(one.flatten(), other.permute(0, 2, 3, 1).flatten())
    found[name] = float((one != other).float().mean()), same_set, in_memory
    print(f"{name}: {100 * found[name][0]:.0f} % of the values differ; the same set: {same_set}; the same in the order of memory: {in_memory}")
    assert torch.equal(seeded(draw, last), other)  # the format alone makes the difference
assert found["rand_like"][0] > 0.9 and found["rand_like"][1:] == (True, True)
assert found["randn_like"][0] == 1 and found["randn_like"][1:] == (False, False)
assert 0.4 < found["dropout"][0] < 0.6 and found["dropout"][1:] == (True, True)
assert found["bernoulli"][0] == found["dropout2d"][0] == found["randn, then channels_last"][0] == 0
PYTHON
