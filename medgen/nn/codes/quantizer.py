"""Vector quantisation with a straight-through gradient, and the residual block of the nets around it.

Source: van den Oord, Vinyals and Kavukcuoglu 2017, https://arxiv.org/abs/1711.00937 (moving averages: its appendix A.1).
Shape letters: K codes, D their width, h and w sides of the grid of codes, N = B * h * w vectors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks
from medgen.config import Settings
from medgen.nn.host import read_at_once

ROUNDING = 8  # so many times the precision of a number two distances of equal codes may differ
MEAN_STEP = 0.5  # of the moving average of the features' mean: quick, as the features move quickly


class QuantizerSettings(Settings):
    """Settings of one codebook."""

    codes: int = Field(512, ge=2)
    width: int = Field(64, ge=1)  # numbers in a code
    commitment: float = Field(0.25, ge=0)  # weight of what pulls the encoder to its codes
    ema: bool = True  # codes follow a moving average of the encoder's outputs; otherwise the codebook loss moves them
    ema_decay: float = Field(0.99, ge=0, lt=1)
    centre: bool = True  # take the features' mean off first: without it a coarse level easily falls to one code
    normalise: bool = True  # vectors and codes have length 1 (Yu et al. 2021, https://arxiv.org/abs/2110.04627)
    revive_after: int = Field(100, ge=0)  # steps without use after which a code moves to a random encoder output; 0 = never


class Quantized(NamedTuple):
    """Features as codes, with the losses of the codebook.

    Attributes
    ----------
    vectors : (B, D, h, w) float32, the codes; their gradient goes straight to the features
    codes : (B, h, w) int64 in [0, K)
    losses : scalars: "commitment" (weighted), and "codebook" where there is no moving average
    """

    vectors: Tensor
    codes: Tensor
    losses: dict[str, Tensor]


class Quantizer(nn.Module):
    """A codebook. It learns in training mode with gradients enabled and never otherwise; it computes in float32.

    The codebook is a buffer with `ema` and a weight without. Revival also starts it: until it is used a code counts as dead, so
    the first step of training puts all codes on encoder outputs.
    """

    codebook: Tensor
    sums: Tensor
    counts: Tensor
    idle: Tensor
    mean: Tensor

    def __init__(self, settings: QuantizerSettings) -> None:
        super().__init__()
        self.settings = settings
        start = torch.empty(settings.codes, settings.width).uniform_(-1 / settings.codes, 1 / settings.codes)
        start = F.normalize(start, dim=1) if settings.normalise else start
        if settings.ema:
            self.register_buffer("codebook", start)
            self.register_buffer("sums", start.clone())  # (K, D), moving average of the sum of the vectors of each code
            self.register_buffer("counts", torch.ones(settings.codes))  # (K,), and of their number
        else:
            self.codebook = nn.Parameter(start)
        self.register_buffer("mean", torch.zeros(settings.width))  # (D,), moving average of the features' mean
        self.register_buffer("idle", torch.full((settings.codes,), settings.revive_after))  # (K,) steps without use

    def forward(self, features: Tensor) -> Quantized:
        """Quantise features (B, D, h, w)."""
        with torch.autocast(features.device.type, enabled=False):
            vectors = features.float()
            learning = self.training and torch.is_grad_enabled()
            if self.settings.centre:
                vectors = self._centred(vectors, learning)
            if self.settings.normalise:
                vectors = F.normalize(vectors, dim=1)
            flat = vectors.detach().permute(0, 2, 3, 1).flatten(0, 2)  # (N, D)
            if learning:
                self._revive(flat, len(flat) // len(vectors))
            nearest = self._nearest(flat)  # (N,)
            codes = nearest.view(len(vectors), *vectors.shape[2:])  # (B, h, w)
            quantized = self.lookup(codes)  # (B, D, h, w)
            losses = {"commitment": self.settings.commitment * F.mse_loss(vectors, quantized.detach())}
            if not self.settings.ema:
                losses["codebook"] = F.mse_loss(quantized, vectors.detach())
            if learning:
                self._learn(flat, nearest)
            return Quantized(vectors + (quantized - vectors).detach(), codes, losses)

    def lookup(self, codes: Tensor) -> Tensor:
        """Return the vectors (B, D, h, w) of codes (B, h, w)."""
        return F.embedding(codes, self._table()).permute(0, 3, 1, 2)  # (B, D, h, w)

    def _centred(self, vectors: Tensor, learning: bool) -> Tensor:
        """Return (B, D, h, w) less the mean of the batch while learning, else less its moving average.

        Early in training all features drift the same way, faster than codes can follow, and end up at the one code furthest out.
        """
        if not learning:
            return vectors - self.mean[:, None, None]
        mean = ranks.mean(vectors.mean((0, 2, 3)))  # (D,)
        self.mean.lerp_(mean.detach(), MEAN_STEP)
        return vectors - mean[:, None, None]

    def _table(self) -> Tensor:
        return F.normalize(self.codebook, dim=1) if self.settings.normalise else self.codebook

    @torch.no_grad()
    def _nearest(self, flat: Tensor) -> Tensor:
        """Return the nearest code (N,) of each vector (N, D); the vector's own length is the same for all codes and left out.

        Codes are drawn from few vectors and are often the same twice. Which one rounding makes the nearer depends on how many
        frames are computed together, and so would the use of each, and all that is learnt of it: the first of them is taken.
        """
        table = self._table()
        gaps = torch.addmm(table.square().sum(1), flat, table.T, alpha=-2)  # (N, K)
        least = gaps.amin(1, keepdim=True)  # (N, 1)
        as_near = gaps <= least + ROUNDING * torch.finfo(gaps.dtype).eps * least.abs()
        places = torch.arange(len(table), device=flat.device)
        return torch.where(as_near, places, len(table) - 1).amin(1)  # the last one where nothing is a number

    @torch.no_grad()
    def _revive(self, flat: Tensor, cells: int) -> None:
        """Put codes that were idle too long on random vectors of (N, D), so many of each frame."""
        if not self.settings.revive_after:
            return
        dead = self.idle >= self.settings.revive_after  # (K,)
        chosen = ranks.rows_of_all(flat, self._draw(dead, ranks.count() * len(flat)), cells)  # (K, D)
        self.codebook.copy_(torch.where(dead[:, None], chosen, self.codebook))
        self.idle.masked_fill_(dead, 0)
        if self.settings.ema:
            self.sums.copy_(torch.where(dead[:, None], chosen, self.sums))
            self.counts.masked_fill_(dead, 1)

    @staticmethod
    def _draw(dead: Tensor, n: int) -> Tensor:
        """Return rows below n, (K,), drawn for the codes that are dead (K,); a GPU, which does not count these, draws for all."""
        if not read_at_once(dead):
            return torch.randint(n, dead.shape, device=dead.device)
        rows = torch.zeros(dead.shape, dtype=torch.int64)
        rows[dead] = torch.randint(n, (int(dead.sum()),))
        return rows

    @torch.no_grad()
    def _learn(self, flat: Tensor, nearest: Tensor) -> None:
        """Count the use of each code and, with `ema`, move the codes that were used; the mean of the others stays what it is."""
        use = ranks.total(_counted(nearest, self.settings.codes))  # (K,)
        used = use > 0
        self.idle.add_(1).masked_fill_(used, 0)
        if self.settings.ema:
            step = 1 - self.settings.ema_decay
            self.counts.lerp_(use.float(), step)
            self.sums.lerp_(ranks.total(torch.zeros_like(self.sums).index_add_(0, nearest, flat)), step)
            self.codebook.copy_(torch.where(used[:, None], self.sums / self.counts[:, None], self.codebook))


def _counted(codes: Tensor, n_codes: int) -> Tensor:
    """Return how often each code (K,) is among codes (N,); torch.bincount would wait for a GPU to learn the highest code."""
    return torch.zeros(n_codes, dtype=torch.int64, device=codes.device).index_add_(0, codes, torch.ones_like(codes))


def perplexity(codes: Tensor, n_codes: int) -> Tensor:
    """Return how many codes are in use, as exp of the entropy in nats of their frequencies: a scalar in [1, n_codes].

    Parameters
    ----------
    codes : int64 of any shape
    """
    share = ranks.total(_counted(codes.flatten(), n_codes)).float() / (ranks.count() * codes.numel())  # (K,)
    return torch.special.entr(share).sum().exp()


class ResidualBlock(nn.Module):
    """x + a 3 x 3 and a 1 x 1 convolution of x, (B, width, h, w) in and out (van den Oord et al. 2017, section 4.1)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(width, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, width, 1))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)
