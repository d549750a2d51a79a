#!/usr/bin/env bash
# TorchIO's histogram standardisation is trained with the cutoff that one gives, and applied with 1 and 99 %.
#
# Library:  torchio 1.2.1, with torch 2.13.0
# Expected: with cutoff=(0.05, 0.95) a picture's 5 % and 95 % values go to 0 and 100, those that the landmarks stand for.
# Instead:  landmarks are an array without their cutoff, and the transform has no such option: the picture's 1 % and 99 % values are put
#           where those of 5 % and 95 % belong.
# Seen:     pictures of training themselves: cutoff (0.01, 0.99) to 0.0 and 100.0; (0.05, 0.95) to 2.2 and 86.3; (0, 1) to -1.3 and 272.2
# Matters:  the cutoff is the one number that the training asks for; with any other than the default nothing ends where it should, all pictures
#           alike, so that they still look standardised; but windows, thresholds and other software's landmarks no longer fit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchio==1.2.1 torch==2.13.0 simpleitk==2.5.7 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
import torchio

draw = np.random.default_rng(0)
names = [f"{index}.nii" for index in range(4)]
for name in names:
    torchio.ScalarImage(tensor=torch.from_numpy(draw.gamma(2, 100, (1, 32, 32, 32)).astype(np.float32))).save(name)
found = {}
for cutoff in ((0.01, 0.99), (0.05, 0.95), (0, 1)):
    landmarks = torchio.HistogramStandardization.train(names, cutoff=cutoff, progress=False)
    before = np.sort(torchio.ScalarImage(names[0]).numpy().ravel())
    subject = torchio.Subject(mr=torchio.ScalarImage(names[0]))
    after = np.sort(torchio.HistogramStandardization({"mr": landmarks})(subject).mr.numpy().ravel())
    found[cutoff] = [float(np.interp(np.quantile(before, end), before, after)) for end in cutoff]
    print(f"cutoff {cutoff}: landmarks from {landmarks[0]:.0f} to {landmarks[-1]:.0f}; the picture's ends go to", *(f"{end:.1f}" for end in found[cutoff]))
    assert abs(landmarks[0]) < 1e-6 and abs(landmarks[-1] - 100) < 1e-6
assert np.allclose(found[0.01, 0.99], [0, 100], atol=0.1) and found[0.05, 0.95][1] < 90 and found[0, 1][1] > 200
PYTHON
