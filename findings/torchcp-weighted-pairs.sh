#!/usr/bin/env bash
# TorchCP's weighted prediction sorts scores and weights each by itself: where easy cases weigh most, sets of 90 % cover 99 %.
#
# Library:  torchcp 1.2.1, with torch 2.13.0
# Expected: each calibration case keeps its own weight when the scores are sorted, as in the paper on covariate shift that it implements.
# Instead:  the weights are sorted as well, by themselves: the smallest weight goes to the smallest score, the largest to the largest.
# Seen:     4,000 cases for calibration, half of them easy (one class) and half hard (any of four); 2,000 of the test, nine in ten easy; the exact
#           ratio of both densities for the weights, sets of 90 %
#             torchcp                     coverage 0.990, 1.24 classes in a set
#             each score with its weight  coverage 0.909, 0.91 classes
#             hard cases nine in ten: the same in both
# Matters:  the weights are there to carry a calibration over to another hospital. Where its frames are easier the sets are larger by a third than
#           the guarantee asks for, as the largest weights go to the largest scores whoever they belong to.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 tqdm==4.67.1 scikit-learn==1.9.1
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps torchcp==1.2.1  # its language models need much more
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import sys
import types

import torch
from torch.utils.data import DataLoader, TensorDataset

for name in ("torchcp", "torchcp.classification"):  # entered without their first files, which import everything else
    package = types.ModuleType(name)
    package.__path__ = importlib.util.find_spec(name).submodule_search_locations
    sys.modules[name] = package

from torchcp.classification.predictor.weight import WeightedPredictor  # noqa: E402
from torchcp.classification.score.lac import LAC  # noqa: E402

ALPHA, CLASSES = 0.1, 4
torch.manual_seed(0)


class Classifier(torch.nn.Module):
    """What an easy case is, as good as surely; of a hard one, that it may be any class, one of them a little more than the next."""

    def __init__(self) -> None:
        super().__init__()
        self.sure = torch.nn.Parameter(torch.tensor(6.0))

    def forward(self, case: torch.Tensor) -> torch.Tensor:  # (B, 2 + classes): hard or not, the class of an easy one, unrest
        easy = torch.nn.functional.one_hot(case[:, 1].long(), CLASSES) * self.sure
        return torch.where(case[:, :1] > 0, 0.0, easy) + 0.1 * case[:, 2:]


class Shift(torch.nn.Module):
    """How likely a case is to come from calibration or from the test, from whether it is hard."""

    def __init__(self, hard_share: float) -> None:
        super().__init__()
        self.hard_share = hard_share

    def forward(self, case: torch.Tensor) -> torch.Tensor:  # (B, 2)
        test = torch.where(case[:, 0] > 0, self.hard_share, 1 - self.hard_share)
        return torch.stack([0.5 / (0.5 + test), test / (0.5 + test)], 1)


def cases(count: int, hard_share: float) -> TensorDataset:
    hard, truth = torch.rand(count) < hard_share, torch.randint(0, CLASSES, (count,))
    return TensorDataset(torch.cat([torch.stack([hard.float(), truth.float()], 1), torch.randn(count, CLASSES)], 1), truth)


def by_hand(calibration: TensorDataset, test: TensorDataset, ratio: Shift) -> tuple[float, float]:
    """Coverage and size of sets by the weighted quantile of scores that keep their weights."""
    (case, truth), (new_case, new_truth) = calibration.tensors, test.tensors
    scores, order = (1 - Classifier()(case).softmax(1)[torch.arange(len(case)), truth]).sort()
    odds = ratio(case)[order]
    weight = odds[:, 1] / odds[:, 0]
    new = ratio(new_case)
    new_weight = new[:, 1] / new[:, 0]
    reached = weight.cumsum(0) / (weight.sum() + new_weight[:, None]) >= 1 - ALPHA
    sets = 1 - Classifier()(new_case).softmax(1) <= scores[reached.int().argmax(1), None]
    return float(sets[torch.arange(len(new_case)), new_truth].float().mean()), float(sets.float().sum(1).mean())


calibration = cases(4000, 0.5)
for share in (0.1, 0.9):
    test, ratio = cases(2000, share), Shift(share)
    predictor = WeightedPredictor(LAC(), Classifier(), alpha=ALPHA, image_encoder=torch.nn.Identity(), domain_classifier=ratio)
    predictor.calibrate(DataLoader(calibration, batch_size=1000), alpha=ALPHA)
    found = predictor.evaluate(DataLoader(test, batch_size=1000))
    coverage, size = by_hand(calibration, test, ratio)
    theirs = float(found["coverage_rate"]), float(found["average_size"])
    print(f"{share:.0%} hard: torchcp {theirs[0]:.4f}, {theirs[1]:.2f} classes; with their own weights {coverage:.4f}, {size:.2f}")
    if share < 0.5:
        assert abs(coverage - 0.9) < 0.02 and theirs[0] > 0.95 and theirs[1] > size + 0.2
    else:
        assert abs(coverage - theirs[0]) < 0.005 and abs(size - theirs[1]) < 0.02
PYTHON
