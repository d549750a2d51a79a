"""The codebook learns as its paper says, and only when it is told to."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from torch import Tensor

from medgen.nn.codes.quantizer import Quantizer, QuantizerSettings, perplexity

PLAIN = {"codes": 2, "width": 2, "ema": False, "centre": False, "normalise": False, "revive_after": 0}


def plain(book: list[list[float]], **settings: object) -> Quantizer:
    """A quantiser without extras and with the given codes."""
    quantizer = Quantizer(QuantizerSettings.parse({**PLAIN, "codes": len(book), "width": len(book[0]), **settings}))
    with torch.no_grad():
        quantizer.codebook.copy_(torch.tensor(book))
        if quantizer.settings.ema:
            quantizer.sums.copy_(quantizer.codebook)
    return quantizer


def features(*vectors: list[float]) -> Tensor:
    """(1, D, 1, N) of N vectors."""
    return torch.tensor([vectors]).permute(0, 2, 1)[:, :, None]


def test_every_vector_gets_its_nearest_code() -> None:
    quantizer = Quantizer(QuantizerSettings(codes=50, width=3, centre=False, normalise=False, revive_after=0)).eval()
    torch.nn.init.normal_(quantizer.codebook)
    vectors = torch.randn(2, 3, 5, 7)
    nearest = cdist(vectors.permute(0, 2, 3, 1).reshape(-1, 3), quantizer.codebook).argmin(1)
    assert quantizer(vectors).codes.flatten().tolist() == nearest.tolist()


def test_the_gradient_goes_straight_through() -> None:
    given = features([0.2, 0.1], [0.9, 0.8]).requires_grad_()
    found = plain([[0.0, 0.0], [1.0, 1.0]])(given).vectors
    slope = torch.randn_like(found)
    (found * slope).sum().backward()
    torch.testing.assert_close(found.detach(), features([0.0, 0.0], [1.0, 1.0]))
    torch.testing.assert_close(given.grad, slope)


def test_codebook_and_commitment_losses_are_the_mean_squared_distance() -> None:
    losses = plain([[0.0, 0.0], [1.0, 1.0]], commitment=0.25)(features([0.2, 0.1], [0.9, 0.8])).losses
    mean = (0.2**2 + 0.1**2 + 0.1**2 + 0.2**2) / 4
    assert math.isclose(losses["codebook"].item(), mean, rel_tol=1e-5)
    assert math.isclose(losses["commitment"].item(), 0.25 * mean, rel_tol=1e-5)


def test_the_codebook_loss_moves_codes_and_the_commitment_loss_moves_features() -> None:
    quantizer, given = plain([[0.0, 0.0], [1.0, 1.0]]), features([0.2, 0.1]).requires_grad_()
    losses = quantizer(given).losses
    to_codes = torch.autograd.grad(losses["codebook"], [quantizer.codebook, given], allow_unused=True)
    to_features = torch.autograd.grad(losses["commitment"], [quantizer.codebook, given], allow_unused=True)
    torch.testing.assert_close(
        to_codes[0], torch.tensor([[-0.2, -0.1], [0.0, 0.0]])
    )  # d/de of the mean of (e - z)^2 over 2 numbers
    assert to_codes[1] is None and to_features[0] is None
    torch.testing.assert_close(to_features[1], 0.25 * features([0.2, 0.1]))


def test_a_moving_average_step_equals_the_one_by_hand() -> None:
    quantizer = plain([[0.0, 0.0], [1.0, 1.0]], ema=True, ema_decay=0.9)
    quantizer(features([0.2, 0.1], [0.4, 0.1], [1.2, 1.0]))
    torch.testing.assert_close(quantizer.counts, torch.tensor([0.9 + 0.1 * 2, 0.9 + 0.1 * 1]))
    by_hand = [[0.1 * 0.6 / 1.1, 0.1 * 0.2 / 1.1], [0.9 + 0.1 * 1.2, 0.9 + 0.1 * 1.0]]
    torch.testing.assert_close(quantizer.codebook, torch.tensor(by_hand))


def test_a_moving_average_codebook_is_no_weight_and_has_no_loss() -> None:
    quantizer = plain([[0.0, 0.0], [1.0, 1.0]], ema=True)
    assert not list(quantizer.parameters()) and list(quantizer(features([0.2, 0.1])).losses) == ["commitment"]


def test_a_code_that_nobody_uses_stays_where_it_is() -> None:
    quantizer = plain([[0.0, 0.0], [9.0, 9.0]], ema=True, ema_decay=0.5)
    for _ in range(200):
        quantizer(features([0.2, 0.1]))
    assert quantizer.codebook[1].tolist() == [9, 9]


@pytest.mark.parametrize("ema", [True, False])
def test_an_idle_code_moves_to_an_encoder_output(ema: bool) -> None:
    quantizer = plain([[0.0, 0.0], [9.0, 9.0]], ema=ema, revive_after=3, ema_decay=0.999)
    quantizer.idle.zero_()
    for _ in range(3):
        quantizer(features([0.2, 0.1], [0.4, 0.3]))
        assert quantizer.codebook[1].tolist() == [9, 9]
    quantizer(features([0.2, 0.1], [0.4, 0.3]))
    assert min((quantizer.codebook[1] - torch.tensor(vector)).abs().max() for vector in ([0.2, 0.1], [0.4, 0.3])) < 1e-3


def test_the_first_training_step_puts_all_codes_on_encoder_outputs() -> None:
    quantizer = Quantizer(QuantizerSettings(codes=16, width=2, centre=False, normalise=False, ema=False, revive_after=5))
    given = torch.randn(4, 2, 3, 3)
    quantizer(given)
    vectors = {tuple(vector) for vector in given.permute(0, 2, 3, 1).reshape(-1, 2).tolist()}
    assert {tuple(code) for code in quantizer.codebook.tolist()} <= vectors


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_learnt_in_evaluation_or_without_gradients(training: bool) -> None:
    quantizer = Quantizer(QuantizerSettings(codes=8, width=4)).train(training)
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    with torch.set_grad_enabled(not training):
        quantizer(torch.randn(2, 4, 3, 3))
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


def test_features_are_centred_by_the_batch_while_learning_and_by_what_was_learnt_after() -> None:
    quantizer, far = Quantizer(QuantizerSettings(codes=4, width=2, ema=False, normalise=False, revive_after=0)), 100.0
    torch.nn.init.zeros_(quantizer.codebook)
    given = features([far - 1, far], [far + 1, far])
    for _ in range(60):
        assert quantizer(given).losses["codebook"].item() == pytest.approx(0.5)  # the mean square of 1, 0, -1, 0
    alone = quantizer.eval()(given[..., :1])
    assert alone.losses["codebook"].item() == pytest.approx(0.5) and quantizer.mean.tolist() == pytest.approx([far, far])


def test_normalised_codes_have_length_one() -> None:
    quantizer = Quantizer(QuantizerSettings(codes=8, width=4, normalise=True))
    for _ in range(3):
        found = quantizer(torch.randn(2, 4, 3, 3))
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(2, 3, 3))
    torch.testing.assert_close(quantizer.lookup(found.codes).norm(dim=1), torch.ones(2, 3, 3))


def test_it_computes_in_float32_under_autocast() -> None:
    quantizer = Quantizer(QuantizerSettings(codes=8, width=4)).eval()
    given = torch.randn(2, 4, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = quantizer(given)
    assert found.vectors.dtype == torch.float32 and torch.equal(found.vectors, quantizer(given).vectors)


def test_perplexity_is_the_exponential_of_scipys_entropy() -> None:
    codes = torch.randint(20, (3, 4, 5)).clamp_max(12)
    assert math.isclose(perplexity(codes, 20).item(), math.exp(entropy(codes.flatten().bincount())), rel_tol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 64, 509])
def test_of_equal_codes_the_first_is_taken_whatever_is_computed_beside_it(rows: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = Quantizer(QuantizerSettings(codes=32, width=16, revive_after=0)).to(dtype)
    different = torch.nn.functional.normalize(torch.randn(16, 16, dtype=dtype), dim=1)
    net.codebook.copy_(different.repeat(2, 1))
    chosen = torch.randint(16, (rows,))
    assert net._nearest(different[chosen]).equal(chosen)


def test_features_that_are_no_numbers_have_a_loss_that_is_none() -> None:
    net = Quantizer(QuantizerSettings(codes=8, width=4))
    assert net(torch.full((1, 4, 2, 2), math.nan)).losses["commitment"].isnan()
