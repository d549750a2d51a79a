#!/usr/bin/env bash
# MONAI's CutMix gives a picture the other picture's class whole, however small the piece is that came from there.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: a picture of which a tenth was replaced has a tenth of the other picture's class, as in the CutMix paper.
# Instead:  labels are cut as pictures are. Where they are classes, (N, C), no spatial dimension is left to cut along, so that all of a row is
#           replaced; the method that mixes classes by their weight, `apply_on_labels`, is called by nothing.
# Seen:     4000 pictures mixed with one of another class: 0.19 of the pixels from the other, 1.00 of the label;
#           93 % keep more than half of their own pixels, and are labelled as the other class
# Matters:  no word is said. A classifier of findings is trained with the wrong class in each batch; labels of pixels are cut rightly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import torch
from monai.transforms import CutMix

pictures = torch.zeros(8, 1, 64, 64)
pictures[4:] = 1  # all black pictures are of class 0, all white ones of class 1
own = torch.tensor([0] * 4 + [1] * 4)
classes = torch.eye(2)[own]
mix = CutMix(batch_size=8)
mix.set_random_state(0)
pixels, labels = [], []
while len(pixels) < 4000:
    mixed, told = mix(pictures, classes)
    other = own[torch.as_tensor(mix._params[1])] != own  # those whose partner is of another class
    pixels += (mixed.mean((1, 2, 3)) - own).abs()[other].tolist()
    labels += (told[:, 1] - own).abs()[other].tolist()
pixels, labels = torch.tensor(pixels), torch.tensor(labels)
kept = (pixels < 0.5).float().mean()
print(f"{len(pixels)} pictures: {pixels.mean():.2f} of the pixels from the other, {labels.mean():.2f} of the label; {kept:.0%} keep more than half")
assert (labels == 1).all() and pixels.mean() < 0.3 and kept > 0.9
PYTHON
