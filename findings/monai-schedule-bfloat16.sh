#!/usr/bin/env bash
# One call with bfloat16 rounds the noise schedule of MONAI for good.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: add_noise works in the type of what it is given and leaves the scheduler as it is.
# Instead:  it stores its schedule in that type. bfloat16 has 8 bits: shares near 1 become 1, and every later call, in float32 too, uses
#           them. float16 rounds them less.
# Seen:     share of noise that float32 gets at step 5: 0.0300 before, 0.0000 after one call with bfloat16
# Matters:  what an autoencoder encodes under autocast is bfloat16; from then on the first steps of 1000 add no noise at all, and the net learns to
#           predict noise that is not there. A checkpoint tried in float32 afterwards is tried with the rounded schedule.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.networks.schedulers import DDPMScheduler

scheduler = DDPMScheduler(num_train_timesteps=1000)
empty, noise, step = torch.zeros(1, 1), torch.ones(1, 1), torch.tensor([5])
before = scheduler.add_noise(empty, noise, step).item()
scheduler.add_noise(empty.bfloat16(), noise.bfloat16(), step)
after = scheduler.add_noise(empty, noise, step).item()
print(f"share of noise that float32 gets at step 5: {before:.4f} before, {after:.4f} after one call with bfloat16")
assert before > 0.02
assert after == 0
PYTHON
