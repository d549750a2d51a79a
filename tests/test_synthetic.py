"""Foreign patches: within the stated sizes, of another frame, the same for the same frame."""

from __future__ import annotations

import math

import torch

from medgen.nn.synthetic import LARGEST, SMALLEST, foreign_patches

COUNT, SIDE = 40, 64


def frames() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frame k is of the grey value k / COUNT."""
    image = (torch.arange(COUNT) / COUNT)[:, None, None, None].expand(COUNT, 3, SIDE, SIDE).clone()
    return image, torch.ones(COUNT, 1, SIDE, SIDE, dtype=torch.bool), torch.arange(100, 100 + COUNT)


def test_a_patch_is_a_mixture_with_the_next_frame() -> None:
    image, valid, index = frames()
    changed, places = foreign_patches(image, valid, index)
    for k in range(COUNT):
        inside, lender = changed[k, 0][places[k, 0]], image[(k + 1) % COUNT, 0, 0, 0]
        strength = (inside - image[k, 0, 0, 0]) / (lender - image[k, 0, 0, 0])
        assert strength.min() + 1e-4 >= 0.3 and strength.max() <= 1 + 1e-4 and strength.max() - strength.min() < 1e-3
        assert torch.equal(changed[k, :, ~places[k, 0]], image[k, :, ~places[k, 0]])


def test_patches_have_the_stated_sizes() -> None:
    _, places = foreign_patches(*frames())
    areas = places.float().mean((1, 2, 3))
    least, most = (math.pi / 4 * axis**2 for axis in (SMALLEST, LARGEST))
    assert areas.max() <= most + 0.01 and areas.median() >= least and areas.min() > 0


def test_what_is_not_valid_in_either_frame_stays() -> None:
    image, valid, index = frames()
    valid[:, :, :, : SIDE // 2] = False
    changed, places = foreign_patches(image, valid, index)
    assert not places[..., : SIDE // 2].any() and torch.equal(changed[..., : SIDE // 2], image[..., : SIDE // 2])


def test_a_patch_hangs_on_the_frame_and_not_on_its_place_in_the_batch() -> None:
    image, valid, index = frames()
    _, places = foreign_patches(image, valid, index)
    _, some = foreign_patches(image[5:9], valid[5:9], index[5:9])
    assert torch.equal(some, places[5:9])


def test_a_frame_alone_lends_itself_a_patch_upside_down() -> None:
    image = torch.linspace(0, 1, SIDE)[:, None].expand(1, 3, SIDE, SIDE)
    changed, places = foreign_patches(image, torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool), torch.tensor([1]))
    assert (changed != image)[:, :1][places].float().mean() > 0.9
