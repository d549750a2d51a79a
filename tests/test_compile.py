"""Nets compiled by torch.compile, here with backends of it that need no compiler and change no number."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from tiny import after, make_fit, quick_vae
from torch import nn
from torch._dynamo.testing import CompileCounter

from medgen.contract.backend import Optimizer, Player
from medgen.engine.compiled import compile_nets
from medgen.engine.device import make_fabric
from medgen.engine.player import PlayerOptimizer
from medgen.engine.train_settings import TrainSettings
from medgen.errors import ConfigError, RunError

HIDDEN = "ignore:The .grad attribute of a Tensor that is not a leaf"  # a warning that PyTorch itself hides from its users


class ManyNets(nn.Module):
    """A model whose one player has ten nets of different shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nn.Sequential(nn.Linear(2, 1 + width)) for width in range(10))

    @property
    def players(self) -> dict[str, Player]:
        return {"all": Player(tuple(self.nets), Optimizer())}


def test_every_net_is_compiled_a_plain_sequence_of_layers_too() -> None:
    model, counter = ManyNets(), CompileCounter()
    compile_nets(model, counter)  # type: ignore[arg-type]
    for net in model.nets:
        net(torch.ones(3, 2))
    assert counter.frame_count == 10


def test_a_copy_of_a_model_is_not_compiled() -> None:
    model, counter = ManyNets(), CompileCounter()
    compile_nets(model, counter)  # type: ignore[arg-type]
    deepcopy(model).nets[0](torch.ones(3, 2))
    assert counter.frame_count == 0


def test_no_net_is_compiled_by_default(tmp_path: Path) -> None:
    assert all(net._compiled_call_impl is None for net in make_fit(tmp_path, quick_vae()).model.modules())


@pytest.mark.filterwarnings(HIDDEN)
def test_a_training_with_compiled_nets_goes_on_without_them_to_the_same_bits(tmp_path: Path) -> None:
    whole = make_fit(tmp_path / "whole", quick_vae(), steps=2, epochs=2)
    whole.run(lambda row: None)
    make_fit(tmp_path / "parts", quick_vae(), steps=2, epochs=2, compile="eager").run(lambda row: None, stop=after(1))
    rest = make_fit(tmp_path / "parts", quick_vae(), steps=2, epochs=2)
    rest.resume()
    rest.run(lambda row: None)
    one, two = (fit.model.state_dict() for fit in (whole, rest))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_gradient_penalty_on_a_compiled_net_is_refused_in_plain_words() -> None:
    model, frames = ManyNets(), torch.ones(3, 2, requires_grad=True)
    compile_nets(model, "aot_eager")  # type: ignore[arg-type]
    (slope,) = torch.autograd.grad(model.nets[0](frames).square().sum(), frames, create_graph=True)
    with pytest.raises(RunError, match=r"train without train\.compile"):
        PlayerOptimizer(model.players["all"]).move(make_fabric("cpu", "float32"), slope.square().sum(), 0.0)


def test_an_unknown_compiler_is_refused() -> None:
    with pytest.raises(ConfigError, match="compile"):
        TrainSettings.parse({"compile": "gcc"}, "settings")
