"""PSNR, SSIM and MS-SSIM against scikit-image and torchmetrics."""

from __future__ import annotations

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure, structural_similarity_index_measure

from medgen.errors import MedgenError
from medgen.losses import ssim_map
from medgen.metrics.image import PSNR_CEILING, blank, ms_ssim, psnr, ssim


def frames(side: int = 48, channels: int = 3, batch: int = 4) -> tuple[Tensor, Tensor]:
    """Smooth frames and noisy copies of them."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, channels, 6, 6, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    noise = 0.1 * torch.randn(image.shape, generator=generator) * torch.linspace(0.2, 2, batch).view(-1, 1, 1, 1)
    return image, (image + noise).clamp(0, 1)


def half(image: Tensor) -> Tensor:
    """Valid: the left half of each frame."""
    valid = torch.zeros_like(image[:, :1], dtype=torch.bool)
    valid[..., : image.shape[-1] // 2] = True
    return valid


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_is_that_of_scikit_image(channels: int) -> None:
    image, copy = frames(channels=channels)
    expected = [peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1) for a, b in zip(image, copy, strict=True)]
    assert psnr(image, copy).tolist() == pytest.approx(expected, abs=1e-4)


def test_psnr_over_valid_pixels_is_that_of_the_cut_out() -> None:
    image, copy = frames()
    pairs = zip(image[..., :24], copy[..., :24], strict=True)
    expected = [peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1) for a, b in pairs]
    assert psnr(image, copy, half(image)).tolist() == pytest.approx(expected, abs=1e-4)


def test_equal_frames_have_the_ceiling_as_psnr() -> None:
    image, _ = frames()
    assert psnr(image, image).tolist() == [PSNR_CEILING] * 4


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_scikit_image(channels: int) -> None:
    image, copy = frames(channels=channels)
    expected = [
        structural_similarity(
            a.permute(1, 2, 0).numpy(),
            b.permute(1, 2, 0).numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=1,
        )
        for a, b in zip(image, copy, strict=True)
    ]
    assert ssim(image, copy).tolist() == pytest.approx(expected, abs=1e-5)


def test_ssim_is_that_of_torchmetrics_away_from_the_edge() -> None:
    image, copy = frames()
    _, full = structural_similarity_index_measure(copy, image, data_range=1.0, reduction="none", return_full_image=True)
    assert ssim(image, copy).tolist() == pytest.approx(full[..., 5:-5, 5:-5].mean((1, 2, 3)).tolist(), abs=1e-6)


def test_ssim_over_valid_pixels_is_the_mean_of_the_map_there() -> None:
    image, copy = frames()
    valid = half(image)
    similarity = ssim_map(blank(image, valid), blank(copy, valid))
    assert ssim(image, copy, valid).tolist() == pytest.approx(similarity[..., 5:-5, 5:24].mean((1, 2, 3)).tolist(), abs=1e-6)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_all_pixels_valid_is_as_good_as_no_mask(measure) -> None:
    image, copy = frames()
    valid = torch.ones_like(image[:, :1], dtype=torch.bool)
    assert measure(image, copy, valid).tolist() == pytest.approx(measure(image, copy).tolist(), abs=1e-6)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_what_is_drawn_outside_valid_does_not_count(measure) -> None:
    image, copy = frames()
    valid = half(image)
    drawn = torch.where(valid, copy, torch.rand_like(copy))
    assert torch.equal(measure(image, drawn, valid), measure(image, copy, valid))


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_a_frame_without_a_valid_pixel_is_undefined_and_spoils_no_other(measure) -> None:
    image, copy = frames()
    valid = half(image)
    valid[1] = False
    assert measure(image, copy, valid).isnan().tolist() == [False, True, False, False]


@pytest.mark.parametrize("measure", [psnr, ssim, ms_ssim])
def test_a_frame_measures_the_same_alone_and_in_a_batch(measure) -> None:
    image, copy = frames(side=176)
    assert measure(image[:1], copy[:1]).tolist() == pytest.approx(measure(image, copy)[:1].tolist(), abs=1e-5)


def test_ms_ssim_is_that_of_torchmetrics() -> None:
    image, copy = frames(side=176)
    expected = multiscale_structural_similarity_index_measure(copy, image, data_range=1.0, reduction="none")
    assert ms_ssim(image, copy).tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_ms_ssim_of_equal_frames_is_one_at_any_number_of_scales() -> None:
    image, _ = frames(side=96)
    assert ms_ssim(image, image, scales=3).tolist() == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("scales", [1, 2, 3, 4, 5])
def test_ms_ssim_takes_the_size_that_its_error_names(scales: int) -> None:
    image, copy = frames(side=11, batch=1)
    with pytest.raises(MedgenError) as failure:
        ms_ssim(image[..., :10], copy[..., :10], scales=scales)
    side = int(str(failure.value).split("needs ")[1].split()[0])
    assert ms_ssim(*frames(side=side, batch=1), scales=scales).isfinite().all()


def test_blank_blackens_invalid_pixels_and_keeps_the_others() -> None:
    image, _ = frames()
    result = blank(image, half(image))
    assert torch.equal(result[..., :24], image[..., :24])
    assert not result[..., 24:].any()


def test_ssim_of_a_frame_smaller_than_its_window_is_refused() -> None:
    with pytest.raises(MedgenError, match="at least 11 x 11"):
        ssim(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("measure", [psnr, ssim, ms_ssim])
def test_shapes_that_differ_are_refused(measure) -> None:
    with pytest.raises(MedgenError, match="expected"):
        measure(torch.rand(2, 3, 16, 16), torch.rand(2, 1, 16, 16))


def test_a_mask_that_is_not_bool_is_refused() -> None:
    with pytest.raises(MedgenError, match="expected bool"):
        psnr(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16))
