"""How well a plane in a latent space parts frames that have a property from those that have it not.

Source: Karras, Laine and Aila, CVPR 2019, https://arxiv.org/abs/1812.04948, section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgen.errors import MedgenError

SURE = 0.5  # share of the frames, those of which the classifier is surest, that count
COST = 1.0  # of a frame on the wrong side, beside half the squared length of the plane's normal


def linear_separability(latents: Tensor, probabilities: Tensor) -> float:
    """Return exp of the summed entropies of the true sides, in nats, once the side of a fitted plane is known: 1 is perfect.

    Parameters
    ----------
    latents : (N, Z)
    probabilities : (N, K) that a frame has each property, by a classifier; the surer half of the frames counts for each

    Raises
    ------
    MedgenError : if there are fewer than two frames for each latent to fit a plane by, or one side of a property has none.
    """
    if latents.ndim != 2 or probabilities.shape[:1] != latents.shape[:1]:
        raise MedgenError(
            f"got latents {tuple(latents.shape)} and probabilities {tuple(probabilities.shape)}; expected (N, Z), (N, K)"
        )
    entropies = [_entropy_left(latents.double(), column.double()) for column in probabilities.T]
    return float(torch.stack(entropies).sum().exp())


def _entropy_left(latents: Tensor, probability: Tensor) -> Tensor:
    sure = (probability - 0.5).abs().topk(round(SURE * len(probability))).indices
    truth = probability[sure] > 0.5
    if truth.all() or not truth.any() or len(sure) < 2:
        raise MedgenError(f"of the {len(sure)} frames that count {int(truth.sum())} have the property; both sides are needed")
    said = sides(latents[sure], truth)
    return conditional_entropy(truth, said)


def sides(latents: Tensor, truth: Tensor) -> Tensor:
    """Return the side (N,) bool of a linear support vector machine (squared hinge) that is fitted to the truth (N,) bool."""
    mean, spread = latents.mean(0), latents.std(0).clamp_min(1e-12)
    points = torch.cat([(latents - mean) / spread, latents.new_ones(len(latents), 1)], 1)  # (N, Z + 1)
    sign = 2 * truth.to(points.dtype) - 1
    normal = points.new_zeros(points.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([normal], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = 0.5 * normal.square().sum() + COST * F.relu(1 - sign * (points @ normal)).square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    return (points @ normal).detach() > 0


def conditional_entropy(truth: Tensor, said: Tensor) -> Tensor:
    """Return the entropy of the truth (N,) bool, in nats, that is left once what is said (N,) bool is known."""
    joint = torch.tensor([[(truth == t).logical_and(said == s).sum() for s in (False, True)] for t in (False, True)]).double()
    share = joint / joint.sum()
    return torch.special.entr(share).sum() - torch.special.entr(share.sum(0)).sum()
