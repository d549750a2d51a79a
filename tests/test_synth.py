"""Synth: a head that learns to find synthetic anomalies; and the anomalies that it learns from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import batch
from torch import Tensor
from torch.nn import functional as F

from medgen import registry
from medgen.backends.synth import Model
from medgen.errors import ConfigError
from medgen.nn.pasted import SEEN, AnomalyKind, paste_anomalies

KINDS: tuple[AnomalyKind, ...] = ("patch", "texture", "bulge")


def small(**settings: Any) -> Model:
    torch.manual_seed(0)
    model = registry.create("synth", {"features": {"side": 64, "strides": (8, 16)}, "width": 8, **settings}, 32, 3)
    assert isinstance(model, Model)
    return model


def frames(n: int = 6, side: int = 48) -> tuple[Tensor, Tensor]:
    """Return smooth frames and their valid pixels, of which an edge is missing."""
    generator = torch.Generator().manual_seed(1)
    image = F.interpolate(torch.rand(n, 3, 6, 6, generator=generator), side, mode="bilinear")
    valid = torch.ones(n, 1, side, side, dtype=torch.bool)
    valid[..., :6] = False
    return image, valid


def pasted(*kinds: AnomalyKind, n: int = 6, seed: int = 0, untouched: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return frames, the same ones with anomalies, and where these are."""
    image, valid = frames(n)
    torch.manual_seed(seed)
    return image, *paste_anomalies(image, valid, kinds or KINDS, untouched)


@pytest.mark.parametrize("kind", KINDS)
def test_an_anomaly_is_where_pixels_have_changed_so_that_one_sees_it(kind: AnomalyKind) -> None:
    image, changed, where = pasted(kind)
    assert torch.equal(where, (changed - image).abs().mean(1, keepdim=True) > SEEN)
    assert where.flatten(1).any(1).sum() >= 4 and where.float().mean() < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_no_anomaly_is_where_nothing_is_valid(kind: AnomalyKind) -> None:
    image, changed, where = pasted(kind)
    assert torch.equal(changed[..., :6], image[..., :6]) and not where[..., :6].any()


@pytest.mark.parametrize("kind", KINDS)
def test_frames_stay_in_their_range(kind: AnomalyKind) -> None:
    _, changed, _ = pasted(kind, n=16)
    assert changed.min() >= 0 and changed.max() <= 1 and changed.isfinite().all()


def test_the_same_seed_gives_the_same_anomalies_and_another_one_others() -> None:
    first, second, third = (pasted(seed=seed)[1] for seed in (0, 0, 1))
    assert torch.equal(first, second) and not torch.equal(first, third)


def test_a_share_of_the_frames_stays_as_it_is() -> None:
    image, changed, where = pasted(n=200, untouched=0.5)
    same = (image == changed).flatten(1).all(1)
    assert 70 < same.sum() < 130 and not where[same].any()


def test_a_patch_of_equal_frames_changes_nothing() -> None:
    image = torch.full((2, 3, 48, 48), 0.4)
    torch.manual_seed(0)
    _, where = paste_anomalies(image, torch.ones(2, 1, 48, 48, dtype=torch.bool), ("patch",), 0.0)
    assert not where.any()


def test_what_is_not_valid_in_the_lender_is_not_lent() -> None:
    image, valid = torch.stack([torch.zeros(3, 48, 48), torch.ones(3, 48, 48)]), torch.ones(2, 1, 48, 48, dtype=torch.bool)
    valid[1] = False
    torch.manual_seed(0)
    changed, _ = paste_anomalies(image, valid, ("patch",), 0.0)
    assert torch.equal(changed, image)


@pytest.fixture(scope="module")
def learnt() -> Model:
    """A head that has seen the anomalies of a few frames."""
    small()  # what loads the fixed net the first time draws random numbers
    model = small(dropout=0.0)
    optimizer = torch.optim.Adam(model.players["head"].parameters(), 3e-2)
    for _ in range(25):
        ((_, found),) = model.turns(batch(6), 0.5)
        optimizer.zero_grad()
        found["cells"].backward()
        optimizer.step()
    return model.eval()


def test_cells_of_new_anomalies_get_higher_values_than_others(learnt: Model) -> None:
    clean = batch(6)
    torch.manual_seed(100)
    changed, where = paste_anomalies(clean.image, clean.valid, KINDS, 0.0)
    with torch.inference_mode():
        found = learnt.score(replace(clean, image=changed)).map
    assert found is not None and found[where].mean() > 1.3 * found[clean.valid & ~where].mean()


def test_the_map_is_minus_log_of_the_probability_of_a_normal_cell() -> None:
    model, clean = small(sigma=0.0).eval(), batch(2)
    whole = replace(clean, valid=torch.ones_like(clean.valid))
    with torch.inference_mode():
        logits, _ = model._logits(whole.image, whole.valid)
        expected = F.interpolate(-(1 - logits.sigmoid()).log(), (32, 32), mode="bilinear")
        scores = model.score(whole)
    torch.testing.assert_close(scores.map, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores.score, expected.flatten(1).amax(1), rtol=1e-4, atol=1e-5)


def test_the_fixed_network_is_no_part_of_the_weights() -> None:
    assert {name.partition(".")[0] for name in small().state_dict()} == {"head", "standard", "fingerprint"}


def test_a_kind_of_anomaly_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="kinds"):
        small(kinds=["hole"])
