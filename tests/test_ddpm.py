"""DDPM: frames are noised part of the way and denoised; its steps are MONAI's where those should be the same."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from tiny import batch

from medgen import registry
from medgen.backends.ddpm import Model
from medgen.errors import BackendError, ConfigError
from medgen.nn.diffusion.noising import denoised, draw_noise, kept_signal, noised

HAS_EINOPS = find_spec("einops") is not None


def small(size: int = 32, **settings: Any) -> Model:
    torch.manual_seed(0)
    chosen = {"widths": [8, 8], "denoising_steps": 3, "sampling_steps": 3, **settings}
    model = registry.create("ddpm", chosen, size, 3)
    assert isinstance(model, Model)
    return model


@pytest.fixture(scope="module")
def schedulers() -> Any:
    return pytest.importorskip("monai.networks.schedulers")


def test_the_schedule_is_that_of_monai(schedulers: Any) -> None:
    torch.testing.assert_close(kept_signal(1000), schedulers.DDPMScheduler(1000).alphas_cumprod, rtol=1e-4, atol=1e-7)


def test_a_shorter_schedule_ends_in_noise_too() -> None:
    assert kept_signal(100)[-1] < 1e-4 and kept_signal(100)[0] > 0.99


def test_frames_are_noised_as_by_monai(schedulers: Any) -> None:
    scheduler, times = schedulers.DDPMScheduler(1000), torch.tensor([3, 400])
    frames, noise = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    ours = noised(frames, noise, scheduler.alphas_cumprod[times])
    torch.testing.assert_close(ours, scheduler.add_noise(frames, noise, times))


def test_steps_back_are_those_of_monai_where_they_are_of_the_width_that_it_takes_them_to_have(schedulers: Any) -> None:
    scheduler = schedulers.DDIMScheduler(1000)
    scheduler.set_timesteps(50)  # it steps by 20
    noisy = start = torch.rand(2, 3, 4, 4) * 4 - 2

    def denoiser(frames: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return (frames * (1 + time.view(-1, 1, 1, 1) / 500)).sin()

    for time in range(180, 0, -20):
        noisy, clean = scheduler.step(denoiser(noisy, torch.full((2,), time)), time, noisy)
    torch.testing.assert_close(denoised(start, scheduler.alphas_cumprod, 180, 9, denoiser), clean)


@pytest.mark.parametrize(("first", "count"), [(249, 10), (3, 10), (0, 1)])
def test_who_knows_the_noise_gets_the_frame_back(first: int, count: int) -> None:
    kept, frames = kept_signal(1000), torch.rand(2, 3, 8, 8) * 2 - 1
    noise = torch.randn(2, 3, 8, 8)
    back = denoised(noised(frames, noise, kept[first]), kept, first, count, lambda noisy, time: noise)
    torch.testing.assert_close(back, frames, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "fractal"])
def test_noise_has_mean_0_and_variance_1(kind: Any) -> None:
    noise = draw_noise(torch.empty(64, 3, 32, 32), kind, torch.Generator().manual_seed(0))
    assert abs(noise.mean()) < 0.05 and abs(noise.var() - 1) < 0.05


def test_an_octave_of_fractal_noise_has_0_8_of_the_amplitude_of_the_coarser_one() -> None:
    noise = draw_noise(torch.empty(300, 1, 64, 64), "fractal", torch.Generator().manual_seed(0))[:, 0].numpy()
    power = np.square(np.abs(np.fft.fft2(noise))).mean(0)  # (S, S)
    waves = np.fft.fftfreq(64, 1 / 64)
    length = np.hypot(waves[:, None], waves)
    coarse, fine = (power[(length >= low) & (length < 2 * low)].sum() for low in (8, 16))
    assert np.sqrt(fine / coarse) == pytest.approx(0.8, abs=0.03)


def test_a_frame_is_scored_with_the_same_noise_always() -> None:
    model, frames = small().eval(), batch(2)
    with torch.inference_mode():
        first = model.score(frames)
        torch.manual_seed(5)
        assert torch.equal(first.score, model.score(frames).score)


def test_another_seed_is_another_noise() -> None:
    assert not torch.equal(small(seed=0).noise, small(seed=1).noise)


def test_the_noise_is_no_part_of_the_weights() -> None:
    assert {name.partition(".")[0] for name in small().state_dict()} == {"net"}


def test_what_is_not_valid_changes_no_reconstruction() -> None:
    model, frames = small().eval(), batch(2)
    other = replace(frames, image=torch.where(frames.valid, frames.image, 0.7))
    with torch.inference_mode():
        assert torch.equal(model.reconstruct(frames), model.reconstruct(other))


def test_the_loss_of_a_net_that_sees_nothing_is_the_variance_of_the_noise() -> None:
    torch.manual_seed(0)
    model = small()
    torch.nn.init.zeros_(model.net.end[2].weight)
    ((_, losses),) = model.turns(batch(4), 0.5)
    assert losses["noise"].item() == pytest.approx(1, abs=0.3)


def test_the_noise_in_a_few_frames_is_learnt() -> None:
    model = small(depth=0.5)
    optimizer, losses = torch.optim.Adam(model.players["denoiser"].parameters(), 2e-2), []
    for _ in range(12):
        ((_, found),) = model.turns(batch(4), 0.5)
        optimizer.zero_grad()
        found["noise"].backward()
        optimizer.step()
        losses.append(found["noise"].item())
    assert sum(losses[-3:]) / 3 < 0.9 * losses[0]


def test_a_frame_that_is_hardly_noised_comes_back_nearly_as_it_was() -> None:
    frames = batch(2)
    whole = replace(frames, image=frames.image.clamp(0.1, 0.9), valid=torch.ones_like(frames.valid))
    with torch.inference_mode():
        drawn = small(depth=0.001).eval().reconstruct(whole)
    torch.testing.assert_close(drawn, whole.image, rtol=0, atol=0.05)


def test_a_side_that_cannot_be_halved_is_refused_with_one_that_can() -> None:
    with pytest.raises(ConfigError, match="needs a size that 4 divides, not 30, such as 28"):
        small(30, widths=[8, 8, 8])


def test_widths_that_the_net_of_monai_cannot_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs widths that 8 divides, not 12"):
        small(net="monai", widths=[8, 12])


@pytest.mark.skipif(HAS_EINOPS, reason="einops is there")
def test_without_einops_the_net_of_monai_is_refused_in_a_line() -> None:
    with pytest.raises(BackendError, match="needs einops"):
        small(net="monai")


@pytest.mark.skipif(not HAS_EINOPS, reason="MONAI's net needs einops")
def test_the_net_of_monai_predicts_noise_too() -> None:
    model = small(net="monai").eval()
    with torch.inference_mode():
        assert model.reconstruct(batch(2)).shape == (2, 3, 32, 32)
