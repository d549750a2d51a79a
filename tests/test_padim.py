"""PaDiM where the field of view of a new frame is larger than that of every frame that it was fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import whole_frames as frames
from torch import Tensor

from medgen import registry
from medgen.backends.padim import Model
from medgen.types import Batch

SIZE, CORNER = 32, 12  # pixels; eight by eight places, of which 3 by 3 lie in the corner


def cut(batch: Batch, frames_whole: int) -> Batch:
    """Return the frames without their corner, but for the first ones."""
    valid = batch.valid.clone()
    valid[frames_whole:, :, :CORNER, :CORNER] = False
    return replace(batch, valid=valid)


def fitted(frames_whole: int) -> Model:
    torch.manual_seed(0)
    model = registry.create("padim", {"features": {"side": 64, "strides": (8, 16)}, "width": 20}, SIZE, 3)
    assert isinstance(model, Model)
    for number in range(3):
        assert not list(model.turns(cut(frames(number), frames_whole if number == 0 else 0), 0.0))
    model.finalise_fit()
    return model.eval()


def seen(model: Model, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the vectors (B, P, D) of a batch and which of them count (B, P)."""
    features, counts = model.layers.joined(batch.image, batch.valid)
    return features[:, model.chosen].flatten(2).transpose(1, 2).double(), counts.flatten(1).bool()


@pytest.mark.parametrize("frames_whole", [0, 1])
def test_a_place_that_fewer_than_two_frames_show_has_the_gaussian_of_all_places(frames_whole: int) -> None:
    model = fitted(frames_whole)
    looks = [seen(model, cut(frames(number), frames_whole if number == 0 else 0)) for number in range(3)]
    vectors, counts = (torch.cat(parts) for parts in zip(*looks, strict=True))
    unseen = counts.sum(0) < 2
    assert 4 <= int(unseen.sum()) <= 9 and int(counts.sum(0).max()) == 18
    every = vectors[counts].numpy()
    away = seen(model, frames(9))[0].numpy() - every.mean(0)
    inverse = np.linalg.inv(np.cov(every.T) + 0.01 * np.eye(20))
    expected = np.sqrt(np.einsum("npd,de,npe->np", away, inverse, away))
    distances = ((seen(model, frames(9))[0] - model.means)[:, :, None] @ model.roots.double()).norm(dim=3)[:, :, 0].numpy()
    np.testing.assert_allclose(distances[:, unseen], expected[:, unseen], rtol=1e-4)
    assert distances[:, unseen].max() < 2 * distances[:, ~unseen].max()


def test_two_frames_of_a_place_are_what_it_is_judged_by() -> None:
    model = fitted(2)
    corner = seen(model, cut(frames(0), 2))[0][:2, 0]
    torch.testing.assert_close(model.means[0].double(), corner.mean(0), rtol=1e-4, atol=1e-4)
