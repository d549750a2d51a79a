"""The residual generator: its published size, its start, and that it draws each frame for itself at any size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medgen.nn.translation.resnet_generator import ResidualBlock, ResnetGenerator


def count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(("blocks", "published"), [(9, 11_378_179), (6, 7_837_699)])
def test_it_has_as_many_weights_as_the_authors_generator(blocks: int, published: int) -> None:
    with torch.device("meta"):
        assert count(ResnetGenerator(3, 64, blocks)) == published


def test_its_weights_are_those_counted_by_hand() -> None:
    ends, halvings = 3 * 49 * 4 + 4 + 4 * 49 * 3 + 3, 4 * 9 * 8 + 8 + 8 * 9 * 16 + 16
    doublings, residual = 16 * 9 * 8 + 8 + 8 * 9 * 4 + 4, 2 * (16 * 9 * 16 + 16)
    assert count(ResnetGenerator(3, 4, 2)) == ends + halvings + doublings + 2 * residual


@pytest.mark.parametrize("size", [8, 16, 17, 18, 19, 50])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_side_comes_out_as_it_came_in(size: int, channels: int) -> None:
    image = torch.rand(2, channels, size, size) * 2 - 1
    drawn = ResnetGenerator(channels, 2, 1)(image)
    assert drawn.shape == image.shape and drawn.abs().max() <= 1


def test_a_side_that_4_does_not_divide_is_mirrored_at_its_end() -> None:
    torch.manual_seed(0)
    generator, image = ResnetGenerator(1, 4, 1), torch.rand(1, 1, 18, 18)
    rows = [*range(18), 16, 15]
    mirrored = image[:, :, rows][..., rows]  # (1, 1, 20, 20)
    assert torch.equal(generator(image), generator(mirrored)[..., :18, :18])


def test_the_residual_blocks_are_at_a_quarter_of_the_side_and_four_times_the_width() -> None:
    generator, seen = ResnetGenerator(3, 4, 2), []
    for layer in generator.layers:
        if isinstance(layer, ResidualBlock):
            layer.register_forward_hook(lambda _, __, drawn: seen.append(drawn.shape))
    generator(torch.rand(1, 3, 32, 32))
    assert seen == [(1, 16, 8, 8)] * 2


def test_a_residual_block_of_zeros_hands_on_what_it_is_given() -> None:
    block, hidden = ResidualBlock(4), torch.randn(2, 4, 8, 8)
    for weight in block.parameters():
        nn.init.zeros_(weight)
    assert torch.equal(block(hidden), hidden)


def test_a_frame_is_drawn_alike_in_training_and_in_evaluation_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    generator, image = ResnetGenerator(3, 4, 2), torch.rand(3, 3, 16, 16)
    training = generator.train()(image)
    assert not list(generator.buffers()) and torch.equal(training, generator.eval()(image))
    torch.testing.assert_close(generator(image[1:2]), training[1:2], rtol=1e-4, atol=1e-6)


def test_all_convolutions_start_from_a_normal_distribution_of_width_0_02() -> None:
    torch.manual_seed(0)
    for module in ResnetGenerator(3, 32, 1).modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert module.bias is not None and (module.bias == 0).all()
