#!/usr/bin/env bash
# torchmetrics' visual information fidelity ranks the same pictures the other way round in [0, 1] and in [0, 255].
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0
# Expected: a measure of how much of a picture is left that does not depend on the unit of its values, or one that asks for their range, as
#           the PSNR and SSIM of the same package do.
# Instead:  it adds the noise of the eye, a variance of 2 in grey levels of 255, to whatever comes; nothing says so, and nothing asks. Values in
#           [0, 1], as networks have them, are then noise already, before any is put on.
# Seen:     a picture with strong noise: 0.83 in [0, 1], 0.19 in [0, 255]; the same picture blurred: 0.23 and 0.25
# Matters:  reconstructions are compared by it because it sees blur; which of two models is better turns on a factor of 255.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from torch.nn import functional
from torchmetrics.functional.image import visual_information_fidelity

draw = torch.Generator().manual_seed(0)
coarse = torch.rand(2, 1, 24, 24, generator=draw)
picture = functional.interpolate(coarse, (128, 128), mode="bicubic").clamp(0, 1)
noisy = (picture + 0.2 * torch.randn(picture.shape, generator=draw)).clamp(0, 1)
blurred = functional.avg_pool2d(picture, 9, 1, 4)
found = {}
for name, other in (("noisy", noisy), ("blurred", blurred)):
    found[name] = [float(visual_information_fidelity(scale * other, scale * picture)) for scale in (1, 255)]
    print(name, "in [0, 1]: {:.2f}, in [0, 255]: {:.2f}".format(*found[name]))
assert found["noisy"][0] > 3 * found["blurred"][0] and found["noisy"][1] < found["blurred"][1]
PYTHON
