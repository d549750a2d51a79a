#!/usr/bin/env bash
# TorchCP's CQR-R calibrates nothing: its intervals of 90 % hold 59 % of the values, where CQR's from the same quantiles hold 90 %.
#
# Library:  torchcp 1.2.1, with torch 2.13.0
# Expected: what the calibration finds is a share of each interval's width, and each interval is widened by so many of its widths at both ends.
# Instead:  the width is taken from the interval that is still to be filled in, which is 0 there, and not from the predicted one. What calibration
#           found is multiplied by 0.000001, so that the intervals are the predicted ones.
# Seen:     20,000 values around a mean, with a scale that differs between cases; a network whose quantiles are half as far apart as they should be
#             predicted quantiles   coverage 0.585
#             CQR, 90 %             coverage 0.896
#             CQR-R, 90 %           coverage 0.585; widened by the share that it had found itself, 0.895
# Matters:  the one promise of a conformal interval is its coverage. Here it is that of the network, whatever the level asked for, and the run gives
#           no sign: q_hat has a sensible value.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 tqdm==4.67.1
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps torchcp==1.2.1  # its language models need much more
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import sys
import types

import torch
from torch.utils.data import DataLoader, TensorDataset

for name in ("torchcp", "torchcp.regression"):  # entered without their first files, which import everything else
    package = types.ModuleType(name)
    package.__path__ = importlib.util.find_spec(name).submodule_search_locations
    sys.modules[name] = package

from torchcp.regression.predictor.split import SplitPredictor  # noqa: E402
from torchcp.regression.score.cqr import CQR  # noqa: E402
from torchcp.regression.score.cqrr import CQRR  # noqa: E402

ALPHA = 0.1
random = torch.Generator().manual_seed(0)


class Quantiles(torch.nn.Module):
    """The quantiles at 5 and 95 % of a normal distribution, half as far from the mean as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.reach = torch.nn.Parameter(torch.tensor(0.5 * 1.6449))  # of a scale of 1

    def forward(self, case: torch.Tensor) -> torch.Tensor:  # (B, 2): mean and scale
        half = self.reach * case[:, 1:]
        return torch.cat([case[:, :1] - half, case[:, :1] + half], 1)


def cases(count: int) -> TensorDataset:
    case = torch.stack([torch.randn(count, generator=random), 0.5 + torch.rand(count, generator=random)], 1)
    return TensorDataset(case, case[:, 0] + case[:, 1] * torch.randn(count, generator=random))


calibration, test = cases(10_000), cases(20_000)
case, value = test.tensors
low, high = Quantiles()(case).detach().unbind(1)
coverage = {"predicted": float(((low <= value) & (value <= high)).float().mean())}
for name, score in (("CQR", CQR()), ("CQR-R", CQRR())):
    predictor = SplitPredictor(score, Quantiles(), alpha=ALPHA)
    predictor.calibrate(DataLoader(calibration, batch_size=1000), alpha=ALPHA)
    coverage[name] = float(predictor.evaluate(DataLoader(test, batch_size=1000))["coverage_rate"])
    found = float(predictor.q_hat)
    print(f"{name}: q_hat {found:.3f}, coverage {coverage[name]:.4f}")
wide = found * (high - low)
by_hand = float(((low - wide <= value) & (value <= high + wide)).float().mean())
print(f"predicted {coverage['predicted']:.4f}; CQR-R by hand {by_hand:.4f}")
assert abs(coverage["CQR"] - 0.9) < 0.02 and abs(by_hand - 0.9) < 0.02
assert abs(coverage["CQR-R"] - coverage["predicted"]) < 0.001 and coverage["CQR-R"] < 0.65
PYTHON
