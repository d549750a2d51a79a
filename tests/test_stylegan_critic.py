"""The critic is that of its paper, and outside of training a frame's score is its own."""

from __future__ import annotations

import pytest
import torch

from medgen.nn.adversarial.stylegan_critic import BatchDeviation, Critic
from medgen.nn.adversarial.stylegan_nets import StyleSettings


def critic(size: int = 16, channels: int = 3) -> Critic:
    torch.manual_seed(0)
    return Critic(StyleSettings(width=16), size, channels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 28, 32, 50, 64, 96])
def test_every_frame_has_a_score(size: int, channels: int) -> None:
    assert critic(size, channels)(torch.rand(2, channels, size, size)).shape == (2,)


def test_the_critic_of_the_paper_has_its_number_of_weights() -> None:
    # The published net of 1024 px has 23,087,249. It counts an image layer for each of the eight coarser grids, for growing.
    with torch.device("meta"):
        model = Critic(StyleSettings(), 1024, 3)
    assert sum(weight.numel() for weight in model.parameters()) == 23_087_249 - 4 * (4 * 512 + 256 + 128 + 64 + 32)


def test_a_frame_has_one_score_alone_and_in_a_batch() -> None:
    model, frames = critic(), torch.rand(6, 3, 16, 16) * 2 - 1
    model(frames)
    model.eval()
    torch.testing.assert_close(model(frames)[2:3], model(frames[2:3]))


def test_in_training_the_critic_sees_how_much_frames_differ() -> None:
    model, frames = critic(), torch.rand(4, 3, 16, 16) * 2 - 1
    assert (model(frames)[0] - model(frames[:1].expand(4, -1, -1, -1))[0]).abs() > 1e-4


def test_the_spread_is_the_mean_deviation_over_the_group() -> None:
    features = torch.randn(4, 3, 2, 2)
    expected = features.numpy().std(0).mean()
    channel = BatchDeviation()(features)[:, 3]
    torch.testing.assert_close(channel, torch.full((4, 2, 2), float(expected)))


def test_the_spread_of_a_larger_batch_is_that_of_each_frame_and_the_next_three() -> None:
    features = torch.randn(6, 3, 2, 2)
    expected = [features[[k, (k + 1) % 6, (k + 2) % 6, (k + 3) % 6]].numpy().std(0).mean() for k in range(6)]
    assert BatchDeviation()(features)[:, 3, 0, 0].tolist() == pytest.approx(expected, rel=1e-4)


def test_outside_of_training_the_spread_is_its_moving_average() -> None:
    spread, features = BatchDeviation(), torch.randn(4, 3, 2, 2)
    measured = spread(features)[0, 3, 0, 0]
    assert spread.eval()(features)[:, 3].unique().item() == pytest.approx(0.01 * measured.item(), rel=1e-4)
    torch.testing.assert_close(spread(features)[:, :3], features)


def test_features_are_a_frames_own_and_the_head_makes_its_score() -> None:
    model, frames = critic(28), torch.rand(3, 3, 28, 28)
    features = model.features(frames)
    assert features.shape == (3, model.n_features)
    torch.testing.assert_close(features[1:2], model.features(frames[1:2]))
    assert torch.equal(model.head(features), model(frames))


def test_the_gradient_penalty_reaches_the_critics_weights() -> None:
    model, frames = critic(20), (torch.rand(4, 3, 20, 20) * 2 - 1).requires_grad_()
    (slope,) = torch.autograd.grad(model(frames).sum(), frames, create_graph=True)
    slope.square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None)
    assert model.from_rgb.weight.grad.abs().sum() > 0


def test_the_average_of_the_spread_moves_only_in_training_with_gradients() -> None:
    spread, features = BatchDeviation(), torch.randn(4, 3, 2, 2)
    with torch.no_grad():
        spread(features)
    spread.eval()(features)
    assert spread.average == 0


def test_bfloat16_gives_finite_scores_and_gradients() -> None:
    model = critic()
    with torch.autocast("cpu", torch.bfloat16):
        score = model(torch.rand(4, 3, 16, 16) * 2 - 1)
    score.sum().backward()
    assert score.dtype == torch.float32 and score.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
