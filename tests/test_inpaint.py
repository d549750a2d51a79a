"""Holes of frames are filled from the valid pixels around them."""

from __future__ import annotations

import pytest
import torch

from medgen.nn.inpaint import inpaint


def holes(size: int = 24, share: float = 0.3, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3, channels, size, size, generator=generator), torch.rand(3, 1, size, size, generator=generator) > share


def test_valid_pixels_stay_as_they_are() -> None:
    image, valid = holes()
    assert torch.equal(torch.where(valid, inpaint(image, valid), 0.0), torch.where(valid, image, 0.0))


def test_what_is_not_valid_has_no_part_in_it() -> None:
    image, valid = holes()
    assert torch.equal(inpaint(image, valid), inpaint(torch.where(valid, image, 7.0), valid))


@pytest.mark.parametrize("size", [16, 17, 31])
def test_a_plain_frame_has_no_holes_left(size: int) -> None:
    _, valid = holes(size, 0.9)
    torch.testing.assert_close(inpaint(torch.full((3, 1, size, size), 0.4), valid), torch.full((3, 1, size, size), 0.4))


def test_a_hole_in_a_ramp_is_continued_within_its_range() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    valid = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    valid[..., 12:16, 12:16] = False
    gap = (inpaint(ramp * valid, valid) - ramp).abs()
    assert gap.max() < 0.1  # the ramp rises by 0.13 over the hole


def test_a_frame_without_a_valid_pixel_is_blank_and_leaves_its_neighbour_alone() -> None:
    image, valid = holes()
    valid[0] = False
    both = inpaint(image, valid)
    assert (both[0] == 0).all() and torch.equal(both[1:], inpaint(image[1:], valid[1:]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 31, 45])
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_processor_fills_as_it_does_where_a_gradient_is_wanted(size: int, share: float, channels: int) -> None:
    image, valid = holes(size, share, channels)
    torch.testing.assert_close(inpaint(image, valid), inpaint(image.clone().requires_grad_(), valid).detach(), rtol=0, atol=1e-5)
