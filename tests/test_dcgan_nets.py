"""The plain nets of the adversarial family have the layers of their description, for frames of any size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.nn.adversarial.dcgan_nets import ConvCritic, Encoder, ShuffleGenerator, doublings, noise_like

sizes = pytest.mark.parametrize("size", [16, 28, 32, 64, 96])
colours = pytest.mark.parametrize("channels", [1, 3])
Shape = tuple[str, tuple[int, ...]]


def shapes(module: nn.Module) -> list[Shape]:
    """Return kind and weight shape of each layer, in order; () where it has no weight."""
    layers = [layer for layer in module.modules() if not list(layer.children())]
    return [(type(layer).__name__, tuple(getattr(layer, "weight", torch.tensor(0)).shape)) for layer in layers]


def test_the_generator_has_the_layers_of_its_description() -> None:
    assert shapes(ShuffleGenerator(64, 32, 3)) == [
        *(("Linear", (512, 64)), ("BatchNorm1d", (512,)), ("ReLU", ())),
        *(("Linear", (8192, 512)), ("BatchNorm1d", (8192,)), ("ReLU", ())),
        *(("PixelShuffle", ()), ("Conv2d", (32, 32, 3, 3)), ("ReLU", ())),
        *(("PixelShuffle", ()), ("Conv2d", (3, 8, 3, 3)), ("Tanh", ())),
    ]


def test_the_generator_goes_from_128_channels_of_8_pixels_to_the_frame() -> None:
    model, seen = ShuffleGenerator(64, 32, 3), []
    for layer in model.convolutions:
        layer.register_forward_hook(lambda _, given, made: seen.append((*given[0].shape[1:], "to", *made.shape[1:])))
    model(torch.randn(2, 64))
    assert seen[0] == (128, 8, 8, "to", 32, 16, 16) and seen[3] == (32, 16, 16, "to", 8, 32, 32)


def test_the_critic_has_the_layers_of_its_description() -> None:
    assert shapes(ConvCritic(32, 3)) == [
        *(("Conv2d", (32, 3, 4, 4)), ("LeakyReLU", ())),
        *(("Conv2d", (64, 32, 4, 4)), ("BatchNorm2d", (64,)), ("LeakyReLU", ())),
        *(("Flatten", ()), ("Linear", (512, 64 * 8 * 8)), ("BatchNorm1d", (512,))),
        ("Linear", (1, 512)),
    ]


def test_the_critic_without_normalisation_is_a_plain_stack() -> None:
    critic, image = ConvCritic(32, 3, norm=False), torch.rand(4, 3, 32, 32)
    first, second, linear = (layer for layer in critic.body if isinstance(layer, nn.Conv2d | nn.Linear))
    hidden = F.leaky_relu(F.conv2d(image, first.weight, first.bias, stride=2, padding=1), 0.2)
    hidden = F.leaky_relu(F.conv2d(hidden, second.weight, second.bias, stride=2, padding=1), 0.2)
    hidden = F.leaky_relu(F.linear(hidden.flatten(1), linear.weight, linear.bias), 0.2)
    torch.testing.assert_close(critic(image), (hidden @ critic.head.weight[0]) + critic.head.bias)
    torch.testing.assert_close(critic.features(image), hidden)


@pytest.mark.parametrize("make", [lambda: ShuffleGenerator(64, 32, 3), lambda: ConvCritic(32, 3)])
def test_weights_start_at_a_normal_distribution_of_deviation_0_02_and_biases_at_0(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    for layer in make().modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            drawn, n = layer.weight.double(), layer.weight.numel()
            assert drawn.std().item() == pytest.approx(0.02, rel=4 / math.sqrt(2 * n))
            assert abs(drawn.mean().item()) < 4 * 0.02 / math.sqrt(n)
            assert (drawn.abs() > 0.04).double().mean().item() == pytest.approx(0.0455, abs=4 * math.sqrt(0.0455 / n))
            assert layer.bias is not None and not layer.bias.any()


@sizes
@colours
def test_frames_have_their_size_and_each_gets_a_score_and_a_latent(size: int, channels: int) -> None:
    generator = ShuffleGenerator(5, size, channels, width=4, hidden=8)
    frames = generator(torch.randn(2, 5))
    assert frames.shape == (2, channels, size, size)
    assert ConvCritic(size, channels, width=4, hidden=8)(frames).shape == (2,)
    assert Encoder(size, channels, 5, width=4)(frames).shape == (2, 5)


def test_a_size_that_is_not_a_multiple_of_four_is_cut_from_the_next_one() -> None:
    generator = ShuffleGenerator(5, 30, 1, width=4, hidden=8).eval()
    latent = torch.randn(2, 5)
    whole = generator.convolutions(generator.linear(latent).unflatten(1, (16, 8, 8)))
    assert whole.shape == (2, 1, 32, 32) and torch.equal(generator(latent), whole[..., :30, :30])


def test_frames_are_within_minus_one_and_one() -> None:
    generator = ShuffleGenerator(5, 32, 3, width=4, hidden=8)
    for weight in generator.parameters():
        nn.init.normal_(weight)
    drawn = generator(torch.randn(8, 5))
    assert drawn.min() >= -1 and drawn.max() <= 1 and drawn.abs().max() > 0.99


def test_grids_are_doubled_until_the_coarsest_is_small_enough() -> None:
    assert [doublings(size, 2) for size in (16, 28, 32, 48, 49, 64, 96, 128, 256)] == [2, 2, 2, 2, 3, 3, 3, 4, 5]
    assert [doublings(size, 3, coarsest=6) for size in (16, 32, 48, 64, 96, 128)] == [3, 3, 3, 4, 4, 5]


def test_a_larger_frame_takes_a_further_doubling_and_a_further_halving() -> None:
    generator = [shape for kind, shape in shapes(ShuffleGenerator(64, 64, 3)) if kind == "Conv2d"]
    critic = [shape for kind, shape in shapes(ConvCritic(64, 3)) if kind == "Conv2d"]
    assert generator == [(128, 32, 3, 3), (32, 32, 3, 3), (3, 8, 3, 3)]
    assert critic == [(32, 3, 4, 4), (64, 32, 4, 4), (128, 64, 4, 4)]


def test_the_encoder_doubles_its_channels_up_to_eight_times() -> None:
    widths = [shape[0] for kind, shape in shapes(Encoder(512, 3, 64, width=4)) if kind == "Conv2d"]
    assert widths == [4, 8, 16, 32, 32, 32, 32]


def test_the_encoder_sees_a_frame_alone_as_in_a_batch_once_it_has_learned() -> None:
    encoder, frames = Encoder(32, 3, 5, width=4), torch.rand(4, 3, 32, 32)
    encoder(frames)
    encoder.eval()
    torch.testing.assert_close(encoder(frames)[1:2], encoder(frames[1:2]))


def moments(values: Tensor) -> tuple[float, float]:
    return values.mean().item(), values.std().item()


def test_noise_is_standard_normal() -> None:
    torch.manual_seed(0)
    noise = noise_like(1000, 7, nn.Linear(1, 1))
    assert noise.shape == (1000, 7) and moments(noise) == pytest.approx((0, 1), abs=0.03)
