#!/usr/bin/env bash
# MONAI's rectified flow goes past the picture where its time is continuous, and the farther the more steps it takes.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: a network that knows the straight way from noise to the picture leads there in any number of steps, as they add up to 1.
# Instead:  with use_discrete_timesteps=False times are kept in half precision, and each next one is cut to a whole number before the step's
#           length is taken: a step from 998.5 to 997.0 is right, one from 996.5 to 995.5 has half a unit too much, and nothing takes it back.
# Seen:     share of the way that is gone: 10 steps 1.000, 30 steps 1.010, 300 steps 1.100, 700 steps 1.251; with discrete times 1.000 each
# Matters:  continuous time is the setting of generators of CT volumes. A tenth of the noise, turned over, is left in every sample, and to take
#           more steps, which is what one tries when samples look bad, makes them worse.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import RFlowScheduler

torch.manual_seed(0)
picture, noise = torch.rand(1, 1, 16, 16), torch.randn(1, 1, 16, 16)
way = picture - noise


class Straight(torch.nn.Module):
    def forward(self, x, timesteps=None, context=None):
        return way


def share(steps, discrete):
    """Return how much of the way from the noise to the picture is gone, 1 at the picture."""
    scheduler = RFlowScheduler(use_discrete_timesteps=discrete)
    scheduler.set_timesteps(steps)
    sample = DiffusionInferer(scheduler).sample(noise, Straight(), scheduler=scheduler, verbose=False)
    return float(((sample - noise) * way).sum() / way.square().sum())


found = {steps: (share(steps, False), share(steps, True)) for steps in (10, 30, 300, 700)}
for steps, (continuous, discrete) in found.items():
    print(f"{steps} steps: {continuous:.3f} with continuous times, {discrete:.3f} with discrete ones")
assert all(abs(discrete - 1) < 1e-3 for _, discrete in found.values())
assert found[30][0] > 1.005 and found[300][0] > 1.09 and found[700][0] > 1.2
PYTHON
