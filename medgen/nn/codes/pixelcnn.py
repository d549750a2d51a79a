"""Gated PixelCNN over a grid of codes: a vertical and a horizontal stack, so that no earlier code is out of sight.

Source: van den Oord et al. 2016, https://arxiv.org/abs/1606.05328. The masks are cut out of the kernels: what a code must not
see is no part of a convolution. Shape letters: K codes, W width of the net, h and w sides of the grid, L classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FIRST_KERNEL = 5
KERNEL = 3


class GatedLayer(nn.Module):
    """One layer of both stacks; the first may not see the code that it predicts, so it has no path straight through."""

    def __init__(self, width: int, kernel: int, first: bool, conditional: bool, dropout: float) -> None:
        super().__init__()
        self.reach, self.first = kernel // 2, first
        self.down = nn.Conv2d(width, 2 * width, (self.reach + 1, kernel))
        self.across = nn.Conv2d(width, 2 * width, (1, self.reach + (not first)))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout(dropout)
        self.condition = nn.Conv2d(width, 4 * width, 1) if conditional else None

    def vertical(self, rows: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the vertical stack (B, W, h, w), which sees its row and those above, and what the horizontal stack takes of it.

        Parameters
        ----------
        rows : (B, W, h, w)
        condition : (B, W, h, w), or None in a layer without
        """
        above = self.down(F.pad(rows, (self.reach, self.reach, self.reach, 0)))  # (B, 2 W, h, w)
        aside = self.link(F.pad(above, (0, 0, 1, 0))[:, :, :-1])  # (B, 2 W, h, w), a row lower: only the rows above
        if self.condition is not None and condition is not None:
            to_rows, to_row = self.condition(condition).chunk(2, 1)  # (B, 2 W, h, w) each
            above, aside = above + to_rows, aside + to_row
        return _gate(above), aside

    def horizontal(self, row: Tensor, aside: Tensor) -> Tensor:
        """Return the horizontal stack (B, W, h, w), which sees what stands before in its row, and `aside` (B, 2 W, h, w)."""
        before = F.pad(row, (self.reach, 0))  # (B, W, h, w + reach)
        if self.first:
            before = before[..., :-1]  # (B, W, h, w + reach - 1)
        change = self.out(self.dropout(_gate(self.across(before) + aside)))  # (B, W, h, w)
        return change if self.first else row + change


def _gate(features: Tensor) -> Tensor:
    """Return (B, W, h, w) of (B, 2 W, h, w)."""
    value, gate = features.chunk(2, 1)
    return value.tanh() * gate.sigmoid()


class PixelCNN(nn.Module):
    """The probability of each code of a grid given those before it, row by row from the top left.

    Parameters
    ----------
    codes : K
    width, layers : of the net; it sees `layers` + 1 rows up and columns to the left
    classes : L, 0 for a net that is told no class
    above : number of coarser grids that are given
    dropout : share of the horizontal stack's features that are dropped in training
    """

    def __init__(self, codes: int, width: int, layers: int, classes: int = 0, above: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(codes, width)
        self.above = nn.ModuleList(nn.Embedding(codes, width) for _ in range(above))
        self.mix = nn.Sequential(
            *(nn.Conv2d(above * width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)) if above else ()
        )
        self.label = nn.Linear(classes, width, bias=False) if classes else None
        self.layers = nn.ModuleList(
            GatedLayer(width, KERNEL if k else FIRST_KERNEL, k == 0, bool(above or classes), dropout) for k in range(layers)
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, codes, 1))

    def forward(self, codes: Tensor, above: Sequence[Tensor] = (), label: Tensor | None = None) -> Tensor:
        """Return the logits (B, K, h, w) of each code.

        Parameters
        ----------
        codes : (B, h, w) int64
        above : coarser grids (B, h / n, w / n) int64
        label : (B,) int64 in [0, L); -1, or None for all, says nothing of the class
        """
        condition = self._condition(codes, above, label)
        asides = self._asides(codes, condition)
        return self.head(self._across(codes, asides))

    def nll(self, codes: Tensor, above: Sequence[Tensor] = (), label: Tensor | None = None) -> Tensor:
        """Return the negative log-likelihood of each code, (B, h, w) float32 nats; `forward` says what the parameters are."""
        return F.cross_entropy(self(codes, above, label).float(), codes, reduction="none")

    @torch.no_grad()
    def sample(
        self, n: int, grid: tuple[int, int], above: Sequence[Tensor] = (), label: Tensor | None = None, temperature: float = 1.0
    ) -> Tensor:
        """Draw codes (n, h, w) int64.

        The vertical stack runs once a row over the rows so far, and the horizontal one once a code over its own row so far: about
        h / 2 full passes of the first and w / 2 of the second, where a full pass for each code would be h * w of both.
        """
        height, width = grid
        codes = torch.zeros(n, height, width, dtype=torch.int64, device=self.embed.weight.device)
        condition = self._condition(codes, above, label)
        for y in range(height):
            asides = self._asides(codes[:, : y + 1], None if condition is None else condition[:, :, : y + 1])
            asides = [aside[:, :, y:] for aside in asides]  # (n, 2 W, 1, w)
            for x in range(width):
                features = self._across(
                    codes[:, y : y + 1, : x + 1], [aside[..., : x + 1] for aside in asides]
                )  # (n, W, 1, x + 1)
                logits = self.head(features[..., x:]).float().flatten(1)  # (n, K)
                codes[:, y, x] = (logits / temperature).softmax(1).multinomial(1)[:, 0]  # (n,)
        return codes

    def _condition(self, codes: Tensor, above: Sequence[Tensor], label: Tensor | None) -> Tensor | None:
        """Return what is given beside the codes, (B, W, h, w), or None."""
        total: Tensor | None = None
        if self.above:
            coarse = [_grid(embed, level) for embed, level in zip(self.above, above, strict=True)]
            fine = [F.interpolate(level, size=codes.shape[1:]) for level in coarse]  # (B, W, h, w) each
            total = self.mix(torch.cat(fine, 1))  # (B, above * W, h, w) -> (B, W, h, w)
        if self.label is not None:
            label = label if label is not None else codes.new_full((len(codes),), -1)
            one_hot = label[:, None] == torch.arange(self.label.in_features, device=codes.device)  # (B, L)
            plane = self.label(one_hot.to(self.label.weight.dtype))[:, :, None, None].expand(-1, -1, *codes.shape[1:])
            total = plane if total is None else total + plane  # (B, W, h, w)
        return total

    def _asides(self, codes: Tensor, condition: Tensor | None) -> list[Tensor]:
        """Run the vertical stack and return what each layer of the horizontal one takes of it, (B, 2 W, h, w)."""
        rows, asides = _grid(self.embed, codes), []
        for layer in self.layers:
            assert isinstance(layer, GatedLayer)
            rows, aside = layer.vertical(rows, condition)
            asides.append(aside)
        return asides

    def _across(self, codes: Tensor, asides: Sequence[Tensor]) -> Tensor:
        """Run the horizontal stack, (B, W, h, w)."""
        row = _grid(self.embed, codes)
        for layer, aside in zip(self.layers, asides, strict=True):
            assert isinstance(layer, GatedLayer)
            row = layer.horizontal(row, aside)
        return row


def _grid(embed: nn.Module, codes: Tensor) -> Tensor:
    """Return (B, W, h, w) of codes (B, h, w)."""
    return embed(codes).permute(0, 3, 1, 2)
