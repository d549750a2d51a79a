#!/usr/bin/env bash
# MONAI's likelihood of a picture under a diffusion model jumps by 28 nats a pixel where the last step is off by half a grey level.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: the last step's share is that of a Gaussian cut into grey levels, as in Ho et al. 2020 and the code that MONAI names as its
#           source, which gives the step the variance of the one before it: smooth in how far the network is off.
# Instead:  the variance of the last step is 0, raised to 1e-20, a Gaussian narrower than any grey level: a pixel costs 0 nats where
#           the network is off by less than half a grey level and -log(1e-12) where it is off by more.
# Seen:     a network that is off by 0.49 grey levels at every pixel: 0.00 nats a pixel for the last step; by 1: 27.63; by 4: 27.63.
#           With the variance of the step before: 1.60, 1.70 and 3.77. All other steps together: 0.02, 0.08 and 1.22
# Matters:  the likelihood is meant to tell frames that are unlike the training's. It counts pixels that are not met to half a grey level, and
#           all that the model says of a picture at the thousand other steps is lost beside that.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import math

import torch
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDPMScheduler

torch.manual_seed(0)
scheduler = DDPMScheduler(num_train_timesteps=1000)
kept = scheduler.alphas_cumprod
image = (torch.rand(1, 1, 16, 16) * 255).round() / 255


def seen_by(off):
    """Return a network that knows the picture but for `off` grey levels, and names the noise that leads there."""

    def network(x, timesteps, context=None):
        share = kept[timesteps].view(-1, 1, 1, 1)
        return (x - share.sqrt() * (image + off / 255)) / (1 - share).sqrt()

    return network


def of_gaussian(off):
    """Return the nats of one grey level where the Gaussian of the last step has the variance of the step before."""
    deviation = float((scheduler.betas[1] * (1 - kept[0]) / (1 - kept[1])).sqrt()) * 255  # in grey levels
    normal = torch.distributions.Normal(0.0, deviation)
    return -math.log(normal.cdf(torch.tensor(off + 0.5)) - normal.cdf(torch.tensor(off - 0.5)))


found = {}
for off in (0.49, 1.0, 4.0):
    infer = DiffusionInferer(scheduler).get_likelihood
    total, steps = infer(image, seen_by(off), scheduler, save_intermediates=True, verbose=False)
    last = float(steps[-1].mean())
    found[off] = last, of_gaussian(off), float(total) - last
    print("off by {} grey levels: last step {:.2f} nats a pixel, Gaussian {:.2f}, other steps {:.2f}".format(off, *found[off]))
assert found[0.49][0] < 0.01 and found[1.0][0] > 27 and found[4.0][0] > 27
assert max(found[0.49][1], found[1.0][1]) < 2.5 and found[4.0][1] < 4
PYTHON
