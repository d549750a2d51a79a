"""Paths between two points of a latent space, and how far the frames drawn from them move along the way.

Source: Karras, Laine and Aila, CVPR 2019, https://arxiv.org/abs/1812.04948, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Between = Callable[[Tensor, Tensor, Tensor], Tensor]


def spherical(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Return the point (B, Z) at `share` of the way from `start` to `end` along a great circle (Shoemake 1985).

    The way of latents from N(0, I), whose lengths hardly differ: a straight one would pass where there are none. The direction
    turns at an even pace, and the length goes evenly from one to the other.

    Parameters
    ----------
    start, end : (B, Z), not opposite to each other: then there is no one great circle
    share : (B, 1), or a scalar for all
    """
    lengths = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)  # (B, 1) each
    start, end = F.normalize(start), F.normalize(end)
    cosine = (start * end).sum(1, keepdim=True).clamp(-1, 1)  # (B, 1)
    across = F.normalize(end - cosine * start)  # (B, Z), at a right angle to start; 0 where end has its direction
    turn = share * cosine.acos()
    return (turn.cos() * start + turn.sin() * across) * torch.lerp(*lengths, share)


@torch.no_grad()
def perceptual_path_length(
    draw: Callable[[Tensor], Tensor],
    w0: Tensor,
    w1: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    epsilon: float = 1e-4,
    between: Between = torch.lerp,
) -> Tensor:
    """Return for each pair (B,) how far frames move in a small step somewhere on the way between, over `epsilon` squared.

    The path length is its mean over many pairs. In w the way is straight; in z pass `spherical` as `between`.

    Parameters
    ----------
    draw : (B, Z) to frames (B, C, S, S), with the same noise in each call
    w0, w1 : (B, Z), the ends
    distance : frames and frames to (B,), quadratic for small steps, as the squared distance of features is
    epsilon : length of the step, as a share of the way
    between : the point at a share of the way from one end to the other
    """
    share = torch.rand(len(w0), 1, dtype=w0.dtype, device=w0.device)
    before, after = draw(between(w0, w1, share)), draw(between(w0, w1, share + epsilon))
    return distance(before, after) / epsilon**2
