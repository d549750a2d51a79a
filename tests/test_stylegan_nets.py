"""The style-based generator is that of its paper, and every switch does what it says."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.errors import ConfigError
from medgen.nn.adversarial.stylegan_nets import (
    Blur,
    EqualConv2d,
    EqualLinear,
    Generator,
    Mapping,
    StyleSettings,
    adain,
    grids,
    pixel_norm,
    widths,
)

SMALL = {"latent": 16, "width": 16, "mapping_layers": 2}
PLAIN = {"mapping": False, "styles": False, "constant": False, "noise": False}


def small(size: int = 16, channels: int = 3, **settings: object) -> Generator:
    """A narrow generator whose noise is heard."""
    torch.manual_seed(0)
    generator = Generator(StyleSettings.parse({**SMALL, **settings}), size, channels)
    for name, weight in generator.named_parameters():
        if name.endswith("strength"):
            nn.init.ones_(weight)
    return generator


def parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 28, 32, 50, 64, 96])
def test_frames_have_their_size(size: int, channels: int) -> None:
    assert small(size, channels)(torch.randn(2, 16)).shape == (2, channels, size, size)


def test_grids_double_to_the_size_and_only_just_above_where_they_cannot() -> None:
    starts = {size: grids(size)[0] for size in (16, 28, 64, 96, 256)}
    assert starts == {16: 4, 28: 7, 64: 4, 96: 6, 256: 4}
    assert all(grids(size)[-1] == size for size in starts)
    assert all(size <= grids(size)[-1] < 1.25 * size for size in range(16, 257))


def test_the_generator_of_the_paper_has_its_number_of_weights() -> None:
    # The published net of 1024 px has 26,219,627. It counts an image layer for each of the eight coarser grids, which growing
    # needs, and a bias of 512 that the learned constant makes superfluous.
    coarser = 4 * 512 + 256 + 128 + 64 + 32
    with torch.device("meta"):
        assert parameters(Generator(StyleSettings(), 1024, 3)) == 26_219_627 - (3 * coarser + 8 * 3) - 512
        assert parameters(Mapping()) == 8 * (512 * 512 + 512)


def test_widths_are_those_of_the_paper() -> None:
    assert widths(StyleSettings(), 1024) == (512, 512, 512, 512, 256, 128, 64, 32, 16)
    assert widths(StyleSettings(width=128), 64) == (128, 128, 128, 128, 64)
    assert widths(StyleSettings(width=128, capacity=512), 64) == (128, 128, 64, 32, 16)


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_an_equalised_layer_keeps_unit_variance_at_any_rate(rate: float) -> None:
    torch.manual_seed(0)
    layer = EqualLinear(256, 256, rate=rate)
    assert layer.weight.std().item() == pytest.approx(1 / rate, rel=0.02)
    assert layer(torch.randn(256, 256)).std().item() == pytest.approx(1, rel=0.02)


def test_the_rate_of_a_layer_multiplies_its_step() -> None:
    moved = []
    for rate in (1.0, 0.01):
        torch.manual_seed(0)
        layer = EqualLinear(8, 8, rate=rate)
        before = layer(torch.ones(1, 8)).detach()
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
        layer(torch.ones(1, 8)).sum().backward()
        optimizer.step()
        moved.append((layer(torch.ones(1, 8)) - before).abs().mean().item())
    assert moved[1] == pytest.approx(0.01 * moved[0], rel=1e-2)


def test_an_equalised_convolution_before_a_leaky_relu_keeps_the_mean_square() -> None:
    torch.manual_seed(0)
    features = EqualConv2d(64, 64)(torch.randn(4, 64, 16, 16))[..., 1:-1, 1:-1]  # the edge sees zeros
    assert features.var().item() == pytest.approx(2, rel=0.05)  # half of it is all but lost to the ReLU


def test_a_doubling_step_is_a_convolution_of_repeated_pixels_then_blurred() -> None:
    step, features = EqualConv2d(3, 5, step="up"), torch.randn(2, 3, 6, 6)
    nn.init.normal_(step.bias)
    plain = F.conv2d(F.interpolate(features, scale_factor=2), step.weight * sqrt(2 / 27), padding=1)
    torch.testing.assert_close(step(features), step.blur(plain) + step.bias[:, None, None])


def test_a_halving_step_is_a_blur_then_a_convolution_then_a_mean() -> None:
    step, features = EqualConv2d(3, 5, step="down"), torch.randn(2, 3, 8, 8)
    nn.init.normal_(step.bias)
    plain = F.conv2d(step.blur(features), step.weight * sqrt(2 / 27), step.bias, padding=1)
    torch.testing.assert_close(step(features), F.avg_pool2d(plain, 2))


def test_a_blur_is_the_binomial_filter() -> None:
    frame, line = torch.randn(1, 1, 7, 9), np.array([1, 2, 1]) / 4
    expected = convolve(frame[0, 0].numpy(), np.outer(line, line), mode="constant")
    torch.testing.assert_close(Blur()(frame)[0, 0].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_repeated_pixels_and_a_blur_are_bilinear() -> None:
    frame = torch.randn(1, 2, 5, 5)
    expected = F.interpolate(frame, scale_factor=2, mode="bilinear")[..., 1:-1, 1:-1]
    torch.testing.assert_close(Blur()(F.interpolate(frame, scale_factor=2))[..., 1:-1, 1:-1], expected)


def test_a_blur_keeps_a_constant_image_away_from_its_edges() -> None:
    blurred = Blur()(torch.full((1, 2, 6, 6), 3.0))
    assert (blurred[..., 1:-1, 1:-1] == 3).all()
    assert (blurred[..., 0, 1:-1] == 3 * 0.75).all()


def test_nearest_has_no_blur() -> None:
    assert not [module for module in small(resample="nearest").modules() if isinstance(module, Blur)]
    assert len([module for module in small(32).modules() if isinstance(module, Blur)]) == len(grids(32)) - 1


def test_adain_gives_each_channel_the_mean_and_deviation_of_its_style() -> None:
    scale, shift = torch.tensor([[2.0, 0.5], [-1.0, 3.0]]), torch.tensor([[1.0, -4.0], [0.0, 10.0]])
    styled = adain(5 * torch.randn(2, 2, 8, 8) + 7, scale, shift)
    torch.testing.assert_close(styled.mean((2, 3)), shift)
    torch.testing.assert_close(styled.std((2, 3), correction=0), scale.abs())


def test_adain_equals_the_one_by_hand() -> None:
    styled = adain(torch.tensor([[[[1.0, 1.0], [3.0, 3.0]]]]), torch.tensor([[10.0]]), torch.tensor([[1.0]]))
    torch.testing.assert_close(
        styled, torch.tensor([[[[-9.0, -9.0], [11.0, 11.0]]]]), rtol=1e-5, atol=1e-4
    )  # mean 2, deviation 1


def test_pixel_norm_makes_the_mean_square_one() -> None:
    torch.testing.assert_close(pixel_norm(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / sqrt(12.5))


def test_a_style_acts_from_its_own_layer_on() -> None:
    generator, w = small(), torch.randn(1, 6, 16)
    seen: list[Tensor] = []
    for layer in generator.synthesis.layers:
        layer.register_forward_hook(lambda module, given, output: seen.append(output))
    generator.draw(w, "none")
    w[:, 2] += 1
    generator.draw(w, "none")
    assert [torch.equal(seen[k], seen[k + 6]) for k in range(6)] == [True, True, False, False, False, False]


def test_without_styles_a_latent_makes_the_first_grid_alone() -> None:
    generator, w = small(**PLAIN), torch.randn(1, 6, 16)
    other = torch.cat((w[:, :1], torch.randn(1, 5, 16)), 1)
    assert torch.equal(generator.draw(w), generator.draw(other))
    assert not torch.equal(generator.draw(w), generator.draw(w + 1))


def test_without_a_constant_the_style_makes_the_first_grid() -> None:
    assert small().synthesis.constant.shape == (1, 16, 4, 4)
    assert parameters(small(constant=False)) - parameters(small()) == (16 * 256 + 256) - 256


def test_neither_styles_nor_a_first_grid_from_the_latent_is_refused() -> None:
    with pytest.raises(ConfigError, match="set constant = false"):
        StyleSettings.parse({"styles": False})


def test_without_mapping_the_style_is_the_normalised_latent() -> None:
    z = torch.randn(3, 16)
    assert torch.equal(small(mapping=False).w(z), pixel_norm(z))
    assert not torch.equal(small().w(z), pixel_norm(z))


@pytest.mark.parametrize(("noise", "same"), [("random", False), ("fixed", True), ("none", True)])
def test_only_random_noise_makes_two_draws_differ(noise: str, same: bool) -> None:
    generator, w = small(), torch.randn(2, 16)
    assert torch.equal(generator.draw(w, noise), generator.draw(w, noise)) is same


def test_the_three_kinds_of_noise_draw_different_frames() -> None:
    generator, w = small(), torch.randn(1, 16)
    zeros = [torch.zeros(1, 1, side, side) for side in generator.synthesis.sides]
    fixed = [layer.fixed for layer in generator.synthesis.layers]
    assert not torch.equal(generator.draw(w, "fixed"), generator.draw(w, "none"))
    assert torch.equal(generator.draw(w, zeros), generator.draw(w, "none"))
    assert torch.equal(generator.draw(w, fixed), generator.draw(w, "fixed"))


def test_noise_is_silent_at_the_start_and_absent_without_the_switch() -> None:
    fresh, w = Generator(StyleSettings.parse(SMALL), 16, 1), torch.randn(1, 16)
    assert torch.equal(fresh.draw(w), fresh.draw(w, "none"))
    without = small(noise=False)
    assert torch.equal(without.draw(w), without.draw(w))
    assert not [name for name in without.state_dict() if "strength" in name or "fixed" in name]


@pytest.mark.parametrize(("mixing", "share"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])
def test_mixing_reaches_its_share_of_frames(mixing: float, share: float) -> None:
    generator, z = small(noise=False).eval(), torch.randn(256, 16)
    mixed = (generator(z, mixing) - generator.draw(generator.w(z))).abs().amax((1, 2, 3)) > 1e-4
    assert mixed.float().mean().item() == pytest.approx(share, abs=0.1)


def test_mixing_keeps_the_first_style_and_swaps_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, given = small(), []
    monkeypatch.setattr(generator.synthesis, "forward", lambda w: given.append(w))
    z = torch.randn(64, 16)
    generator(z, mixing=1.0)
    own = (given[0] == generator.w(z)[:, None]).all(2)  # (B, L)
    assert own[:, 0].all() and not own[:, -1].any()
    assert set(own.sum(1).tolist()) == {1, 2, 3, 4, 5}


def test_truncation_to_nothing_is_the_average_and_to_one_changes_nothing() -> None:
    mapping, w = Mapping(8, 2), torch.randn(5, 8)
    nn.init.normal_(mapping.average)
    torch.testing.assert_close(mapping.truncate(w, 0.0), mapping.average.expand(5, -1))
    torch.testing.assert_close(mapping.truncate(w, 1.0), w)


def test_the_average_style_moves_only_in_training_with_gradients() -> None:
    mapping, z = Mapping(8, 2), torch.randn(5, 8)
    mapping.eval()(z)
    with torch.no_grad():
        mapping.train()(z)
    assert not mapping.average.any()
    torch.testing.assert_close(mapping(z).mean(0) * 0.005, mapping.average)


@pytest.mark.parametrize("settings", [{}, {"constant": False}, {"mapping": False}, {"noise": False}, PLAIN])
def test_every_weight_is_reached_by_the_loss(settings: dict[str, object]) -> None:
    generator = small(**settings)
    generator(torch.randn(4, 16), mixing=0.9).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in generator.parameters())


@pytest.mark.parametrize("settings", [{}, {**PLAIN, "resample": "nearest"}])
def test_bfloat16_gives_finite_frames_and_gradients(settings: dict[str, object]) -> None:
    generator = small(**settings)
    with torch.autocast("cpu", torch.bfloat16):
        frames = generator(torch.randn(4, 16), mixing=0.9)
    frames.square().sum().backward()
    assert frames.dtype == torch.float32 and frames.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in generator.parameters())


def test_bfloat16_frames_are_close_to_those_of_float32() -> None:
    generator, w = small().eval(), torch.randn(8, 16)
    exact = generator.draw(w, "fixed")
    with torch.autocast("cpu", torch.bfloat16):
        rounded = generator.draw(w, "fixed")
    assert (rounded - exact).square().mean().sqrt() < 0.03 * exact.std()


def test_weights_and_averages_survive_saving() -> None:
    generator, other, w = small(), Generator(StyleSettings.parse(SMALL), 16, 3), torch.randn(1, 16)
    generator.w(torch.randn(4, 16))
    for weight in generator.parameters():
        nn.init.normal_(weight)
    other.load_state_dict(generator.state_dict())
    assert torch.equal(other.draw(w, "fixed"), generator.draw(w, "fixed"))
    assert torch.equal(other.mapping.average, generator.mapping.average)
