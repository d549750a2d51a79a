#!/usr/bin/env bash
# pythae's `reconstruct` and `embed` draw at random in evaluation, its `predict` does not: one frame, another error at every call.
#
# Library:  pythae 0.1.2, with torch 2.13.0
# Expected: after `model.eval()` the reconstruction and the embedding of a frame are the same each time, from the posterior mean, and
#           `reconstruct(frame)` is `predict(frame).recon_x`.
# Instead:  `reconstruct` and `embed` of VAE, and of BetaVAE, decode and return a draw from the posterior; `predict` takes the mean.
# Seen:     one frame a hundred times through an untrained VAE: 100 embeddings, 100 reconstructions, 1 prediction; squared error 5.28 to 6.18
#           by `reconstruct`
# Matters:  a score by reconstruction error is a draw: frames change their rank and their side of a threshold from call to call, and what is
#           written down as a frame's embedding is not found again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pythae==0.1.2 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

warnings.filterwarnings("ignore")
import torch
from pythae.models import VAE, BetaVAE, BetaVAEConfig, VAEConfig

torch.manual_seed(0)
frame = torch.rand(1, 1, 8, 8)
for kind, settings in ((VAE, VAEConfig), (BetaVAE, BetaVAEConfig)):
    model = kind(settings(input_dim=(1, 8, 8), latent_dim=2)).eval()
    with torch.inference_mode():
        embedded = torch.cat([model.embed(frame) for _ in range(100)])
        rebuilt = torch.cat([model.reconstruct(frame) for _ in range(100)])
        predicted = torch.cat([model.predict(frame).recon_x for _ in range(100)])
    errors = ((rebuilt - frame) ** 2).sum((1, 2, 3))
    counts = [len(values.flatten(1).unique(dim=0)) for values in (embedded, rebuilt, predicted)]
    print(
        f"{kind.__name__}, 100 calls: {counts[0]} embeddings, {counts[1]} reconstructions, {counts[2]} prediction; "
        f"squared error {errors.min():.2f} to {errors.max():.2f} by `reconstruct`"
    )
    assert min(counts[:2]) > 90 and counts[2] == 1
PYTHON
