#!/usr/bin/env bash
# MONAI's SaveImage with scale=65535 writes an 8-bit PNG of the low bytes.
#
# Library:  MONAI 1.6.1 (torch 2.13.0, Pillow 13.0.0)
# Expected: `scale: {255, 65535}` is said to clip to [0, 1] and to scale to [0, 65535] as uint16. A score map saved with 65535
#           becomes a 16-bit PNG whose order of pixels is that of the scores.
# Instead:  the default output_dtype (float32) is silently replaced by uint8 for PNG, after the map was scaled to 16 bits. What is
#           written is each level modulo 256: an 8-bit picture of noise. Only output_dtype=np.uint16 beside it gives what is said.
# Seen:     scores                     [0.0, 0.25, 0.5, 0.504, 1.0]
#           scale=65535                [0, 255, 255, 5, 255] uint8
#           and output_dtype=np.uint16 [0, 16383, 32767, 33029, 65535] uint16
# Matters:  maps and probabilities are saved in 16 bits because 8 are too few. The file opens everywhere and is as large as a
#           picture should be, but where a score is high its pixel is anything.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 pillow==13.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from monai.transforms import SaveImage

scores = [0.0, 0.25, 0.5, 0.504, 1.0]
score_map = torch.tensor(scores).expand(5, 5).T[None].contiguous()  # (channel, x, y): MONAI's first spatial axis runs along a row


def saved(folder: str, **options) -> np.ndarray:
    save = SaveImage(output_dir=folder, output_ext=".png", separate_folder=False, print_log=False, resample=False, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(score_map)
    (path,) = Path(folder).iterdir()
    return np.asarray(PIL.Image.open(path))[0]


plain, told = saved("plain", scale=65535), saved("told", scale=65535, output_dtype=np.uint16)
print("scores                    ", scores)
print("scale=65535               ", plain.tolist(), plain.dtype)
print("and output_dtype=np.uint16", told.tolist(), told.dtype)
assert told.dtype == np.uint16 and told.tolist() == [0, 16383, 32767, 33029, 65535]
assert plain.dtype == np.uint8 and plain.tolist() == [level % 256 for level in told.tolist()]
PYTHON
