#!/usr/bin/env bash
# Module.compile() leaves a plain nn.Sequential uncompiled, and says nothing.
#
# Library:  torch 2.13.0
# Expected: net.compile(...) compiles the forward pass of a net in place, as torch.compile(net, ...) does for the net that it returns.
# Instead:  where the net is a Sequential of PyTorch's own layers, or one such layer, nothing is ever handed to the compiler. The
#           net runs as before: no error and no warning, with warnings as errors either. Inside a module of one's own it is compiled.
# Seen:     graphs that reach the compiler
#             nn.Sequential: net.compile 0, torch.compile 1
#             nn.Linear: net.compile 0, torch.compile 1
#             own module around it: net.compile 1, torch.compile 1
# Matters:  encoders, decoders, generators and critics are such Sequentials. Who compiles them one by one in place measures the speed
#           of PyTorch without its compiler, and may conclude that compiling brings nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import torch
from torch import nn

warnings.simplefilter("error")
FRAMES = torch.ones(3, 2)


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.net(frames)


def graphs(net: nn.Module, in_place: bool) -> int:
    """Return how many graphs of a net reach a compiler that only counts them."""
    torch._dynamo.reset()
    seen = []

    def count(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        seen.append(graph)
        return graph.forward

    if in_place:
        net.compile(backend=count)
    else:
        net = torch.compile(net, backend=count)
    net(FRAMES)
    return len(seen)


found = {}
for name, make in {
    "nn.Sequential": lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
    "nn.Linear": lambda: nn.Linear(2, 2),
    "own module around it": Own,
}.items():
    found[name] = [graphs(make(), in_place) for in_place in (True, False)]
    print(f"{name}: net.compile {found[name][0]}, torch.compile {found[name][1]}")
assert found == {"nn.Sequential": [0, 1], "nn.Linear": [0, 1], "own module around it": [1, 1]}, found
PYTHON
