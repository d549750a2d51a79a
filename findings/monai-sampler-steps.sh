#!/usr/bin/env bash
# MONAI's DDPM samples noise in fewer steps than it was trained with, its PNDM in just as many.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: `set_timesteps(100)` of a scheduler of 1,000 goes ten times as far in each step, as its DDIM does, and 1,000 steps do no worse.
# Instead:  DDPM names every tenth time to the network, and then goes back by one, as though the next to come were the neighbour. PNDM's first
#           rounds, which are not skipped by default, take steps of half the distance of two times, which is 0 where there are as many as in
#           training.
# Seen:     pixels with mean 0.2 and deviation 0.30, and a network that is right about them; DDPM: 1000 steps 0.30, 100 steps 0.81; PNDM: 1000
#           steps 1.01, 100 steps 0.34, 100 steps without its first rounds 0.30; DDIM: 1000 steps 0.30, 100 steps 0.29
# Matters:  fewer steps are how sampling is sped up while a training is followed: samples look like noise with a picture behind it, which is
#           taken for a network that has not learnt yet.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.inferers import DiffusionInferer
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler, PNDMScheduler

torch.set_num_threads(1)
MEAN, DEVIATION = 0.2, 0.3


def sampled(scheduler, steps):
    """Return the deviation of pixels that are drawn with the best guess of the noise that there is for pixels of MEAN and DEVIATION."""
    kept = scheduler.alphas_cumprod

    class Best(torch.nn.Module):
        def forward(self, x, timesteps=None, context=None):
            share = kept[timesteps.long()].view(-1, 1, 1, 1)
            return (1 - share).sqrt() * (x - share.sqrt() * MEAN) / (share * DEVIATION**2 + 1 - share)

    torch.manual_seed(1)
    scheduler.set_timesteps(steps)
    noise = torch.randn(1, 1, 64, 64)
    return float(DiffusionInferer(scheduler).sample(noise, Best(), scheduler=scheduler, verbose=False).std())


found = {
    "DDPM": {steps: sampled(DDPMScheduler(1000, clip_sample=False), steps) for steps in (1000, 250, 100)},
    "PNDM": {steps: sampled(PNDMScheduler(1000), steps) for steps in (1000, 250, 100)},
    "PNDM without its first rounds": {steps: sampled(PNDMScheduler(1000, skip_prk_steps=True), steps) for steps in (1000, 100)},
    "DDIM": {steps: sampled(DDIMScheduler(1000, clip_sample=False), steps) for steps in (1000, 100)},
}
for name, deviations in found.items():
    print(name, {steps: round(value, 2) for steps, value in deviations.items()})
right = [found["DDPM"][1000], *found["PNDM without its first rounds"].values(), *found["DDIM"].values()]
assert all(abs(value - DEVIATION) < 0.02 for value in right)
assert found["DDPM"][250] > 0.55 and found["DDPM"][100] > 0.75 and found["PNDM"][1000] > 0.95 and found["PNDM"][100] < 0.36
PYTHON
