"""WGAN: when its generator moves, how its critic's slope is bounded, and the distance that it notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from players import Slope, first_stage, play, small
from tiny import Batches, batch

from medgen.engine import checkpoint
from medgen.engine.device import make_fabric
from medgen.engine.fit import STATE, Fit
from medgen.engine.train_settings import TrainSettings
from medgen.errors import ConfigError


def test_the_wgans_generator_moves_with_every_fifth_batch() -> None:
    players = [player for player, _, _ in play(small("wgan"), 10)]
    assert players == [*["critic"] * 5, "generator"] * 2


def test_the_count_to_five_goes_on_after_an_interruption(tmp_path: Path) -> None:
    def fit(folder: str) -> Fit:
        settings = TrainSettings(epochs=3, precision="float32")
        return Fit(small("wgan"), Batches(4), Batches(), settings, make_fabric("cpu", "float32"), tmp_path / folder)

    fit("whole").run(lambda row: None)
    left = iter([False, False, True])
    fit("parts").run(lambda row: None, stop=lambda: next(left))
    again = fit("parts")
    again.resume()
    assert again.model.turn == 3
    again.run(lambda row: None)
    whole, parts = (checkpoint.load(tmp_path / folder / STATE)[0] for folder in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_clipped_weights_are_within_a_hundredth_after_the_critics_step() -> None:
    model = small("wgan", lipschitz="clip")
    assert max(weight.abs().max() for weight in model.critic.parameters()) > 0.05
    turns = list(play(model))
    assert [player for player, _, _ in turns] == ["critic"] and "gradient_penalty" not in turns[0][2]
    largest = [weight.abs().max().item() for weight in model.critic.parameters()]
    assert max(largest) == pytest.approx(0.01) and max(largest) <= 0.01 + 1e-9


def test_a_critic_with_a_gradient_penalty_is_not_clipped() -> None:
    model = small("wgan")
    list(play(model))
    assert max(weight.abs().max() for weight in model.critic.parameters()) > 0.05


def test_the_penalty_of_the_wgan_is_ten_times_that_of_its_critics_slope() -> None:
    model = small("wgan")
    model.critic = Slope()
    _, losses = next(model.turns(batch(), 0.0))
    torch.testing.assert_close(losses["gradient_penalty"], 10 * (model.critic.weight.norm() - 1) ** 2)


def test_the_noted_distance_is_what_the_critic_thinks_of_real_frames_beyond_generated_ones() -> None:
    model = small("wgan").eval()
    real, fake, critic, _ = first_stage(model)
    expected = model.critic(real).mean() - model.critic(fake).mean()
    torch.testing.assert_close(model.notes["wasserstein"], expected.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(critic["critic"], -expected, rtol=1e-4, atol=1e-6)


def test_the_wgans_critic_normalises_nothing() -> None:
    assert not [layer for layer in small("wgan").critic.modules() if "Norm" in type(layer).__name__]
    assert [layer for layer in small("gan").critic.modules() if "Norm" in type(layer).__name__]


@pytest.mark.parametrize(
    ("settings", "generator", "critic"),
    [
        ({}, ("adam", 1e-4, (0.0, 0.9)), ("adam", 1e-4, (0.0, 0.9))),
        ({"lipschitz": "clip"}, ("rmsprop", 5e-5), ("rmsprop", 5e-5)),
        ({"lipschitz": "clip", "critic_optimizer": {"lr": 1e-3}}, ("rmsprop", 5e-5), ("rmsprop", 1e-3)),
        ({"generator_optimizer": {"betas": (0.5, 0.9)}}, ("adam", 1e-4, (0.5, 0.9)), ("adam", 1e-4, (0.0, 0.9))),
        ({"lipschitz": "clip", "critic_optimizer": {"name": "sgd"}}, ("rmsprop", 5e-5), ("sgd", 5e-5)),
    ],
)
def test_each_bound_of_the_slope_brings_its_papers_optimizer(
    settings: dict[str, Any], generator: tuple[Any, ...], critic: tuple[Any, ...]
) -> None:
    config = small("wgan", **settings).config
    for chosen, expected in ((config.generator_optimizer, generator), (config.critic_optimizer, critic)):
        assert (chosen.name, chosen.lr, chosen.betas)[: len(expected)] == expected


@pytest.mark.parametrize("given", ["clop", ["clip"]])
def test_another_bound_is_refused_in_one_line(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"'lipschitz' is .*should be 'clip' or 'gradient_penalty'"):
        small("wgan", lipschitz=given)
