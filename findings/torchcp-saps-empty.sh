#!/usr/bin/env bash
# TorchCP's SAPS without randomness returns no class at all for 2,000 of 2,000 cases where the classifier is right often enough.
#
# Library:  torchcp 1.2.1, with torch 2.13.0
# Expected: randomized=False leaves out the random share, in calibration and in prediction alike, so that a class gets the same score in both.
# Instead:  calibration gives the most likely class a score of 0, prediction its probability. The other ranks agree. With a classifier that is right
#           for nine cases in ten or more, the threshold is 0, which no class reaches.
# Seen:     10 classes, 2,000 cases for calibration and 2,000 for the test, sets of 90 %, a classifier that is right for 99 %
#             SAPS, randomized=False    coverage 0, 0 classes in a set
#             SAPS, randomized=True     coverage 0.883
#             APS, randomized=False     coverage 0.900
# Matters:  someone who wants the same set for the same frame each time switches the randomness off, and loses the guarantee: the better the
#           classifier, the emptier its sets.
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

for name in ("torchcp", "torchcp.classification"):  # entered without their first files, which import everything else
    package = types.ModuleType(name)
    package.__path__ = importlib.util.find_spec(name).submodule_search_locations
    sys.modules[name] = package

from torchcp.classification.predictor.split import SplitPredictor  # noqa: E402
from torchcp.classification.score.aps import APS  # noqa: E402
from torchcp.classification.score.saps import SAPS  # noqa: E402

torch.manual_seed(0)
truth = torch.randint(0, 10, (4000,))
logits = torch.randn(4000, 10)
logits[torch.arange(4000), truth] += 4.5
print(f"right for {float((logits.argmax(1) == truth).float().mean()):.3f}")
kinds = {"SAPS": SAPS(randomized=False), "SAPS, randomized": SAPS(randomized=True), "APS": APS(randomized=False)}
coverage, size = {}, {}
for name, score in kinds.items():
    predictor = SplitPredictor(score, alpha=0.1)
    predictor.calculate_threshold(logits[:2000], truth[:2000])
    sets = predictor.predict_with_logits(logits[2000:]).float()
    coverage[name] = float(sets[torch.arange(2000), truth[2000:]].mean())
    size[name] = float(sets.sum(1).mean())
    print(f"{name}: threshold {float(predictor.q_hat):.4f}, coverage {coverage[name]:.4f}, {size[name]:.2f} classes in a set")
every = kinds["SAPS"](logits)
one = kinds["SAPS"](logits, truth)
same = (every[torch.arange(4000), truth] - one).abs() < 1e-5
first = logits.argmax(1) == truth
print(f"scores agree for {float(same[first].float().mean()):.3f} of the first classes, {float(same[~first].float().mean()):.3f} of the others")
assert coverage["SAPS"] == 0 and size["SAPS"] == 0 and not same[first].any() and same[~first].all()
assert coverage["APS"] > 0.88 and coverage["SAPS, randomized"] > 0.88
PYTHON
