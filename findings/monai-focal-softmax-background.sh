#!/usr/bin/env bash
# MONAI's focal loss with softmax and without the background is 0 for one class, and free of charge for false alarms for more.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: include_background=False leaves the background's own term out; a lesion that is missed, or drawn where none is, still costs.
# Instead:  the background's channel is taken away before the softmax. With one class left its probability is 1 everywhere, and loss and
#           gradient are 0 for any prediction; with more the softmax is among them alone, and each pixel of background costs 0.
# Seen:     background and lesion, all predicted wrongly: 5.000 with the background, 0.000 without it, gradient 0.0;
#           three classes, all background called a lesion: 3.333 with the background, 0.000 without it
# Matters:  nothing warns. To leave out the background is what one tries where lesions are small; a loss near 0 looks like success, and with
#           three classes or more the network learns to find a lesion everywhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W error - <<'PYTHON'
import torch
from monai.losses import FocalLoss


def focal(logits, truth, background):
    logits = logits.clone().requires_grad_()
    loss = FocalLoss(include_background=background, to_onehot_y=True, use_softmax=True)(logits, truth)
    loss.backward()
    return loss.item(), logits.grad.abs().max().item()


lesion = torch.zeros(1, 1, 16, 16, dtype=torch.long)
lesion[..., 4:8, 4:8] = 1
wrong = 10 * torch.cat([lesion, 1 - lesion], 1).float()  # the background where the lesion is, the lesion where the background is
whole, without = focal(wrong, lesion, True), focal(wrong, lesion, False)
print(f"all wrong: {whole[0]:.3f} with the background, {without[0]:.3f} without it, gradient {without[1]}")
assert whole[0] > 4 and without == (0, 0)

nothing = torch.zeros_like(lesion)
alarm = torch.zeros(1, 3, 16, 16)
alarm[:, 1] = 10
more = [focal(alarm, nothing, background)[0] for background in (True, False)]
print(f"three classes, all background called a lesion: {more[0]:.3f} with the background, {more[1]:.3f} without it")
assert more[0] > 3 and more[1] == 0
PYTHON
