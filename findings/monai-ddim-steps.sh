#!/usr/bin/env bash
# MONAI's DDIM takes each step to another noise level than the one of the next step that it names.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: set_timesteps(n) names the steps, and step() takes a picture from the noise level of one to that of the next.
# Instead:  the named steps lie (1000 - 1) / (n - 1) apart and step() goes back 1000 // n. A net is then told of far less noise than there
#           is, the more so the fewer steps there are.
# Seen:     share of noise after the step before the last one, and the one that the net is told of
#             4 steps: 0.274 of noise, told of 0.010
#             10 steps: 0.050 of noise, told of 0.010
#             50 steps: 0.010 of noise, told of 0.010
# Matters:  few steps are what DDIM is for. Reconstructions that anomalies are looked for in keep noise that is no finding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.networks.schedulers import DDIMScheduler

found = {}
for count in (4, 10, 50):
    scheduler = DDIMScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(count)
    empty, noise = torch.zeros(1), torch.ones(1)  # a picture of zeros: its value is its share of noise
    before, last = scheduler.timesteps[-2:]
    noised = scheduler.add_noise(empty, noise, before[None])
    cleaner, _ = scheduler.step(noise, int(before), noised)  # with the noise as it is, which no net predicts better
    told = scheduler.add_noise(empty, noise, last[None])
    found[count] = cleaner.item(), told.item()
    print(f"{count} steps: {cleaner.item():.3f} of noise, told of {told.item():.3f}")
assert found[4][0] > 20 * found[4][1]
assert found[10][0] > 3 * found[10][1]
assert abs(found[50][0] - found[50][1]) < 0.01
PYTHON
