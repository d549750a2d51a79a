#!/usr/bin/env bash
# segmentation_models_pytorch's "weighted-imagewise" mean divides by the number of classes twice: a perfect segmentation of 4 classes scores 0.25.
#
# Library:  segmentation-models-pytorch 0.6.0, with torch 2.13.0
# Expected: with equal weights, "weighted-imagewise" is "macro-imagewise", as "weighted" is "macro"; a perfect segmentation has 1.
# Instead:  weights are made to add up to 1, and the weighted scores are averaged over the classes on top of that.
# Seen:     IoU of a segmentation and itself, 4 classes: micro, macro, weighted, micro-imagewise and macro-imagewise 1.00, weighted-imagewise 0.25;
#           of one with a tenth of its pixels wrong: macro-imagewise 0.81, weighted-imagewise with equal weights 0.20
# Matters:  it is the one reduction for images of unlike size of lesion in which rare classes count as one wishes. Its values look like those of a
#           model that fails, and go down with the number of classes; set beside another paper's they decide a comparison.
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

package = types.ModuleType("segmentation_models_pytorch")  # entered without its first file, which imports the networks
package.__path__ = importlib.util.find_spec(package.__name__).submodule_search_locations
sys.modules[package.__name__] = package

from segmentation_models_pytorch.metrics import get_stats, iou_score  # noqa: E402

draw = torch.Generator().manual_seed(0)
truth = torch.randint(0, 4, (8, 32, 32), generator=draw)
wrong = torch.rand(truth.shape, generator=draw) < 0.1
nearly = torch.where(wrong, (truth + 1) % 4, truth)
names = ("micro", "macro", "weighted", "micro-imagewise", "macro-imagewise", "weighted-imagewise")
found = {}
for title, result in (("a segmentation and itself", truth), ("a tenth wrong", nearly)):
    counts = get_stats(result, truth, mode="multiclass", num_classes=4)
    found[title] = {name: float(iou_score(*counts, reduction=name, class_weights=[1, 1, 1, 1] if "weighted" in name else None)) for name in names}
    print(f"{title}: " + ", ".join(f"{name} {value:.2f}" for name, value in found[title].items()))

by_hand = torch.stack([
    torch.stack([((one == label) & (other == label)).sum() / ((one == label) | (other == label)).sum() for label in range(4)])
    for one, other in zip(nearly, truth)
]).mean(0)
weights = [0.4, 0.3, 0.2, 0.1]
value = float(iou_score(*get_stats(nearly, truth, mode="multiclass", num_classes=4), reduction="weighted-imagewise", class_weights=weights))
right = float((by_hand * torch.tensor(weights)).sum())
print(f"a tenth wrong, weights {weights}: {value:.3f}, by hand {right:.3f}")
assert abs(4 * value - right) < 1e-5

perfect, tenth = found.values()
assert all(abs(perfect[name] - 1) < 1e-6 for name in names[:-1]) and abs(perfect["weighted-imagewise"] - 0.25) < 1e-6
assert abs(tenth["weighted"] - tenth["macro"]) < 1e-6 and abs(4 * tenth["weighted-imagewise"] - tenth["macro-imagewise"]) < 1e-6
PYTHON
