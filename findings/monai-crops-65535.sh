#!/usr/bin/env bash
# MONAI's crops by label never show the label where a picture is longer than 65,535 pixels.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: `RandCropByPosNegLabel(pos=1, neg=0)` takes crops whose middle is in the lesion, wherever it lies.
# Instead:  the last place that a crop's middle may have is kept in 16 bits and starts again at 0; all middles beyond are moved back to it.
# Seen:     lesion from 30,000 to 30,100, four crops of 64 pixels: middles at 30009 to 30051 in a picture of 60,000 pixels, and all at 432 in one of
#           66,000; with `RandCropByLabelClasses` at 30009 to 30077 and at 432
# Matters:  whole slides are that large, and memory holds a strip or a mask of one; nothing is said, the lesion is in the picture, and a training
#           that was to see lesions alone sees none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from monai.transforms import RandCropByLabelClasses, RandCropByPosNegLabel

for length in (60000, 65535, 66000):
    label = np.zeros((1, 4, length), np.float32)
    label[..., 30000:30100] = 1
    shared = {"spatial_size": (4, 64), "label": label, "num_samples": 4}
    for crop in (RandCropByPosNegLabel(pos=1, neg=0, **shared), RandCropByLabelClasses(ratios=[0, 1], num_classes=2, **shared)):
        crop.set_random_state(0)
        crops = crop(label)
        middles = sorted(int(one.meta["crop_center"][1]) for one in crops)
        lesion = sum(float(one.sum()) > 0 for one in crops)
        print(f"{length} pixels, {type(crop).__name__}: middles {middles}, lesion in {lesion} of 4")
        assert lesion == (4 if length < 66000 else 0)
PYTHON
