"""CycleGAN: what its losses are and whose weights they move, which way it translates, and how it scores."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import SIZE, batch, pick, training_batch
from torch import Tensor, nn

from medgen import registry
from medgen.backends.cyclegan import Model
from medgen.engine.device import make_fabric
from medgen.engine.player import PlayerOptimizer
from medgen.errors import BackendError
from medgen.types import Batch, DataRequirements

SMALL = {"generator_width": 4, "critic_width": 4, "pool_size": 6}
NETS = ("a_to_b", "b_to_a", "critic_a", "critic_b")


class Brighter(nn.Module):
    """A generator that adds so much to a frame in [-1, 1]."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, image: Tensor) -> Tensor:
        return image + self.shift


class Sure(nn.Module):
    """A critic that answers the same in two patches of any frame, and keeps what it is shown."""

    def __init__(self, answer: float) -> None:
        super().__init__()
        self.answer, self.shown = answer, list[Tensor]()

    def forward(self, image: Tensor) -> Tensor:
        self.shown.append(image.detach())
        return image.new_full((len(image), 1, 1, 2), self.answer)


def small(size: int = SIZE, channels: int = 3, **settings: Any) -> Model:
    torch.manual_seed(0)
    model = registry.create("cyclegan", {**SMALL, **settings}, size, channels)
    assert isinstance(model, Model)
    return model


def shifting(a_to_b: float, b_to_a: float, **settings: Any) -> Model:
    """Return a model whose generators make frames brighter, and whose critics answer 0.5 for A and 0.25 for B."""
    model = small(**settings)
    model.a_to_b, model.b_to_a = Brighter(a_to_b), Brighter(b_to_a)
    model.critic_a, model.critic_b = Sure(0.5), Sure(0.25)  # type: ignore[assignment]
    return model


def losses(model: Model, frames: Batch | None = None) -> dict[str, float]:
    turns = model.turns(training_batch() if frames is None else frames, 0.0)
    return {name: value.item() for _, turn in turns for name, value in turn.items()}


def grey(level: float, n: int = 2) -> Batch:
    """Return grey frames in [0, 1], all pixels valid."""
    valid = torch.ones(n, 1, SIZE, SIZE, dtype=torch.bool)
    return Batch(torch.full((n, 3, SIZE, SIZE), level), valid, torch.arange(n), other=torch.full((n, 3, SIZE, SIZE), level))


def test_its_batches_hold_a_frame_of_a_second_domain() -> None:
    assert small().requirements(small().config) == DataRequirements(other="pool")


def test_it_has_as_many_weights_as_the_authors_model_for_256_pixels() -> None:
    with torch.device("meta"):
        model = registry.create("cyclegan", {}, 256, 3)
    assert sum(weight.numel() for weight in model.parameters()) == 28_285_832


@pytest.mark.parametrize(("size", "blocks"), [(64, 6), (128, 6), (255, 6), (256, 9)])
def test_a_frame_of_256_pixels_or_more_gets_nine_residual_blocks_and_a_smaller_one_six(size: int, blocks: int) -> None:
    named, chosen = (small(size, generator=kind).a_to_b.state_dict() for kind in (f"resnet{blocks}", "auto"))
    assert named.keys() == chosen.keys()


@pytest.mark.parametrize(("size", "halvings"), [(16, 1), (31, 1), (32, 2), (63, 2), (64, 3), (256, 3)])
def test_a_small_frame_is_judged_by_smaller_patches(size: int, halvings: int) -> None:
    assert len(small(size).critic_a.layers) == 1 + halvings


@pytest.mark.parametrize("generator", ["resnet6", "unet"])
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (28, 3), (50, 1)])
def test_every_size_is_trained_translated_and_scored(generator: str, size: int, channels: int) -> None:
    model, image = small(size, channels, generator=generator), torch.rand(2, channels, size, size)
    frames = Batch(image, torch.ones(2, 1, size, size, dtype=torch.bool), torch.arange(2), other=image.flip(0))
    assert all(map(math.isfinite, losses(model, frames).values()))
    with torch.inference_mode():
        assert model.eval().score(frames).map.shape == (2, 1, size, size)  # type: ignore[union-attr]
        assert all(model.translate(frames, direction).shape == image.shape for direction in model.directions)


@pytest.mark.parametrize("generator", ["resnet6", "unet"])
def test_generators_draw_alike_in_training_and_in_evaluation(generator: str) -> None:
    model, frames = small(generator=generator), batch()
    with torch.inference_mode():
        assert torch.equal(model.train().translate(frames), model.eval().translate(frames))


def test_generators_that_change_nothing_cost_no_cycle_and_no_identity_loss() -> None:
    found = losses(shifting(0, 0))
    assert [found[name] for name in ("cycle_a", "cycle_b", "identity_a", "identity_b")] == [0] * 4


def test_the_cycle_costs_ten_times_its_mean_absolute_difference_which_is_the_note() -> None:
    model = shifting(0.2, 0.1)
    found = losses(model)
    assert found["cycle_a"] == found["cycle_b"] == pytest.approx(10 * 0.3, rel=1e-5)
    assert model.notes["cycle"].item() == pytest.approx(0.3, rel=1e-5)


def test_the_cycle_of_each_domain_is_that_of_its_own_frames() -> None:
    model = shifting(0, 0)
    model.a_to_b = nn.Hardtanh(-1.0, 0.0)  # what is brighter than middle grey is lost on the way to B
    found = losses(model, replace(grey(0.75), other=grey(0.25).other))
    assert (found["cycle_a"], found["cycle_b"]) == (pytest.approx(10 * 0.5), 0)


def test_a_frame_of_the_target_domain_is_to_be_left_alone_at_half_the_weight_of_the_cycle() -> None:
    found = losses(shifting(0.2, 0.1))
    assert found["identity_a"] == pytest.approx(0.5 * 10 * 0.1, rel=1e-5)  # of B to A, on frames of A
    assert found["identity_b"] == pytest.approx(0.5 * 10 * 0.2, rel=1e-5)
    assert losses(shifting(0.2, 0.1, cycle_weight=4, identity_weight=0.25))["identity_b"] == pytest.approx(0.2, rel=1e-5)


def test_without_an_identity_weight_there_is_no_such_loss() -> None:
    assert not {"identity_a", "identity_b"} & losses(shifting(0.2, 0.1, identity_weight=0)).keys()


def test_least_squares_are_whole_for_generators_and_halved_for_critics_as_in_the_source() -> None:
    found = losses(shifting(0, 0))
    assert (found["generator_a"], found["generator_b"]) == (0.5**2, 0.75**2)
    assert (found["critic_a"], found["critic_b"]) == ((0.5**2 + 0.5**2) / 2, (0.75**2 + 0.25**2) / 2)


def test_the_cross_entropy_is_whole_for_generators_and_halved_for_critics_as_in_the_source() -> None:
    found = losses(shifting(0, 0, loss="non_saturating"))
    real, fake = math.log1p(math.exp(-0.5)), math.log1p(math.exp(0.5))
    assert found["generator_a"] == pytest.approx(real)
    assert found["critic_a"] == pytest.approx((real + fake) / 2)


def test_each_critic_is_shown_translations_into_its_domain_then_real_frames_and_what_the_pool_returns() -> None:
    model, frames = shifting(0.2, 0.1), training_batch()
    model.pool_a, model.pool_b = Brighter(5), Brighter(7)  # type: ignore[assignment]
    losses(model, frames)
    a, b = 2 * frames.image - 1, 2 * frames.other - 1  # type: ignore[operator]
    torch.testing.assert_close(torch.stack(model.critic_a.shown), torch.stack([b + 0.1, a, b + 5.1]))  # type: ignore[arg-type]
    torch.testing.assert_close(torch.stack(model.critic_b.shown), torch.stack([a + 0.2, b, a + 7.2]))  # type: ignore[arg-type]


def test_each_step_puts_its_translations_into_the_pools() -> None:
    model, frames = shifting(0.2, 0.1), training_batch()
    losses(model, frames)
    assert int(model.pool_a.count) == int(model.pool_b.count) == 4
    torch.testing.assert_close(model.pool_a.images[:4], 2 * frames.other - 1 + 0.1)  # type: ignore[operator]
    torch.testing.assert_close(model.pool_b.images[:4], 2 * frames.image - 1 + 0.2)


def test_each_turn_moves_both_nets_of_its_player_and_no_other() -> None:
    model, fabric, moves = small(), make_fabric("cpu", "float32"), []
    optimizers = {name: PlayerOptimizer(player) for name, player in model.players.items()}
    for name, turn in model.turns(training_batch(), 0.0):
        before = {net: [weight.detach().clone() for weight in getattr(model, net).parameters()] for net in NETS}
        optimizers[name].move(fabric, torch.stack(list(turn.values())).sum(), 0.0)
        after = {net: list(getattr(model, net).parameters()) for net in NETS}
        moves.append((name, [net for net in NETS if not all(map(torch.equal, before[net], after[net]))]))
    assert moves == [("generators", ["a_to_b", "b_to_a"]), ("critics", ["critic_a", "critic_b"])]


def test_learning_rates_fall_linearly_to_0_in_the_second_half() -> None:
    fabric = make_fabric("cpu", "float32")
    for player in small().players.values():
        hand, rates = PlayerOptimizer(player), []
        assert (player.optimizer.name, player.optimizer.betas) == ("adam", (0.5, 0.999))
        for done in (0.0, 0.5, 0.75, 1.0):
            hand.move(fabric, torch.stack([weight.sum() for weight in hand.weights]).sum(), 0.0, done)
            rates.append(hand.lr)
        assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 0.0])


def test_translation_goes_the_way_it_is_told() -> None:
    model, frames = shifting(0.4, -0.2), grey(0.5)
    levels = [model.translate(frames, direction).unique().item() for direction in ("AtoB", "BtoA")]
    assert levels == pytest.approx([0.7, 0.4])  # grey levels in [0, 1] move by half of what those in [-1, 1] do


def test_an_unknown_direction_leads_to_the_right_one() -> None:
    with pytest.raises(BackendError, match=r"no direction 'A2B'.*known: AtoB, BtoA"):
        small().translate(batch(), "A2B")


def test_the_healthy_counterpart_is_the_translation_from_b_to_a() -> None:
    assert shifting(0.4, -0.2).reconstruct(grey(0.5)).unique().item() == pytest.approx(0.4)


def test_a_frame_that_equals_its_counterpart_scores_0() -> None:
    scores = shifting(0.4, 0).score(batch())
    torch.testing.assert_close(scores.score, torch.zeros(4), rtol=0, atol=1e-12)
    assert scores.map is not None and scores.map.max() < 1e-12


def test_a_frame_scores_the_square_of_its_distance_from_its_counterpart() -> None:
    scores = shifting(0.4, -0.2).score(grey(0.5))
    torch.testing.assert_close(scores.score, torch.full((2,), 0.1**2))


def test_parts_of_a_score_are_what_the_critic_of_normal_frames_and_the_way_back_say() -> None:
    parts = shifting(0.4, -0.1).score(batch()).components
    torch.testing.assert_close(parts["critic_a"], torch.full((4,), -0.5))
    torch.testing.assert_close(parts["cycle"], torch.full((4,), 0.3))


def test_each_part_is_the_same_for_a_frame_alone_and_in_a_batch() -> None:
    model, frames = small().eval(), batch()
    with torch.inference_mode():
        together, alone = model.score(frames), model.score(pick(frames, 2))
    for name, part in together.components.items():
        torch.testing.assert_close(part[2:3], alone.components[name], rtol=1e-4, atol=1e-6)


def test_the_diagnosis_measures_the_cycle_and_the_change_of_normal_frames() -> None:
    numbers, warning = shifting(0.3, -0.1).diagnose(batch())
    assert numbers == {"cycle": pytest.approx(0.2), "change": pytest.approx(0.3), "spread": pytest.approx(1)}
    assert warning == ""


def test_a_translation_that_draws_one_frame_only_is_warned_of() -> None:
    model = shifting(0, 0)
    model.a_to_b = nn.Hardtanh(-0.05, 0.05)
    numbers, warning = model.diagnose(batch())
    assert numbers["spread"] < 0.05 and "mode collapse" in warning


def test_a_translation_that_does_nothing_is_warned_of() -> None:
    assert "nothing is translated" in shifting(0.005, 0).diagnose(batch())[1]


def test_a_single_frame_is_no_sign_of_collapse() -> None:
    assert shifting(0.3, 0).diagnose(pick(batch(), 0))[1] == ""
