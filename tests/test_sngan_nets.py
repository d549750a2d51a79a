"""The residual nets have the layers of their paper, and spectral normalisation holds the critic's slope."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from medgen.nn.adversarial.sngan_nets import CriticBlock, ResidualCritic, ResidualGenerator, UpBlock


def test_the_generator_goes_from_4_x_4_x_256_by_three_blocks_to_32() -> None:
    model, seen = ResidualGenerator(128, 32, 3), []
    assert model.linear.weight.shape == (4 * 4 * 256, 128)
    for block in model.blocks:
        block.register_forward_hook(lambda _, given, made: seen.append((*given[0].shape[1:], "to", *made.shape[1:])))
    model.eval()(torch.randn(1, 128))
    assert seen == [(256, side, side, "to", 256, 2 * side, 2 * side) for side in (4, 8, 16)]


def test_the_generator_ends_with_a_normalised_convolution_and_tanh() -> None:
    norm, _, convolution, last = ResidualGenerator(128, 32, 3).to_image
    assert isinstance(norm, nn.BatchNorm2d) and isinstance(last, nn.Tanh)
    assert isinstance(convolution, nn.Conv2d) and convolution.weight.shape == (3, 256, 3, 3)


def test_the_critic_has_four_blocks_of_128_of_which_two_halve() -> None:
    model, seen = ResidualCritic(32, 3), []
    blocks = [block for block in model.blocks if isinstance(block, CriticBlock)]
    for block in blocks:
        block.register_forward_hook(lambda _, given, made: seen.append((*given[0].shape[1:], "to", *made.shape[1:])))
    model.eval()(torch.rand(1, 3, 32, 32))
    assert seen == [
        *((3, 32, 32, "to", 128, 16, 16), (128, 16, 16, "to", 128, 8, 8)),
        *((128, 8, 8, "to", 128, 8, 8), (128, 8, 8, "to", 128, 8, 8)),
    ]


def test_every_weight_of_the_critic_has_spectral_norm_one() -> None:
    torch.manual_seed(0)
    model = ResidualCritic(16, 3, width=16)
    for layer in model.modules():  # weights such as training makes them, with no mark of their start
        if is_parametrized(layer):
            nn.init.normal_(layer.parametrizations.weight.original, std=3.0)  # type: ignore[union-attr, index, arg-type]
    for _ in range(60):
        model.which_turn(torch.rand(2, 3, 16, 16)), model(torch.rand(2, 3, 16, 16))
    model.eval()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    norms = [torch.linalg.svdvals(layer.weight.flatten(1))[0].item() for layer in layers]
    assert len(norms) == 4 * 2 + 2 + 2  # two a block, beside both that halve, both heads
    assert norms == pytest.approx([1.0] * len(norms), rel=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 28, 32, 64, 96])
def test_frames_have_their_size_and_each_gets_a_score_and_a_turn(size: int, channels: int) -> None:
    frames = ResidualGenerator(5, size, channels, width=4)(torch.randn(2, 5))
    critic = ResidualCritic(size, channels, width=4)
    assert frames.shape == (2, channels, size, size) and frames.abs().max() <= 1
    assert critic(frames).shape == (2,) and critic.which_turn(frames).shape == (2, 4)


def test_an_up_block_is_convolutions_of_the_doubled_grid_beside_one_of_it() -> None:
    block, features = UpBlock(4), torch.randn(2, 4, 5, 5)
    bent = F.relu(F.batch_norm(features, None, None, training=True)).repeat_interleave(2, 2).repeat_interleave(2, 3)
    first, _, _, second = block.second
    body = F.conv2d(bent, first.weight, first.bias, padding=1)
    body = F.conv2d(F.relu(F.batch_norm(body, None, None, training=True)), second.weight, second.bias, padding=1)
    beside = block.beside(features.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(block(features), body + beside)


@pytest.mark.parametrize("first", [True, False])
def test_a_halving_block_takes_means_behind_its_convolutions(first: bool) -> None:
    block, features = CriticBlock(3, 4, halve=True, first=first).eval(), torch.randn(2, 3, 6, 6)
    convolutions = [layer for layer in block.body if isinstance(layer, nn.Conv2d)]
    body = convolutions[0](features if first else features.relu())
    whole = convolutions[1](body.relu()) + block.beside(features)
    torch.testing.assert_close(block(features), whole.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)))


def test_a_block_that_keeps_side_and_width_adds_to_its_input() -> None:
    block, features = CriticBlock(4, 4, halve=False).eval(), torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(features), features + block.body(features.relu()))


def test_both_heads_see_the_sum_over_places() -> None:
    model, image = ResidualCritic(32, 3, width=4).eval(), torch.rand(2, 3, 32, 32)
    seen = model.blocks(image)
    summed = torch.stack([seen[..., row, column] for row in range(8) for column in range(8)]).sum(0)
    torch.testing.assert_close(model(image), model.head(summed)[:, 0])
    torch.testing.assert_close(model.which_turn(image), model.turn_head(summed))
    assert seen.min() >= 0


def test_outside_of_training_a_score_is_a_frames_own_and_stays() -> None:
    model, image = ResidualCritic(16, 3, width=4), torch.rand(4, 3, 16, 16)
    model(image)
    model.eval()
    single_pass = model(image)
    torch.testing.assert_close(model(image[2:3]), single_pass[2:3])
    assert torch.equal(model(image), single_pass)
