#!/usr/bin/env bash
# The calibration error of MONAI and of torchmetrics stops counting at 16,777,216 voxels in a bin.
#
# Library:  monai 1.6.1 and torchmetrics 1.9.0, with torch 2.13.0
# Expected: a probability of 0.01 at each voxel of a volume, of which 1 in 100 is a finding, is well calibrated: an error of about 0.
# Instead:  both add the voxels of a bin up one by one in float32, which a 1 no longer changes at 2**24, nor 0.01 at a sum far below:
#           beyond that the means of a bin are sums that stand still, and not both at the same place.
# Seen:     64 slices of 512 x 512 pixels: 0.0001 and 0.0001; 256 slices: 0.0244 and 0.0244, where float64 has 0.0000
# Matters:  that many voxels are one CT of the body, or some hundred frames together, and nearly all of them are background, in the
#           lowest bin; networks look badly calibrated, and the worse the more voxels there are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.metrics import CalibrationErrorMetric
from torchmetrics.functional.classification import binary_calibration_error

draw = torch.Generator().manual_seed(0)
for slices in (64, 256):
    truth = (torch.rand(1, 1, slices, 512, 512, generator=draw) < 0.01).float()
    told = torch.full_like(truth, 0.01)
    metric = CalibrationErrorMetric(num_bins=10)
    metric(y_pred=told, y=truth)
    monai = float(metric.aggregate())
    other = float(binary_calibration_error(told.flatten(), truth.flatten().int(), n_bins=10))
    exact = abs(told.sum(dtype=torch.float64) - truth.sum(dtype=torch.float64)).item() / truth.numel()
    print(f"{slices} slices: monai {monai:.4f}, torchmetrics {other:.4f}, float64 {exact:.4f}")
    assert exact < 0.0001 and (monai < 0.001 and other < 0.001 if slices == 64 else monai > 0.02 and other > 0.02)
PYTHON
