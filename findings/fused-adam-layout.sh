#!/usr/bin/env bash
# Fused Adam goes on with the wrong moments where a checkpoint was written in another memory layout.
#
# Library:  torch 2.13.0
# Expected: training continued from a checkpoint goes on as it would have without the break. Whether the weights lie in memory as
#           channels_last is a matter of speed: load_state_dict copies values by index, not by place in memory.
# Instead:  the model's load_state_dict keeps the layout of the model, the optimiser's that of the file. The fused step of Adam
#           then walks through weights and moments as they lie in memory, and each weight moves by the moments of another one.
#           No error and no warning; Adam without fused=True gets it right.
# Seen:     largest difference of a weight five steps after the checkpoint, at a learning rate of 0.01
#             fused=False: same layout 0.0e+00, channels_last 0.0e+00
#             fused=True: same layout 0.0e+00, channels_last 6.6e-02
# Matters:  a run saved as plain arrays and continued as channels_last, as GPUs like it, takes some steps in wrong directions. The
#           loss may recover, so that the break shows nowhere but in results that no longer repeat.
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
torch.set_num_threads(1)
FRAMES = torch.randn(4, 8, 12, 12, generator=torch.Generator().manual_seed(1))


def start(fused: bool, layout: torch.memory_format) -> tuple[nn.Module, torch.optim.Adam]:
    torch.manual_seed(0)
    net = nn.Conv2d(8, 16, 3).to(memory_format=layout)
    return net, torch.optim.Adam(net.parameters(), 0.01, fused=fused)


def train(net: nn.Module, optimiser: torch.optim.Adam) -> torch.Tensor:
    for _ in range(5):
        optimiser.zero_grad()
        net(FRAMES).square().mean().backward()
        optimiser.step()
    return net.weight.detach().clone()


def resumed(fused: bool, layout: torch.memory_format) -> torch.Tensor:
    net, optimiser = start(fused, layout)
    state = torch.load("state.pt")
    net.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    return train(net, optimiser)


found = {}
for fused in (False, True):
    net, optimiser = start(fused, torch.contiguous_format)
    train(net, optimiser)
    torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict()}, "state.pt")
    unbroken = train(net, optimiser)
    for name, layout in (("same layout", torch.contiguous_format), ("channels_last", torch.channels_last)):
        found[fused, name] = (resumed(fused, layout) - unbroken).abs().max().item()
    print(f"fused={fused}: " + ", ".join(f"{name} {found[fused, name]:.1e}" for name in ("same layout", "channels_last")))
assert found[False, "same layout"] == found[True, "same layout"] == 0
assert found[False, "channels_last"] < 1e-4
assert found[True, "channels_last"] > 1e-2
PYTHON
