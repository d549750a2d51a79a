#!/usr/bin/env bash
# segmentation_models_pytorch's Lovász loss ignores `from_logits=False`: probabilities of a perfect segmentation have a loss of 0.52.
#
# Library:  segmentation-models-pytorch 0.6.0, with torch 2.13.0
# Expected: with from_logits=False the prediction is taken for probabilities, so that one which is 1 where it should be has a loss of 0.
# Instead:  LovaszLoss stores the argument nowhere: probabilities go through another softmax, which leaves the surest of 4 classes with 0.475, or, for
#           two classes, into the hinge as logits, which asks for -1 and 1. FocalLoss takes the logarithm of the probabilities of several classes for
#           the logits of a sigmoid for each, which makes 0.5 of a probability of 1.
# Seen:     one-hot probabilities of the very truth
#             4 classes  Lovász 0.52, focal 0.043, Dice 0, Jaccard 0
#             2 classes  Lovász 0.51, focal 0, Dice 0, Jaccard 0
#           the same as logits of -100 and 100: 0 for all
# Matters:  a network that ends in softmax is trained by a loss that never goes below a half and is nearly flat, or by a focal one in which what is
#           right already keeps a quarter of its weight. It learns slowly, and nothing says why.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps segmentation-models-pytorch==0.6.0  # its networks need much more
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import sys
import types

import torch
from torch.nn.functional import one_hot

package = types.ModuleType("segmentation_models_pytorch")  # entered without its first file, which imports the networks
package.__path__ = importlib.util.find_spec(package.__name__).submodule_search_locations
sys.modules[package.__name__] = package

from segmentation_models_pytorch.losses import DiceLoss, FocalLoss, JaccardLoss, LovaszLoss  # noqa: E402

truth = torch.randint(0, 4, (2, 32, 32), generator=torch.Generator().manual_seed(0))
sure = one_hot(truth, 4).permute(0, 3, 1, 2).float()
lesion = (truth > 1).float()[:, None]
every = {"Lovasz": LovaszLoss, "focal": FocalLoss, "Dice": DiceLoss, "Jaccard": JaccardLoss}
for mode, perfect, wanted in (("multiclass", sure, truth), ("binary", lesion, lesion)):
    losses = {name: float(loss(mode, from_logits=False)(perfect, wanted)) for name, loss in every.items()}
    logits = max(float(loss(mode, from_logits=True)(200 * perfect - 100, wanted)) for loss in every.values())
    print(f"{mode}: " + ", ".join(f"{name} {value:.3f}" for name, value in losses.items()) + f"; as logits {logits:.3f} at most")
    assert losses["Lovasz"] == float(LovaszLoss(mode, from_logits=True)(perfect, wanted)) and 0.5 < losses["Lovasz"] < 0.55
    assert max(losses["Dice"], losses["Jaccard"], logits) < 1e-6
    if mode == "binary":
        assert losses["focal"] < 1e-6
    else:
        half = torch.tensor(0.5)  # the sigmoid of log 1: the true class is in doubt, the three others are at 0
        assert abs(losses["focal"] - float(-((1 - half) ** 2) * half.log() / 4)) < 1e-5
print(f"softmax of a sure prediction: {float(sure.softmax(1).max()):.3f}")
PYTHON
