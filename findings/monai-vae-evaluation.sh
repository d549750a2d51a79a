#!/usr/bin/env bash
# MONAI's VarAutoEncoder decodes the mean plus one standard deviation in evaluation, of every frame and in every dimension.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: in evaluation mode a VAE decodes the posterior mean, or a draw around it.
# Instead:  only the random factor of the draw is left out, so that the whole deviation is added. So does VarFullyConnectedNet.
#           Since 1.6 `use_mean_at_inference=True` gives the mean; without being asked it still does not.
# Seen:     latent of an untrained net minus its mean, in its standard deviations: 1.00 1.00; with use_mean_at_inference 0.00 0.00
# Matters:  a latent that the posterior left at the prior (mean 0, deviation 1) is decoded at 1 for all frames, where few training draws lay:
#           all reconstructions are shifted alike, and PSNR, SSIM and the score of normal frames with them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.networks.nets import VarAutoEncoder, VarFullyConnectedNet


@torch.inference_mode()
def moved(kind, frames, **settings):
    """Return by how many standard deviations the decoded latents lie above the mean, the same in two calls."""
    torch.manual_seed(0)
    net = kind(latent_size=2, **settings).eval()
    _, mean, log_variance, latent = net(frames)
    assert torch.equal(latent, net(frames)[3])
    return (latent - mean) / torch.exp(log_variance / 2)


nets = {
    VarAutoEncoder: (torch.rand(4, 1, 16, 16), {"spatial_dims": 2, "in_shape": (1, 16, 16), "out_channels": 1, "channels": (4,), "strides": (2,)}),
    VarFullyConnectedNet: (torch.rand(4, 16), {"in_channels": 16, "out_channels": 16, "encode_channels": (8,), "decode_channels": (8,)}),
}
for kind, (frames, settings) in nets.items():
    usual = moved(kind, frames, **settings)
    print(f"{kind.__name__}: latent minus mean, in standard deviations, lowest and highest of 4 frames {usual.min():.2f} {usual.max():.2f}", end="")
    assert torch.allclose(usual, torch.ones_like(usual), atol=1e-4)
    told = moved(kind, frames, use_mean_at_inference=True, **settings)
    print(f"; with use_mean_at_inference {told.min():.2f} {told.max():.2f}")
    assert not told.any()
PYTHON
