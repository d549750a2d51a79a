#!/usr/bin/env bash
# torch.export fails, on a machine without a GPU too, where cuDNN was told in PyTorch's new way to compute float32 as float32.
#
# Library:  torch 2.13.0
# Expected: torch.backends.cudnn.conv.fp32_precision = "ieee", and the same of cudnn.rnn, say how cuDNN rounds. PyTorch's notes on
#           numerical accuracy advise this way of saying it. An export computes nothing with cuDNN, and works.
# Instead:  torch.export.export asks for the older switch, allow_tf32, which raises RuntimeError: "a mix of the legacy and new APIs",
#           though nobody but the exporter used the older one. Both at "none", which means no opinion, fail as well; of the nine
#           pairs of values only the default, "tf32" twice, is exported.
# Seen:     conv ieee, rnn ieee: RuntimeError
#           conv none, rnn none: RuntimeError
#           conv tf32, rnn tf32: exported
# Matters:  who scores with exact float32, so that numbers repeat, cannot export the net in the same process. The message blames
#           the user's mix of two ways.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from torch import nn

cudnn = torch.backends.cudnn
found = {}
for conv in ("ieee", "none", "tf32"):
    for rnn in ("ieee", "none", "tf32"):
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = conv, rnn
        try:
            torch.export.export(nn.Conv2d(3, 4, 3), (torch.zeros(1, 3, 8, 8),))
            found[conv, rnn] = "exported"
        except RuntimeError as error:
            assert "mix of the legacy and new APIs" in str(error)
            found[conv, rnn] = "RuntimeError"
        if conv == rnn:
            print(f"conv {conv}, rnn {rnn}: {found[conv, rnn]}")
assert [pair for pair, what in found.items() if what == "exported"] == [("tf32", "tf32")]
PYTHON
