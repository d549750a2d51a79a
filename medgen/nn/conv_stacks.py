"""Stacks of convolutions that halve and double the side of a frame, and of dense layers; most autoencoders are built of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn


def halved(size: int, times: int) -> int:
    """Return the side that is left of `size` pixels when it is halved so often, each time rounded up."""
    return -(-size // 2**times)


def down(channels: int, widths: Sequence[int]) -> list[nn.Module]:
    """Return a 3 x 3 convolution of stride 2 with ReLU for each width: (B, channels, S, S) to (B, widths[-1], S / 2^n, S / 2^n).

    An odd side is rounded up.
    """
    pairs = pairwise((channels, *widths))
    return [layer for before, after in pairs for layer in (nn.Conv2d(before, after, 3, 2, padding=1), nn.ReLU())]


def up(channels: int, widths: Sequence[int], norm: Callable[[int], nn.Module] | None = None) -> list[nn.Module]:
    """Return a 3 x 3 transposed convolution of stride 2 with ReLU for each width.

    (B, channels, s, s) becomes (B, widths[-1], 2^n s, 2^n s).

    Parameters
    ----------
    channels : of the input
    widths : channels behind each convolution
    norm : makes the normalisation of so many channels, which stands before each ReLU; None for no normalisation
    """
    layers: list[nn.Module] = []
    for before, after in pairwise((channels, *widths)):
        layers.append(nn.ConvTranspose2d(before, after, 3, 2, padding=1, output_padding=1))
        layers += [norm(after)] if norm else []
        layers.append(nn.ReLU())
    return layers


def dense(features: int, widths: Sequence[int]) -> list[nn.Module]:
    """Return a linear layer with ReLU for each width: (B, features) to (B, widths[-1])."""
    return [layer for before, after in pairwise((features, *widths)) for layer in (nn.Linear(before, after), nn.ReLU())]


def init_he(module: nn.Module) -> None:
    """Draw a layer's weights as He et al. 2015: with smaller ones the latents do not reach the output: one mean frame."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        assert module.bias is not None
        nn.init.zeros_(module.bias)
