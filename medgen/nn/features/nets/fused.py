"""A convolution and the clipping behind it in one pass over memory, where that is possible."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

HIGHEST = 6.0  # of ReLU6
OPERATORS = ("_convolution_pointwise", "_reorder_convolution_weight")
FUSED = torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in OPERATORS)

KEPT = 4  # orders of a layer's weights that are kept, for as many shapes of frames

_ordered = WeakTensorKeyDictionary()  # dict[tuple[int, ...], Tensor] for each weight, as long as that is in memory


def convolve(layer: nn.Conv2d, x: Tensor, padding: Sequence[int], clipped: bool) -> Tensor:
    """Return what a convolution with a bias makes of x (B, C, H, W), padded by so many rows and columns on both sides.

    On a processor oneDNN cuts the values while they are still in its caches, through the operator of PyTorch that its compiler
    takes for that. Where a gradient is wanted, on another device and in a PyTorch without it there are two passes, which give the
    same but for rounding.

    Parameters
    ----------
    clipped : cut to [0, 6]
    """
    wants_gradient = torch.is_grad_enabled() and (x.requires_grad or layer.weight.requires_grad)
    if FUSED and torch.backends.mkldnn.enabled and x.device.type == "cpu" and x.dtype == torch.float32 and not wants_gradient:
        cut = ("hardtanh", [0.0, HIGHEST], "") if clipped else ("none", [], "")
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, _weights(layer, x, padding), layer.bias, list(padding), layer.stride, layer.dilation, layer.groups, *cut
        )
    drawn = F.conv2d(x, layer.weight, layer.bias, layer.stride, (padding[0], padding[1]), layer.dilation, layer.groups)
    return F.hardtanh(drawn, 0.0, HIGHEST, inplace=True) if clipped else drawn


def _weights(layer: nn.Conv2d, x: Tensor, padding: Sequence[int]) -> Tensor:
    """Return a layer's weights in the order in which oneDNN computes: it would bring them into it again for each batch.

    The order depends on the shape of x. Weights that are other ones or were written to are brought into it anew.
    """
    weight = layer.weight
    if weight.is_inference():  # which does not say whether it was written to
        return weight
    known: dict[tuple[int, ...], Tensor] = _ordered.setdefault(weight, {})
    state = (weight.data_ptr(), weight._version, *x.shape)
    if state not in known:
        if len(known) == KEPT:
            del known[next(iter(known))]
        with torch.inference_mode(False):
            known[state] = torch.ops.mkldnn._reorder_convolution_weight(
                weight.detach(), list(padding), layer.stride, layer.dilation, layer.groups, list(x.shape)
            )
    return known[state]
