"""The prior over grids of codes: one gated PixelCNN for each level, which is given the codes of the coarser ones.

Shape letters: K codes, h and w sides of a grid of codes. Levels are listed from the coarsest grid to the finest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from medgen.config import Settings
from medgen.nn.codes.pixelcnn import PixelCNN


class PriorSettings(Settings):
    """Settings of the prior over codes, one gated PixelCNN for each grid."""

    share: float = Field(0.3, ge=0, lt=1)  # of the training, at its end, that trains the prior; 0 = no prior
    width: int = Field(64, ge=1)
    layers: int = Field(5, ge=1)  # the net sees so many codes and one more up and to the left
    dropout: float = Field(0.1, ge=0, lt=1)
    conditional: bool = False  # on the class of a frame
    map: Literal["residual", "code_nll", "product"] = "residual"  # what the image score and the map are made of

    @model_validator(mode="after")
    def _map_has_its_prior(self) -> Self:
        if self.share == 0 and self.map != "residual":
            raise ValueError(f"map '{self.map}' needs a prior; set share above 0, or map to residual")
        return self


class CodePrior(nn.Module):
    """The probability of an image's codes, level by level, each given the coarser ones.

    Parameters
    ----------
    codes : K
    grids : (h, w) of each level
    classes : number of classes that it tells apart, 0 for none
    """

    def __init__(self, settings: PriorSettings, codes: int, grids: Sequence[tuple[int, int]], classes: int) -> None:
        super().__init__()
        self.grids, self.classes = tuple(grids), classes
        self.nets = nn.ModuleList(
            PixelCNN(codes, settings.width, settings.layers, classes, above, settings.dropout) for above in range(len(grids))
        )

    def nll(self, codes: Sequence[Tensor], label: Tensor | None = None) -> list[Tensor]:
        """Return the negative log-likelihood of each code in nats, (B, h, w) a level.

        Parameters
        ----------
        codes : (B, h, w) int64 a level
        label : (B,) int64, -1 unknown; None for all unknown
        """
        return [net.nll(codes[k], codes[:k], label) for k, net in enumerate(self._nets())]

    def best_nll(self, codes: Sequence[Tensor], label: Tensor | None = None) -> list[Tensor]:
        """Return `nll` under the given label, or under the likeliest one for a frame whose label is not known."""
        if not self.classes:
            return self.nll(codes)
        label = torch.full_like(codes[0][:, 0, 0], -1) if label is None else label  # (B,)
        by_class = [self.nll(codes, torch.full_like(label, k)) for k in range(self.classes)]
        totals = torch.stack([torch.stack([level.flatten(1).sum(1) for level in levels]).sum(0) for levels in by_class])  # (L, B)
        chosen, frame = torch.where(label >= 0, label, totals.argmin(0)), torch.arange(len(label), device=label.device)
        return [torch.stack(levels)[chosen, frame] for levels in zip(*by_class, strict=True)]  # (L, B, h, w) -> (B, h, w)

    def sample(self, n: int, label: int | None = None, temperature: float = 1.0) -> list[Tensor]:
        """Draw codes (n, h, w) int64 a level; without a label each frame gets one at random."""
        labels: Tensor | None = None
        if self.classes:
            device = next(self.parameters()).device
            labels = torch.randint(self.classes, (n,), device=device) if label is None else torch.full((n,), label, device=device)
        drawn: list[Tensor] = []
        for net, grid in zip(self._nets(), self.grids, strict=True):
            drawn.append(net.sample(n, grid, drawn, labels, temperature))
        return drawn

    def _nets(self) -> list[PixelCNN]:
        return [net for net in self.nets if isinstance(net, PixelCNN)]
