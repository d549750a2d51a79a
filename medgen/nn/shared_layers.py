"""Batch norm and dropout over a batch that is divided among ranks (`medgen.ranks`): those of one process and the whole batch.

PyTorch's SyncBatchNorm knows no CPU and has no second derivative. Frames are divided evenly, so that each rank has as many.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from medgen import ranks

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout2d)
ALIKE = (nn.AlphaDropout, nn.FeatureAlphaDropout, nn.Dropout1d, nn.Dropout3d, nn.BatchNorm3d, nn.RReLU)  # not needed so far


def share_layers(model: nn.Module) -> str:
    """Let the layers of a model whose frames depend on each other, or on draws, see the whole batch where it is divided.

    Names of weights, classes and what the layers compute elsewhere stay as they are.

    Returns
    -------
    the kind of a layer that cannot; "" where all can.
    """
    for module in model.modules():
        if isinstance(module, NORMS):
            module.forward = partial(_normalised, module)  # type: ignore[method-assign]
        elif isinstance(module, DROPOUTS):
            module.forward = partial(_thinned, module)  # type: ignore[method-assign]
        elif isinstance(module, ALIKE):
            return type(module).__name__
    return ""


def _normalised(norm: Any, values: Tensor) -> Tensor:
    """Return (B, C, ...) normalised by the statistics of the frames of all ranks, and move the running ones."""
    if ranks.count() == 1 or not norm.training:
        return type(norm).forward(norm, values)  # type: ignore[no-any-return]
    across = [0, *range(2, values.ndim)]
    shape = (1, -1, *[1] * (values.ndim - 2))
    exact = values.float()
    number = ranks.count() * values.numel() // values.shape[1]
    mean = ranks.total(exact.sum(across)) / number  # (C,)
    centred = exact - mean.view(shape)
    variance = ranks.total(centred.square().sum(across)) / number
    if norm.track_running_stats:
        norm.num_batches_tracked.add_(1)
        step = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean.detach(), step)
        norm.running_var.lerp_(variance.detach() * number / (number - 1), step)
    normalised = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        normalised = normalised * norm.weight.view(shape) + norm.bias.view(shape)
    return normalised.to(values.dtype)


def _thinned(dropout: Any, values: Tensor) -> Tensor:
    """Return (B, ...) without the numbers, or the channels, that are drawn for the frames of all ranks."""
    if ranks.count() == 1 or not dropout.training or not 0 < dropout.p < 1:
        return type(dropout).forward(dropout, values)  # type: ignore[no-any-return]
    if isinstance(dropout, nn.Dropout2d):
        kept = values.new_empty(ranks.whole_size((*values.shape[:2], *[1] * (values.ndim - 2))))
    else:
        kept = ranks.whole_like(values)
    with torch.no_grad():
        kept.bernoulli_(1 - dropout.p).div_(1 - dropout.p)
    return values * ranks.own_rows(kept)
