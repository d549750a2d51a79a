#!/usr/bin/env bash
# MONAI's sliding window multiplies what the network returns by its weights in place, and so changes the network's own tensors or the input.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: SlidingWindowInferer(mode="gaussian") reads its input and what the network returns: blending windows of ones gives ones.
# Instead:  each output is multiplied in place. A network that returns a tensor that it keeps (an atlas, a prior, a mean frame) finds it smaller
#           after each window; with sw_batch_size=1, the default, a window is a view, and a network that returns its input empties the picture.
# Seen:     a kept template of ones: largest value of the result at the last window 0.0003 of 1, of the template itself 0.0001;
#           nn.Identity: smallest value of the result 0.0026 of 1, of the picture itself 0.0000; four windows at a time: 1.0000 and 1.0000
# Matters:  baselines that need no learning (a prior, a copy of the frame) are what a model is compared with; they come out near zero, and what
#           is computed of the same picture afterwards is wrong too. Only mode="constant", where there is no product, leaves them alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.inferers import SlidingWindowInferer


def blend(network, count):
    picture = torch.ones(1, 1, 8, 8)
    result = SlidingWindowInferer((4, 4), count, overlap=0.5, mode="gaussian")(picture, network)
    return result, picture


template = torch.ones(1, 1, 4, 4)
result, _ = blend(lambda window: template, 1)
last, kept = result[..., 6:, 6:].max().item(), template.max().item()
print(f"a kept template of ones: largest value of the result at the last window {last:.4f} of 1, of the template itself {kept:.4f}")
assert last < 0.01 and kept < 0.01

result, picture = blend(torch.nn.Identity(), 1)
lowest, left = result.min().item(), picture.min().item()
result, picture = blend(torch.nn.Identity(), 4)
four, whole = result.min().item(), picture.min().item()
print(
    f"nn.Identity: smallest value of the result {lowest:.4f} of 1, of the picture itself {left:.4f}; "
    f"four windows at a time: {four:.4f} and {whole:.4f}"
)
assert lowest < 0.01 and left < 0.01 and abs(four - 1) < 1e-5 and whole == 1
PYTHON
