"""What the adversarial family shares: whose turn moves which weights, and how a frame's latent is found and scored; and GAN."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from players import copied, every, first_stage, moved, play, small
from tiny import SIZE, batch, pick
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.backends._gan import Adversarial
from medgen.nn.inpaint import inpaint


@every
def test_each_player_moves_its_own_weights_alone(name: str) -> None:
    turns = [(player, changed) for player, changed, _ in play(small(name, critic_steps=1), 2)]
    assert turns == [("critic", {"critic"}), ("generator", {"generator"})] * 2


@every
def test_while_the_encoder_learns_the_two_nets_stand_still_with_their_statistics(name: str) -> None:
    model = small(name)
    list(play(model))
    nets = {"generator": copied(model.generator), "critic": copied(model.critic)}
    assert [(player, changed) for player, changed, _ in play(model, 2, 0.9)] == [("encoder", {"encoder"})] * 2
    assert not moved(nets["generator"], model.generator) and not moved(nets["critic"], model.critic)


@every
def test_the_encoder_learns_in_the_last_share_of_the_training(name: str) -> None:
    model = small(name, inversion={"share": 0.4})
    assert [player for player, _, _ in play(model, 1, 0.61)] == ["encoder"]
    assert "encoder" not in [player for player, _, _ in play(model, 1, 0.59)]
    assert model.stages == ((0.6, ""), (1.0, "loss"))


@every
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (28, 3), (96, 1)])
def test_every_size_is_trained_and_scored(name: str, size: int, channels: int) -> None:
    model, image = small(name, size, channels), torch.rand(2, channels, size, size)
    frames = replace(batch(2), image=image, valid=torch.ones(2, 1, size, size, dtype=torch.bool))
    for progress in (0.0, 1.0):
        assert all(value.isfinite() for _, losses in model.turns(frames, progress) for value in losses.values())
    assert model.eval().score(frames).map.shape == (2, 1, size, size)  # type: ignore[union-attr]
    assert model.reconstruct(frames).shape == model.sample(2).shape == image.shape


def by_hand(model: Adversarial, drawn: Tensor, frames: Any) -> tuple[Tensor, Tensor]:
    """Return (B,) each: mean squares, in [-1, 1], of what `drawn` misses in valid pixels and in features of the critic."""
    real = 2 * inpaint(frames.image, frames.valid) - 1
    seen, found = model.critic.features(real), model.critic.features(torch.where(frames.valid, drawn, real))  # type: ignore
    pixels = [(drawn - real)[k][:, frames.valid[k, 0]].square().mean() for k in range(len(real))]
    return torch.stack(pixels), torch.stack([(a - b).square().mean() for a, b in zip(seen, found, strict=True)])


@every
@torch.no_grad()
def test_the_score_is_four_times_the_residual_plus_the_weighted_residual_of_features(name: str) -> None:
    model = small(name, score={"sigma": 0.0}, inversion={"feature_weight": 0.5}).eval()
    frames = batch()
    drawn = 2 * model.reconstruct(frames) - 1
    missed = model.draw(model.embed(frames))
    pixels, _ = by_hand(model, drawn, frames)
    _, features = by_hand(model, missed, frames)
    torch.testing.assert_close(model.score(frames).score, pixels + 0.5 * features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(4 * model.score(frames).components["squared_error"], pixels, rtol=1e-4, atol=1e-5)


@every
@torch.no_grad()
def test_the_encoder_minimises_both_residuals(name: str) -> None:
    model, frames = small(name, inversion={"feature_weight": 0.5}).eval(), batch()
    ((_, losses),) = model.turns(frames, 1.0)
    pixels, features = by_hand(model, model.draw(model.embed(frames)), frames)
    torch.testing.assert_close(losses["inversion"], pixels.mean())
    torch.testing.assert_close(losses["features"], 0.5 * features.mean())


def test_an_encoder_that_is_trained_finds_frames_better() -> None:
    model = small("gan")
    first, *_ = (sum(losses.values()) for _, _, losses in play(model, 40, 0.9))
    ((_, losses),) = model.turns(batch(seed=0), 0.9)
    assert sum(value.item() for value in losses.values()) < 0.85 * first


@every
def test_refined_latents_draw_each_frame_better(name: str) -> None:
    frames = batch()
    plain, refined = (
        small(name, inversion={"refine_steps": steps, "refine_lr": 0.01, "feature_weight": 0.0}).eval() for steps in (0, 20)
    )
    with torch.inference_mode():
        before, _ = by_hand(plain, plain.draw(plain.embed(frames)), frames)
        after, _ = by_hand(refined, refined.draw(refined.embed(frames)), frames)
    assert (after < before).all()


def test_refined_latents_lead_back_to_the_frames_that_the_generator_drew() -> None:
    model = small("gan", inversion={"refine_steps": 200, "feature_weight": 0.0}).eval()
    image = model.decode(0.5 * torch.randn(8, 8)).detach()  # type: ignore[operator]
    frames = replace(batch(8), image=image, valid=torch.ones(8, 1, SIZE, SIZE, dtype=torch.bool))
    missed = (model.reconstruct(frames) - image).square().mean((1, 2, 3)) / image.var(0).mean()
    assert missed.median() < 0.01


@every
def test_a_frame_scores_the_same_alone_and_in_a_batch_with_refinement_too(name: str) -> None:
    model, frames = small(name, inversion={"refine_steps": 3}).eval(), batch()
    with torch.inference_mode():
        alone = torch.cat([model.score(pick(frames, k)).score for k in range(4)])
        torch.testing.assert_close(model.score(frames).score, alone, rtol=1e-3, atol=1e-5)


def test_refinement_keeps_no_graph_and_full_precision() -> None:
    model = small("gan", inversion={"refine_steps": 1}).eval()
    with torch.autocast("cpu", torch.bfloat16):
        found = model.embed(batch())
    assert found.dtype == torch.float32 and not found.requires_grad


def test_refinement_leaves_the_nets_without_gradients() -> None:
    model = small("gan", inversion={"refine_steps": 2}).eval()
    model.score(batch())
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("name", ["gan", "wgan", "ssgan"])
def test_the_found_latent_decodes_to_the_reconstruction(name: str) -> None:
    model = small(name).eval()
    torch.testing.assert_close(model.decode(model.embed(batch())), model.reconstruct(batch()))  # type: ignore[operator]


@every
def test_what_the_critic_sees_is_changed_as_the_settings_say_and_what_is_scored_is_not(name: str) -> None:
    model, seen = small(name, augment=("cutout",), critic_steps=1), []
    model.critic.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    light = replace(batch(), image=torch.full((4, 3, SIZE, SIZE), 0.75))  # 0.5 in the nets
    list(model.turns(light, 0.0))
    judged = [image for image in seen if len(image) == 4]
    assert len(judged) >= 3 and all((image == 0).all(1).flatten(1).any(1).all() for image in judged)
    seen.clear()
    model.eval().score(light)
    assert seen and (seen[-1] == 0.5).all()


@every
@torch.no_grad()
def test_a_generator_of_one_frame_is_warned_of(name: str) -> None:
    model = small(name).eval()
    nn.init.zeros_([weight for weight in model.generator.parameters() if weight.ndim == 4][-1])
    numbers, warning = model.diagnose(batch())
    assert numbers["spread"] == pytest.approx(0, abs=1e-6) and "mode collapse" in warning


def test_samples_as_varied_as_the_frames_have_spread_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, frames = small("gan").eval(), batch(16)
    monkeypatch.setattr(model, "sample", lambda n: inpaint(frames.image, frames.valid).flip(0))
    numbers, warning = model.diagnose(frames)
    assert numbers["spread"] == pytest.approx(1) and warning == ""


def test_samples_of_a_fifth_of_the_deviation_have_spread_0_04_and_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    model, frames = small("gan").eval(), batch(16)
    monkeypatch.setattr(model, "sample", lambda n: 0.2 * inpaint(frames.image, frames.valid))
    numbers, warning = model.diagnose(frames)
    assert numbers["spread"] == pytest.approx(0.04) and warning


def test_the_gans_losses_are_the_non_saturating_ones_of_frames_in_minus_one_to_one() -> None:
    model = small("gan").eval()
    real, fake, critic, generator = first_stage(model)
    judged, forged, entropy = model.critic(real), model.critic(fake), F.binary_cross_entropy_with_logits
    torch.testing.assert_close(critic["critic"], entropy(judged, torch.ones(4)) + entropy(forged, torch.zeros(4)))
    torch.testing.assert_close(generator["generator"], entropy(forged, torch.ones(4)))
    noted = {name: value.item() for name, value in model.notes.items()}
    assert noted == pytest.approx({"critic_real": judged.mean().item(), "critic_fake": forged.mean().item()}, rel=1e-4)
