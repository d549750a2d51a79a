#!/usr/bin/env bash
# MONAI's unified focal loss says that it takes logits, and cuts them to 0 to 1 as though they were probabilities.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: as the docs of `AsymmetricUnifiedFocalLoss` say, "the input should be the original logits since it will be transformed by a
#           sigmoid in the forward function".
# Instead:  there is no sigmoid. Logits below 0 become 0.0000001, those above 1 become 0.9999999, and neither has a gradient.
# Seen:     a lesion, nets that are all wrong, half sure and right by logits of -3 to 3: pixels with a gradient 0, 0 and 0 of 256; given their
#           sigmoids 256, 256 and 256. The half sure net costs as much as the one that is all wrong: 2.11 and 2.11, and 0.38 and 0.78 by probabilities
# Matters:  a net that is told what the docs say learns from pixels alone whose logit is between 0 and 1, of which there are ever fewer, and stands
#           still wherever it is sure and wrong.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.losses import AsymmetricUnifiedFocalLoss

assert "original logits" in AsymmetricUnifiedFocalLoss.forward.__doc__ and "a sigmoid in the forward" in AsymmetricUnifiedFocalLoss.forward.__doc__
lesion = torch.zeros(1, 1, 16, 16)
lesion[..., 4:12, 4:12] = 1
truth = torch.cat([1 - lesion, lesion], 1)
loss = AsymmetricUnifiedFocalLoss()


def learns(given):
    given = given.clone().requires_grad_()
    value = loss(given, truth)
    value.backward()
    return value.item(), int((given.grad != 0).any(1).sum())


for name, logits in (("all wrong", 3 - 6 * truth), ("half sure", -0.1 + 0 * truth), ("right", 6 * truth - 3)):
    logits, odds = learns(logits), learns(logits.sigmoid())
    print(f"{name}: loss {logits[0]:.2f} and {logits[1]} pixels with a gradient for logits, {odds[0]:.2f} and {odds[1]} for probabilities")
    assert logits[1] == 0 and odds[1] == 256
PYTHON
