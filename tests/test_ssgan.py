"""SSGAN: which frames are turned how far, and what the losses of both heads are."""

from __future__ import annotations

import math

import pytest
import torch
from players import first_stage, small
from tiny import SIZE, batch
from torch import Tensor

from medgen.nn.inpaint import inpaint

CORNERS = ((0, 0), (-1, 0), (-1, -1), (0, -1))  # where the first corner is after 0 to 3 quarters to the left


def corner(image: Tensor) -> Tensor:
    """Return logits that are sure of the turn by which the only white corner of a frame came to its place."""
    return 100 * torch.stack([image[:, 0, row, column] for row, column in CORNERS], 1)


def undecided(image: Tensor) -> Tensor:
    return torch.zeros(len(image), 4)


def test_turns_are_by_0_90_180_and_270_degrees_with_these_truths(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("ssgan")
    monkeypatch.setattr(model.critic, "which_turn", corner)
    image = torch.full((3, 3, SIZE, SIZE), -1.0)
    image[..., 0, 0] = 1.0
    assert model._confusion(image).abs().max() < 1e-6  # type: ignore[operator]
    confused = model._confusion(image.rot90(1, (2, 3)))  # type: ignore[operator]
    torch.testing.assert_close(confused, torch.full((3, 4), 200.0))


def test_the_confusion_of_a_frame_is_in_its_own_row(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("ssgan")
    monkeypatch.setattr(model.critic, "which_turn", corner)
    image = torch.full((2, 3, SIZE, SIZE), -1.0)
    image[0, :, 0, 0] = 1.0  # the second frame has no white corner: no turn is likelier than another
    confused = model._confusion(image)  # type: ignore[operator]
    torch.testing.assert_close(confused, torch.tensor([[0.0] * 4, [math.log(4)] * 4]))


def test_an_undecided_head_costs_ln_4_with_weight_1_for_the_critic_and_0_2_for_the_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = small("ssgan")
    monkeypatch.setattr(model.critic, "which_turn", undecided)
    losses = {name: value.item() for _, turn in model.turns(batch(), 0.0) for name, value in turn.items()}
    assert losses["critic_rotation"] == pytest.approx(math.log(4))
    assert losses["generator_rotation"] == pytest.approx(0.2 * math.log(4))


def test_the_critic_is_asked_about_turned_real_frames_and_the_generator_about_turned_generated_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, seen = small("ssgan").eval(), []

    def recorded(image: Tensor) -> Tensor:
        seen.append(image.detach())
        return undecided(image)

    monkeypatch.setattr(model.critic, "which_turn", recorded)
    real, fake, _, _ = first_stage(model)
    assert len(seen) == 2 and all(len(image) == 4 for image in seen)  # a quarter of four frames, each turned four times
    torch.testing.assert_close(seen[0], torch.cat([real[:1].rot90(k, (2, 3)) for k in range(4)]))
    torch.testing.assert_close(seen[1], torch.cat([fake[:1].rot90(k, (2, 3)) for k in range(4)]), rtol=1e-4, atol=1e-5)


def test_real_or_generated_is_judged_by_the_hinge_loss() -> None:
    model = small("ssgan").eval()
    real, fake, critic, generator = first_stage(model)
    judged, forged = model.critic(real).tolist(), model.critic(fake).tolist()
    expected = sum(max(0, 1 - value) for value in judged) / 4 + sum(max(0, 1 + value) for value in forged) / 4
    assert critic["critic"].item() == pytest.approx(expected, rel=1e-4)
    assert generator["generator"].item() == pytest.approx(-sum(forged) / 4, rel=1e-4, abs=1e-6)


def test_the_score_part_of_a_frame_is_the_mean_confusion_over_its_four_turns() -> None:
    model, frames = small("ssgan").eval(), batch()
    with torch.no_grad():
        logits = [model.critic.which_turn((2 * inpaint(frames.image, frames.valid) - 1).rot90(k, (2, 3))) for k in range(4)]  # type: ignore[operator]
        part = model.score(frames).components["rotation"]
    expected = torch.stack([-answer.log_softmax(1)[:, k] for k, answer in enumerate(logits)]).mean(0)
    torch.testing.assert_close(part, expected)
