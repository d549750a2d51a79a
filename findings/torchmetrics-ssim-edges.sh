#!/usr/bin/env bash
# torchmetrics averages SSIM over windows that it fills with mirrored pixels; MONAI and scikit-image leave the edge out, as the paper's code does.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0; beside it monai 1.6.1 and scikit-image 0.26.0
# Expected: the same window (Gaussian, 11 pixels, sigma 1.5), constants and data range give the same SSIM of the same two pictures.
# Instead:  torchmetrics mirrors five pixels around the pictures and counts the windows there; the two others average whole windows alone.
# Seen:     32 x 32 pixels, a bright line of two pixels at one edge of the second picture: torchmetrics 0.797, MONAI 0.933, scikit-image 0.933;
#           the same line in the middle: 0.657, 0.502 and 0.502
# Matters:  in small crops most windows touch the edge: whether a reconstruction lost what lies there counts twice or not at all, and an SSIM out
#           of one paper's table is no yardstick for another program's. `full=True` of scikit-image, averaged, is what torchmetrics gives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 monai==1.6.1 torch==2.13.0 numpy==2.4.6 scikit-image==0.26.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.metrics import SSIMMetric
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

GAUSSIAN = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def measured(column):
    """Return SSIM of a dark picture and of the same one with a bright line, and the mean of scikit-image's whole map."""
    dark = torch.zeros(1, 1, 32, 32)
    line = dark.clone()
    line[..., column : column + 2] = 1
    plain = [picture[0, 0].double().numpy() for picture in (dark, line)]
    _, whole = structural_similarity(*plain, full=True, **GAUSSIAN)
    return {
        "torchmetrics": float(structural_similarity_index_measure(dark, line, data_range=1.0)),
        "MONAI": float(SSIMMetric(spatial_dims=2)(dark, line)),
        "scikit-image": structural_similarity(*plain, **GAUSSIAN),
    }, whole.mean()


for place, column in (("at the edge", 0), ("in the middle", 15)):
    found, whole = measured(column)
    print(f"a line {place}:", ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    assert abs(found["MONAI"] - found["scikit-image"]) < 1e-4 and abs(found["torchmetrics"] - whole) < 1e-4
    assert abs(found["torchmetrics"] - found["MONAI"]) > 0.1
PYTHON
