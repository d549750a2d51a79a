#!/usr/bin/env bash
# pythae's negative log-likelihood is the log-likelihood, and rests on a hundred draws where one was asked for, or a hundred and fifty.
#
# Library:  pythae 0.1.2, with torch 2.13.0
# Expected: `get_nll(frame, n_samples=1)` is the negative log-likelihood, larger for a frame that is less likely, by one draw of the latents.
# Instead:  what it returns has the other sign, and rests on whole batches of draws (of 100 unless told otherwise): on one batch where fewer
#           are asked for, and on no part of one beyond.
# Seen:     a model whose frames are noise of deviation 1 around 0, so that the number is known: a frame of zeros has 14.70 and gets -14.70,
#           one of threes has 86.70 and gets -86.70; draws for 1 asked for: 100, for 150: 100, for 1000: 1000
# Matters:  frames are ranked by it to find what is not normal: the most anomalous come last. Bounds by one draw and by many, which papers
#           compare, are the same number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pythae==0.1.2 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import math
import warnings

warnings.filterwarnings("ignore")
import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder

drawn = []


class Prior(BaseEncoder):
    def forward(self, x):
        drawn.append(len(x))
        return ModelOutput(embedding=torch.zeros(len(x), 2), log_covariance=torch.zeros(len(x), 2))


class Zeros(BaseDecoder):
    def forward(self, z):
        return ModelOutput(reconstruction=torch.zeros(len(z), 1, 4, 4))


model = VAE(VAEConfig(input_dim=(1, 4, 4), latent_dim=2), encoder=Prior(), decoder=Zeros()).eval()
for level in (0.0, 3.0):
    frame = torch.full((1, 1, 4, 4), level)
    known = 0.5 * float(frame.square().sum()) + 8 * math.log(2 * math.pi)
    told = float(model.get_nll(frame, n_samples=1))
    print(f"frame of {level:g}: negative log-likelihood {known:.2f}, get_nll {told:.2f}")
    assert abs(told + known) < 1e-3
counts = {}
for asked in (1, 150, 1000):
    drawn.clear()
    model.get_nll(frame, n_samples=asked)
    counts[asked] = sum(drawn)
print("draws by how many were asked for:", counts)
assert counts == {1: 100, 150: 100, 1000: 1000}
PYTHON
