"""Training with nets that `torch.compile` has compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from medgen.contract.backend import Backend
from medgen.errors import RunError


def compile_nets(model: Backend, compiler: str) -> None:
    """Have the nets of a model's players compiled when they are first called; "" leaves them as they are.

    Weights keep their names, and a deep copy of the model is not compiled. What is called of a net beside its `forward` is not
    compiled either.

    Parameters
    ----------
    model : a backend on its device
    compiler : a backend of `torch.compile`
    """
    for player in model.players.values() if compiler else ():
        for net in player.weights:
            net._compiled_call_impl = torch.compile(_call_of(net), backend=compiler)


def _call_of(net: nn.Module) -> Callable[..., Any]:
    """Return a function that calls a net.

    `net.compile()` does nothing, and says nothing, where the net is a plain `nn.Sequential`: PyTorch compiles no function that is
    defined in its own modules, but what such a one calls from here. It also compiles a function for a few nets only, and tells
    functions apart by their code, so each gets a copy of it.
    """

    def call(*given: Any, **named: Any) -> Any:
        return net._call_impl(*given, **named)

    call.__code__ = call.__code__.replace()
    return call


def refuse_double_backward(error: RuntimeError) -> None:
    """Refuse to train a compiled net by the gradient of its gradient, which PyTorch cannot compute.

    Raises
    ------
    RunError : if that is what the error of a backward pass says.
    """
    if "double backward" in str(error):
        raise RunError(
            "the losses of this backend hold the gradient of a net, which PyTorch cannot train where torch.compile has compiled "
            "it; train without train.compile"
        ) from error
