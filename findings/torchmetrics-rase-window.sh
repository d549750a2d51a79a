#!/usr/bin/env bash
# torchmetrics' relative average spectral error is too large by the number of pixels in its window: 640 % for a picture that is 10 % too bright.
#
# Library:  torchmetrics 1.9.0, with torch 2.13.0
# Expected: 100 / M times the root of the mean squared error of all channels, where M is the mean radiance of the target (Gonzalez-Audicana et al.
#           2004): a percentage of the mean. With a sliding window, the mean of that over all windows.
# Instead:  the target's mean in each window, which a uniform filter has taken, is divided by the number of pixels of the window once more.
# Seen:     every pixel 110 where it is 100, so that the error is 10 % in any window
#             window of 4   160 %
#             window of 8   640 %, which is the default
#             window of 16  2560 %
#           a picture of 3 channels with noise of a tenth of its mean, window of 8: 64.0 times what the formula gives window by window
# Matters:  the number is read as a percentage and compared with that of papers and other programs, and two values from different windows cannot be
#           compared at all: their areas decide.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import torch
from torch.nn.functional import avg_pool2d
from torchmetrics.functional.image import relative_average_spectral_error
from torchmetrics.image import RelativeAverageSpectralError

flat = torch.full((1, 3, 64, 64), 100.0)
for window in (4, 8, 16):
    found = [float(RelativeAverageSpectralError(window_size=window)(factor * flat, flat)) for factor in (1.1, 1.0)]
    print(f"10 % too bright, window of {window}: {found[0]:.1f} %; no error: {found[1]:.1f} %")
    assert abs(found[0] - 10 * window**2) < 0.1 and found[1] == 0

draw = torch.Generator().manual_seed(0)
truth = 100 + 20 * avg_pool2d(torch.randn(1, 3, 64, 64, generator=draw), 5, 1, 2)
noisy = truth + 10 * torch.randn(truth.shape, generator=draw)
errors, means = (avg_pool2d(values, 8, 1) for values in ((noisy - truth) ** 2, truth))  # every window that lies within the picture
by_hand = float((100 / means.mean(1) * errors.mean(1).sqrt()).mean())
found = float(relative_average_spectral_error(noisy, truth))
print(f"with noise: torchmetrics {found:.1f} %, window by window {by_hand:.2f} %, ratio {found / by_hand:.1f}")
assert 9 < by_hand < 11 and abs(found / by_hand - 64) < 0.5
PYTHON
