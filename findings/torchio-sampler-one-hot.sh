#!/usr/bin/env bash
# TorchIO's label sampler never shows the lesion where labels are one-hot: it looks at the first channel alone, which is the background.
#
# Library:  torchio 1.2.1, with torch 2.13.0
# Expected: LabelSampler without probabilities draws patches whose centre is labelled; its docstring puts {0: 0, 1: 1} for them, and says that
#           several channels are taken as well. Of one-hot labels that is the lesion's channel.
# Instead:  the labels are compared with 0 in all channels, and then the first channel is used. After OneHot() the first is the background.
# Seen:     a lesion of 6 x 6 x 6 voxels in 24 x 24 x 24: 100 of 100 patches of 5 x 5 x 5 have their centre in it; with OneHot(): 0 of 100;
#           with OneHot() and label_probabilities={0: 0, 1: 1}: 100 of 100
# Matters:  training sets are turned to one-hot before they are sampled, and the sampler is there so that small lesions are seen. It shows
#           everything but them, and nothing fails.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchio==1.2.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
import torchio

labels = torch.zeros(1, 24, 24, 24)
labels[:, 9:15, 9:15, 9:15] = 1
plain = torchio.Subject(label=torchio.LabelMap(tensor=labels))
hot = torchio.OneHot()(plain)


def centred(subject, probabilities=None):
    """Count the patches of 100 whose centre lies in the lesion."""
    torch.manual_seed(0)
    sampler = torchio.LabelSampler(5, "label", probabilities)
    corners = [patch[torchio.LOCATION][:3] for patch in sampler(subject, num_patches=100)]
    return sum(bool(labels[0, i + 2, j + 2, k + 2]) for i, j, k in (corner.tolist() for corner in corners))


found = centred(plain), centred(hot), centred(hot, {0: 0, 1: 1})
print(f"centres in the lesion, of 100: labels {found[0]}, one-hot {found[1]}, one-hot with probabilities {found[2]}")
assert found == (100, 0, 100)
PYTHON
