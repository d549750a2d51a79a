"""Pix2Pix: its paper's numbers, what each player hears, and what its score is made of."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from players import play
from tiny import SIZE, batch, training_batch
from torch import Tensor, nn

from medgen import registry
from medgen.backends.pix2pix import Config, Model
from medgen.errors import BackendError
from medgen.nn.adversarial.patch_critic import PatchCritic
from medgen.types import Batch, DataRequirements

SELF_MADE = pytest.mark.parametrize("pairing", ["grey", "erase", "blur"])


def small(size: int = SIZE, channels: int = 3, **settings: Any) -> Model:
    torch.manual_seed(0)
    model = registry.create("pix2pix", {"width": 4, "critic_width": 4, **settings}, size, channels)
    assert isinstance(model, Model)
    return model


class Draws(nn.Module):
    """A generator that draws `frame`, (B, C, S, S) in [-1, 1], and `seen` where it is shown something."""

    def __init__(self, frame: Tensor, seen: float | None = None) -> None:
        super().__init__()
        self.frame, self.seen = frame, seen

    def forward(self, shown: Tensor) -> Tensor:
        return self.frame if self.seen is None else torch.where(shown == 0, self.frame, self.seen)


class Undecided(nn.Module):
    """Discriminators that answer 0 to everything, and see what they are told to see."""

    def __init__(self, scales: int = 1, layers: tuple[Tensor, ...] = ()) -> None:
        super().__init__()
        self.scales, self.layers, self.shown = scales, list(layers), list[Tensor]()

    def forward_with_features(self, pair: Tensor) -> list[tuple[list[Tensor], Tensor]]:
        self.shown.append(pair)
        return [([self.layers.pop()] if self.layers else [], pair[:, :1] * 0) for _ in range(self.scales)]

    def forward(self, pair: Tensor) -> list[Tensor]:
        return [answers for _, answers in self.forward_with_features(pair)]


def drawing(model: Model, frame: Tensor, seen: float | None = None) -> Model:
    model.generator = Draws(frame, seen)  # type: ignore[assignment]
    return model.eval()


def undecided(model: Model, scales: int = 1, layers: tuple[Tensor, ...] = ()) -> Undecided:
    model.critic = Undecided(scales, layers)  # type: ignore[assignment]
    return model.critic  # type: ignore[return-value]


def test_the_discriminator_of_a_pair_has_the_papers_number_of_weights() -> None:
    with torch.device("meta"):
        model = Model(Config(), 256, 3)
    assert sum(weight.numel() for weight in model.critic.parameters()) == 2_769_601
    assert sum(weight.numel() for weight in model.generator.parameters()) == 54_419_459


def test_a_frame_of_256_pixels_has_30_times_30_answers() -> None:
    assert PatchCritic(6, width=2)(torch.rand(2, 6, 256, 256)).shape == (2, 1, 30, 30)


def test_an_answer_sees_70_times_70_pixels() -> None:
    torch.manual_seed(0)
    critic, frame = PatchCritic(1, width=4, norm="none"), torch.rand(1, 1, 256, 256, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(frame)[0, 0, 15, 15], frame)
    rows, columns = slope[0, 0].nonzero().T
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (70, 70)


def test_the_settings_are_the_papers() -> None:
    config = Config()
    assert config.l1_weight == 100 and config.loss == "non_saturating" and config.dropout == 0.5
    for optimizer in (config.generator_optimizer, config.critic_optimizer):
        assert (optimizer.name, optimizer.lr, optimizer.betas, optimizer.decay_from) == ("adam", 2e-4, (0.5, 0.999), 1.0)


@pytest.mark.parametrize(
    ("size", "scales", "halvings"), [(16, 1, 1), (28, 1, 1), (32, 1, 2), (64, 1, 3), (256, 1, 3), (64, 2, 2)]
)
def test_smaller_frames_have_smaller_patches(size: int, scales: int, halvings: int) -> None:
    critics = small(size, scales=scales).critic.critics
    assert [len(critic.layers) for critic in critics] == [halvings + 1] * scales  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "scales"), [(16, 1), (16, 2), (28, 1), (32, 3), (33, 2), (50, 3)])
def test_single_frames_of_any_size_can_be_learnt_and_scored(size: int, scales: int, channels: int, norm: str) -> None:
    model = small(size, channels, scales=scales, norm=norm)
    frame = Batch(torch.rand(1, channels, size, size), torch.ones(1, 1, size, size, dtype=torch.bool), torch.arange(1))
    assert all(loss.isfinite() for _, losses in model.turns(frame, 0.5) for loss in losses.values())
    assert model.eval().score(frame).score.isfinite().all()


def test_scales_that_leave_too_little_of_a_frame_are_refused() -> None:
    with pytest.raises(BackendError, match="3 scales leave 4 of 16 pixels"):
        small(16, scales=3)


def test_frames_of_one_channel_cannot_lose_their_colours() -> None:
    with pytest.raises(BackendError, match=r"wants frames of 3 channels, got 1; set model\.pairing to 'erase' or 'blur'"):
        small(channels=1, pairing="grey")


def test_only_given_pairs_want_a_second_frame() -> None:
    assert Model.requirements(Config(pairing="given")) == DataRequirements(other="pair")
    assert {Model.requirements(Config(pairing=pairing)) for pairing in ("grey", "erase", "blur")} == {DataRequirements()}


@pytest.mark.parametrize("pairing", ["given", "grey", "erase", "blur"])
def test_both_players_move_once_with_a_batch_and_nobody_elses_weights(pairing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("players.batch", training_batch)
    moves = [(player, changed) for player, changed, _ in play(small(pairing=pairing, feature_weight=10.0), 2)]  # type: ignore[arg-type]
    assert moves == [("critic", {"critic"}), ("generator", {"generator"})] * 2


def test_the_generator_draws_once_for_both_turns() -> None:
    model, calls = small(), []
    model.generator.register_forward_hook(lambda module, inputs, output: calls.append(output))
    assert len(list(model.turns(batch(), 0.0))) == 2 and len(calls) == 1


@pytest.mark.parametrize("scales", [1, 3])
@pytest.mark.parametrize(("loss", "each"), [("non_saturating", math.log(2)), ("least_squares", 0.5)])
def test_an_undecided_discriminator_costs_what_a_hand_computes_at_each_scale(loss: str, each: float, scales: int) -> None:
    model = small(loss=loss)
    undecided(model, scales)
    turns = dict(model.turns(batch(), 0.0))
    assert turns["critic"]["critic"].item() == pytest.approx(scales * each)  # (ln 2 + ln 2) / 2, (1 + 0) / 2
    assert turns["generator"]["generator"].item() == pytest.approx(scales * each)


def test_the_l1_loss_is_a_hundred_times_the_mean_difference_of_valid_pixels() -> None:
    frames = batch()
    frame = 2 * frames.image - 1
    model = drawing(small(), torch.where(frames.valid, frame + 0.25, frame + 100))
    losses = dict(model.turns(frames, 0.0))["generator"]
    assert losses["l1"].item() == pytest.approx(25, rel=1e-4) and model.notes["l1"].item() == pytest.approx(0.25, rel=1e-4)


def test_the_discriminator_sees_what_the_generator_saw_and_black_where_nothing_is_valid() -> None:
    frames = training_batch()
    model = small(pairing="given")
    critic = undecided(model)
    list(model.turns(frames, 0.0))
    real, fake, again = critic.shown
    assert all(torch.equal(pair[:, :3], 2 * frames.image - 1) for pair in (real, fake, again))
    assert frames.other is not None and torch.equal(real[:, 3:], torch.where(frames.valid, 2 * frames.other - 1, -1.0))
    assert torch.equal(fake, again) and (fake[:, 3:][~frames.valid.expand_as(frames.image)] == -1).all()
    assert not fake.requires_grad and again.requires_grad


def test_equal_pairs_match_in_all_features() -> None:
    model = small(feature_weight=10.0, scales=2).eval()
    pair = torch.rand(2, 6, SIZE, SIZE)
    assert model._deception(pair, pair)["features"] == 0 < model._deception(pair, 1 - pair)["features"]


def test_the_feature_loss_is_ten_times_the_summed_mean_differences() -> None:
    model = small(feature_weight=10.0)
    ones, twos = torch.ones(2, 5, 4, 4), torch.ones(2, 3, 2, 2)
    undecided(model, scales=2, layers=(2 * twos, 0 * ones, twos, 3 * ones))  # the generator's frames are seen first
    pair = torch.rand(2, 6, SIZE, SIZE)
    assert model._deception(pair, pair)["features"].item() == pytest.approx(10 * (3 + 1))


def test_without_a_weight_no_features_are_compared() -> None:
    assert set(dict(small().turns(batch(), 0.0))["generator"]) == {"generator", "l1"}


@SELF_MADE
def test_a_frame_that_is_restored_scores_zero(pairing: str) -> None:
    frames = batch()
    scores = drawing(small(pairing=pairing), 2 * frames.image - 1).score(frames)
    for value in (scores.score, scores.map, scores.components["absolute_error"], scores.components["ssim"]):
        assert value is not None and value.abs().max() < 1e-5


@SELF_MADE
def test_the_score_falls_with_the_error(pairing: str) -> None:
    frames = batch()
    frame = (2 * frames.image - 1) * 0.5
    model = small(pairing=pairing)
    near, far = (drawing(model, frame + shift).score(replace(frames, image=(frame + 1) / 2)) for shift in (0.1, 0.2))
    torch.testing.assert_close(far.components["absolute_error"], torch.full((4,), 0.1))
    assert (near.score < far.score).all() and near.map is not None and far.map is not None and (near.map <= far.map).all()


def test_what_is_drawn_of_pixels_that_were_not_erased_does_not_count() -> None:
    frames = batch()
    model = drawing(small(pairing="erase"), 2 * frames.image - 1, seen=0.9)
    torch.testing.assert_close(model.reconstruct(frames), frames.image)


def test_the_restoration_of_a_cell_does_not_know_the_cell() -> None:
    model, image = small(pairing="erase", cells=4).eval(), batch(1).image.requires_grad_()
    drawn = model.reconstruct(replace(batch(1), image=image))
    (slope,) = torch.autograd.grad(drawn[:, :, 8:16, 16:24].sum(), image)
    assert not slope[:, :, 8:16, 16:24].any() and slope[:, :, 8:16, 24:].any()


def test_another_score_setting_is_heard() -> None:
    frames = batch()
    model = drawing(small(score={"map": "ssim", "sigma": 0.0}), torch.zeros_like(frames.image))
    scores = model.score(frames)
    torch.testing.assert_close(scores.score, scores.components["ssim"])


def test_training_erases_other_cells_each_time_and_scoring_the_same_ones() -> None:
    model, frames = small(pairing="erase"), batch()
    first, second = model._source(frames), model._source(frames)
    assert not torch.equal(first, second)
    model.eval()
    assert torch.equal(model.score(frames).score, model.score(frames).score)


def test_the_critic_part_is_minus_what_it_thinks_of_the_true_pair() -> None:
    model, frames = small(pairing="grey", scales=2).eval(), batch()
    pair = model._source(frames), torch.where(frames.valid, 2 * frames.image - 1, -1.0)
    answers = model.critic(torch.cat(pair, 1))
    expected = -(answers[0].mean((1, 2, 3)) + answers[1].mean((1, 2, 3))) / 2
    torch.testing.assert_close(model.score(frames).components["critic"], expected)


def test_given_pairs_are_scored_by_the_error_of_the_second_frame() -> None:
    frames = training_batch()
    assert frames.other is not None
    model = small(pairing="given").eval()
    difference = (model.translate(frames) - frames.other).abs().mean(1, keepdim=True) * frames.valid
    expected = difference.sum((1, 2, 3)) / frames.valid.sum((1, 2, 3))
    torch.testing.assert_close(model.score(frames).components["absolute_error"], expected)
    assert drawing(model, 2 * frames.other - 1).score(frames).score.max() < 1e-10


@pytest.mark.parametrize("verb", ["turns", "score"])
def test_a_missing_second_frame_is_named(verb: str) -> None:
    model = small(pairing="given")
    with pytest.raises(BackendError, match="wants a second frame beside each, got none"):
        list(model.turns(batch(), 0.0)) if verb == "turns" else model.score(batch())


def test_given_pairs_are_reconstructed_by_translation() -> None:
    model, frames = small(pairing="given").eval(), batch()
    assert torch.equal(model.reconstruct(frames), model.translate(frames))


def test_a_translation_degrades_nothing() -> None:
    model, frames, shown = small(pairing="grey").eval(), batch(), []
    model.generator.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    model.translate(frames)
    assert model.directions == ("AtoB",) and torch.equal(shown[0], 2 * frames.image - 1)


def test_there_is_no_way_back() -> None:
    with pytest.raises(BackendError, match="no direction 'BtoA'; known: AtoB"):
        small().translate(batch(), "BtoA")


def test_the_diagnosis_is_the_mean_difference_of_valid_pixels() -> None:
    frames = batch()
    numbers, warning = drawing(small(), torch.zeros_like(frames.image)).diagnose(frames)
    differences = (2 * frames.image - 1).abs().mean(1, keepdim=True)
    expected = [difference[valid].mean().item() for difference, valid in zip(differences, frames.valid, strict=True)]
    assert numbers["l1"] == pytest.approx(sum(expected) / 4, rel=1e-4) and warning == ""


def test_without_second_frames_given_pairs_have_no_diagnosis() -> None:
    assert small(pairing="given").diagnose(batch()) == ({}, "")


def test_mixed_precision_keeps_the_losses_finite() -> None:
    model = small(pairing="blur", feature_weight=10.0, scales=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        turns = dict(model.turns(batch(), 0.0))
    assert all(loss.isfinite() and loss.dtype == torch.float32 for losses in turns.values() for loss in losses.values())


def test_a_few_frames_are_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("players.batch", lambda seed: batch())
    model = small(pairing="erase", width=8, dropout=0.0, generator_optimizer={"lr": 5e-3})
    differences = [losses["l1"] for player, _, losses in play(model, 60) if player == "generator"]  # type: ignore[arg-type]
    assert sum(differences[-5:]) < 0.5 * sum(differences[:5])
