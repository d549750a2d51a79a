#!/usr/bin/env bash
# MONAI's adversarial losses look at the critic through a squashing function: hinge through tanh, least squares through a leaky ReLU.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: PatchAdversarialLoss(criterion="hinge") is max(0, 1 - D) for real, max(0, 1 + D) for generated pictures and -D for the generator,
#           criterion="least_squares" is (D - 1)^2 and D^2, of the critic's output D, as in the papers of both.
# Instead:  the hinge is taken of tanh(D), for the generator as for real pictures; the squares are taken of D / 20 where D is negative.
# Seen:     hinge, generator, D of -5: loss 2.00 in place of 5, gradient 0.0002 in place of 1; real, D of 2: 0.04 in place of 0;
#           least squares, generated, D of -1: 0.0025 in place of 1, gradient 0.005 in place of 2
# Matters:  a critic that is sure of itself teaches the generator nothing, which the hinge is chosen to avoid; and the score of a critic that was
#           trained by these losses has no scale below zero. `no_activation_leastsq=True` mends the squares; the hinge has no such option.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.losses import PatchAdversarialLoss


def value(criterion, output, **how):
    """Return the loss of a critic's output, and how steep it is there."""
    critic = torch.full((1, 1, 1, 1), output, requires_grad=True)
    loss = PatchAdversarialLoss(criterion=criterion)(critic, **how)
    loss.backward()
    return loss.item(), abs(critic.grad.item())


loss, steep = value("hinge", -5.0, target_is_real=True, for_discriminator=False)
print(f"hinge, generator, D of -5: loss {loss:.2f} in place of 5, gradient {steep:.4f} in place of 1", end="; ")
assert abs(loss - 2) < 0.01 and steep < 0.001

loss, steep = value("hinge", 2.0, target_is_real=True, for_discriminator=True)
print(f"real, D of 2: {loss:.2f} in place of 0")
assert 0.03 < loss < 0.04

loss, steep = value("least_squares", -1.0, target_is_real=False, for_discriminator=True)
print(f"least squares, generated, D of -1: {loss:.4f} in place of 1, gradient {steep:.3f} in place of 2")
assert abs(loss - 0.0025) < 1e-6 and abs(steep - 0.005) < 1e-6
PYTHON
