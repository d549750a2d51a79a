"""What nets have in common that others have trained: how frames are brought to them, and a transformer's tokens as a map."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import MedgenError


class Standard(NamedTuple):
    """What frames look like to a net.

    Attributes
    ----------
    side : in pixels, where no other side is asked for
    mean, std : of each colour, of values in [0, 1]
    """

    side: int
    mean: Sequence[float]
    std: Sequence[float]


class Standardised(nn.Module):
    """A net that takes standardised frames.

    Parameters
    ----------
    standard : how frames are brought to it
    kept : whether mean and standard deviation count among its weights, so that a fingerprint tells others from them
    """

    def __init__(self, standard: Standard, kept: bool = False) -> None:
        super().__init__()
        self.side = standard.side
        self.register_buffer("mean", torch.tensor([*standard.mean], dtype=torch.float32).view(-1, 1, 1), persistent=kept)
        self.register_buffer("std", torch.tensor([*standard.std], dtype=torch.float32).view(-1, 1, 1), persistent=kept)

    def prepared(self, images: Tensor, side: int = 0) -> Tensor:
        """Return what the weights were trained on: (B, 3, H, W) in [0, 1] to (B, 3, side, side), standardised."""
        side = side or self.side
        if images.shape[-2:] != (side, side):
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)  # (B, 3, side, side)
        assert isinstance(self.mean, Tensor) and isinstance(self.std, Tensor)
        return (images - self.mean) / self.std


class TokenNet(Standardised):
    """A transformer that has a vector for each square patch of a frame; a subclass adds `tokens`.

    Parameters
    ----------
    name : for errors
    standard, kept : as `Standardised` takes them
    patch : side of a patch in pixels, which is the stride of the map
    front : tokens that stand before those of the patches: of the class, registers
    width : channels of a token
    """

    def __init__(self, name: str, standard: Standard, patch: int, front: int, width: int, kept: bool = False) -> None:
        super().__init__(standard, kept)
        self.name, self.patch, self.front, self.width = name, patch, front, width

    @abstractmethod
    def tokens(self, x: Tensor) -> Tensor:
        """Return (B, N, width) of (B, 3, H, W): the front, then the patches row by row."""

    def prepared(self, images: Tensor, side: int = 0) -> Tensor:
        """Return what `Standardised` does.

        Raises
        ------
        MedgenError : if patches do not fill a frame of that side.
        """
        side = side or self.side
        if side % self.patch:
            near = max(round(side / self.patch), 1) * self.patch
            raise MedgenError(
                f"'{self.name}' divides frames into patches of {self.patch} pixels; set the side to {near}, not {side}"
            )
        return super().prepared(images, side)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens of the patches as a map, (B, width, H / patch, W / patch)."""
        tokens = self.tokens(x)
        rows, columns = x.shape[2] // self.patch, x.shape[3] // self.patch
        if tokens.ndim != 3 or tokens.shape[1] != self.front + rows * columns:
            raise MedgenError(
                f"'{self.name}' made {tuple(tokens.shape)} of a frame of {rows} x {columns} patches; "
                f"expected (B, {self.front} + {rows * columns}, {self.width})"
            )
        return tokens[:, self.front :].transpose(1, 2).unflatten(2, (rows, columns))

    def layers(self, x: Tensor, coarsest: int = sys.maxsize) -> dict[int, Tensor]:
        """Return the one map that there is."""
        return {self.patch: self(x)}
