"""StyleGAN as a backend: its penalty, its styles, and each row of its paper's ablation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from players import SMALL, Slope, play, small
from tiny import SIZE, batch
from torch import nn

from medgen import api
from medgen.backends.stylegan import Config, Model

NET = SMALL["stylegan"]["net"]
OFF = {"mapping": False, "styles": False, "constant": False, "noise": False}
ROWS = {
    "B": (OFF, 0.0),
    "C": ({**OFF, "mapping": True, "styles": True}, 0.0),
    "D": ({**OFF, "mapping": True, "styles": True, "constant": True}, 0.0),
    "E": ({}, 0.0),
    "F": ({}, 0.9),
}


def styled(**settings: Any) -> Model:
    """Return a narrow model whose noise is heard."""
    model = small("stylegan", **settings)
    assert isinstance(model, Model)
    for name, weight in model.generator.named_parameters():
        if name.endswith("strength"):
            nn.init.ones_(weight)
    return model


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_ablation_trains_and_scores(row: str) -> None:
    switches, mixing = ROWS[row]
    model = styled(net={**NET, **switches}, mixing=mixing, r1_every=1)
    turns = [*play(model), *play(model, 1, 0.9)]
    assert [(player, changed) for player, changed, _ in turns] == [(p, {p}) for p in ("critic", "generator", "encoder")]
    with torch.inference_mode():
        assert model.eval().score(batch()).score.isfinite().all()


def test_nothing_but_the_switches_tells_the_rows_of_the_ablation_apart() -> None:
    layers = {row: len(list(styled(net={**NET, **ROWS[row][0]}).generator.mapping.layers)) for row in "BCDEF"}
    noisy = {row: "strength" in str(list(styled(net={**NET, **ROWS[row][0]}).state_dict())) for row in "BCDEF"}
    assert layers == {"B": 0, "C": 2, "D": 2, "E": 2, "F": 2} and [row for row in "BCDEF" if noisy[row]] == ["E", "F"]


@pytest.mark.parametrize(("every", "turns"), [(16, [16]), (3, [3, 6, 9, 12, 15])])
def test_the_penalty_comes_with_every_so_manyth_turn_of_the_critic(every: int, turns: list[int]) -> None:
    model = styled(r1_every=every)
    losses = [losses for player, _, losses in play(model, 17) if player == "critic"]
    assert [place for place, found in enumerate(losses, start=1) if "r1" in found] == turns


def test_the_penalty_makes_up_for_the_turns_without() -> None:
    model = styled(r1_every=2, r1_weight=5.0)
    model.critic = Slope()
    _, (_, losses) = (next(model.turns(batch(), 0.0)) for _ in range(2))
    torch.testing.assert_close(losses["r1"], 5.0 * 2 * model.critic.weight.square().sum() / 2)


def test_without_a_weight_there_is_no_penalty() -> None:
    assert not [1 for _, _, losses in play(styled(r1_every=1, r1_weight=0.0), 2) if "r1" in losses]


def test_truncation_by_nothing_leaves_styles_and_by_half_halves_their_way_from_the_mean() -> None:
    model = styled().eval()
    nn.init.normal_(model.generator.mapping.average)
    styles, mean = model.styles(5), model.generator.mapping.average
    torch.testing.assert_close(model.truncate(styles, 1.0), styles)
    torch.testing.assert_close(model.truncate(styles, 0.5), (styles + mean) / 2)


def test_truncation_to_zero_leaves_one_style() -> None:
    model = styled().eval()
    nn.init.normal_(model.generator.mapping.average)
    assert torch.equal(model.truncate(model.styles(5), 0.0), model.generator.mapping.average.expand(5, -1))


@pytest.mark.parametrize(("truncation", "kinds"), [(0.0, 1), (1.0, 5)])
def test_samples_are_truncated_as_the_settings_say(truncation: float, kinds: int) -> None:
    model = styled(net={**NET, "noise": False}, truncation=truncation).eval()
    with torch.no_grad():
        assert len(model.sample(5).flatten(1).unique(dim=0)) == kinds


def test_a_reconstruction_has_the_same_noise_each_time_and_a_sample_of_one_style_has_not() -> None:
    model = styled().eval()
    with torch.no_grad():
        assert torch.equal(model.reconstruct(batch()), model.reconstruct(batch()))
        style = model.styles(1)
        assert torch.equal(model.draw_styles(style), model.draw_styles(style))
        assert not torch.equal(model.draw_styles(style, "random"), model.draw_styles(style, "random"))


def test_the_encoder_finds_a_style_for_all_layers() -> None:
    model = styled().eval()
    with torch.no_grad():
        found = model.embed(batch())
        assert found.shape == (4, NET["latent"])
        each = found[:, None].expand(-1, model.layers, -1)
        torch.testing.assert_close(model.draw_styles(each), model.reconstruct(batch()))


def test_frames_of_32_pixels_have_two_styles_for_each_of_four_grids() -> None:
    assert SIZE == 32 and styled().layers == 8


@pytest.mark.parametrize(("switches", "mixing", "asked"), [({}, 0.9, 0.9), ({}, 0.0, 0.0), (OFF, 0.9, 0.0)])
def test_styles_are_mixed_in_training_where_there_are_styles(
    switches: dict[str, bool], mixing: float, asked: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = styled(net={**NET, **switches}, mixing=mixing), []
    forward = model.generator.forward
    monkeypatch.setattr(model.generator, "forward", lambda z, share=0.0: (seen.append(share), forward(z, share))[1])
    list(model.turns(batch(), 0.0))
    assert seen == [asked]


def test_the_mean_style_moves_with_the_generators_training_and_not_with_the_encoders() -> None:
    model = styled()
    list(play(model))
    mean = model.generator.mapping.average.clone()
    assert mean.any()
    list(play(model, 1, 0.9))
    model.eval().sample(2)
    assert torch.equal(model.generator.mapping.average, mean)


def test_the_generator_that_is_kept_is_a_moving_average() -> None:
    players = styled().players
    assert players["generator"].optimizer.ema == 0.999 and players["critic"].optimizer.ema == 0


def test_samples_are_held_within_the_range_of_frames() -> None:
    model = styled().eval()
    nn.init.constant_(model.generator.synthesis.to_rgb.bias, 9.0)
    assert torch.equal(model.sample(2), torch.ones(2, 3, SIZE, SIZE))


def test_the_wasserstein_loss_has_the_gradient_penalty_in_place_of_the_other() -> None:
    model = styled(loss="wasserstein", penalty_weight=3.0, r1_every=1)
    model.critic = Slope()
    losses = next(model.turns(batch(), 0.0))[1]
    expected = 3.0 * (model.critic.weight.norm() - 1) ** 2  # the slope of a linear critic is its weight everywhere
    torch.testing.assert_close(losses["penalty"], expected)
    assert set(losses) == {"critic", "penalty"}


def test_the_study_of_the_ablation_has_the_rows_of_the_paper() -> None:
    recipes = api.read_study(Path(__file__).parents[1] / "configs" / "study-stylegan.toml").recipes()
    switches = {name: Config.parse(one.model) for name, one in recipes.items()}
    for row, (net, mixing) in ROWS.items():
        assert {name: getattr(switches[row].net, name) for name in net} == net and switches[row].mixing == mixing
    assert (switches["A"].net.resample, switches["A"].loss, switches["F-wasserstein"].mixing) == ("nearest", "wasserstein", 0.9)
