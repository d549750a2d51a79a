#!/usr/bin/env bash
# MONAI's uncertainty from repeated predictions is highest where all repeats are sure and agree, 0 where they are in doubt, and it changes them.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: VarianceMetric and compute_variance give the variance over N repeats [N, C, H, W]: 0 where the repeats agree.
# Instead:  repeats and channels are put into one axis, and the variance is taken over both. What varies most is one channel against the other,
#           and with softmax that is most where the network is sure. Values of 0 and less are set to 0.0005 in the tensor that was given.
# Seen:     ten equal repeats of 0.99 and 0.01: 0.2401; of 0.5 and 0.5: 0.0000; ten which differ, from 0.3 and 0.7 to 0.7 and 0.3: 0.0163;
#           with include_background=False: 0, 0 and 0.0163; a prediction of 0 is 0.0005 after the call
# Matters:  the metric is there to choose what an expert shall label next. It chooses the cases that the network is surest of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from monai.metrics import VarianceMetric


def repeats(lesion):
    """Return ten predictions of two channels and 8 x 8 pixels with these probabilities of a lesion."""
    return torch.stack([1 - lesion, lesion], dim=1)[..., None, None].expand(-1, -1, 8, 8).clone()


cases = {
    "sure, equal": repeats(torch.full((10,), 0.01)),
    "in doubt, equal": repeats(torch.full((10,), 0.5)),
    "different": repeats(torch.linspace(0.3, 0.7, 10)),
}
seen = {}
for name, predictions in cases.items():
    both, one = (float(VarianceMetric(include_background=with_background, scalar_reduction="mean")(predictions)) for with_background in (True, False))
    seen[name] = round(both, 4), round(one, 4)
    print(f"{name}: {seen[name][0]}, without background {seen[name][1]}")
assert seen == {"sure, equal": (0.2401, 0.0), "in doubt, equal": (0.0, 0.0), "different": (0.0163, 0.0163)}
given = repeats(torch.zeros(10))
VarianceMetric()(given)
print(f"a prediction of 0 after the call: {float(given.min()):.4f}")
assert abs(float(given.min()) - 0.0005) < 1e-9
PYTHON
