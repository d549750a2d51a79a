"""The buffer of earlier images: what it returns, what it keeps, and that a checkpoint has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from medgen.engine import checkpoint
from medgen.nn.adversarial.image_pool import ImagePool


def numbered(first: int, n: int) -> Tensor:
    """Return n grey images of 2 x 2, the k-th of which is first + k everywhere."""
    return torch.arange(first, first + n, dtype=torch.float32)[:, None, None, None].expand(-1, 1, 2, 2)


def numbers(images: Tensor) -> list[int]:
    return [int(image.flatten()[0]) for image in images]


def test_until_it_is_full_new_images_are_stored_and_returned() -> None:
    pool = ImagePool(5, 2, 1)
    assert numbers(pool(numbered(1, 3))) == [1, 2, 3] and int(pool.count) == 3
    assert torch.equal(pool.images[:3], numbered(1, 3)) and (pool.images[3:] == 0).all()


def test_a_full_pool_returns_about_half_of_the_new_images_and_an_earlier_one_for_each_other() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50, 2, 1)
    pool(numbered(0, 50))
    returned = numbers(pool(numbered(50, 2000)))
    new = sum(number == 50 + k for k, number in enumerate(returned))
    assert 910 < new < 1090  # four standard deviations of 2000 fair coins are 89
    assert all(number <= 50 + k for k, number in enumerate(returned))


def test_a_swapped_image_takes_the_place_of_the_one_that_is_returned() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50, 2, 1)
    returned = numbers(pool(numbered(0, 500)))
    late = returned[50:]  # those of a full pool; the first fifty are in it besides
    assert sorted(late + numbers(pool.images)) == list(range(500))


def test_any_stored_image_may_be_returned() -> None:
    torch.manual_seed(0)
    pool = ImagePool(3, 2, 1)
    pool(numbered(0, 3))
    earlier = set()
    for _ in range(40):
        copy = ImagePool(3, 2, 1)
        copy.load_state_dict(pool.state_dict())
        earlier |= set(numbers(copy(numbered(9, 1))))
    assert earlier == {0, 1, 2, 9}


def test_what_was_returned_is_not_changed_by_later_images() -> None:
    pool = ImagePool(2, 2, 1)
    pool(numbered(0, 2))
    returned = pool(numbered(2, 4))
    kept = returned.clone()
    pool(numbered(6, 100))
    assert torch.equal(returned, kept)


def test_a_pool_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    torch.manual_seed(3)
    pool = ImagePool(4, 2, 1)
    pool(numbered(0, 3))
    checkpoint.save(tmp_path / "pool.safetensors", pool.state_dict() | checkpoint.random_states(), {})
    expected = [numbers(pool(numbered(k, 5))) for k in range(10, 60, 5)]
    tensors, _ = checkpoint.load(tmp_path / "pool.safetensors")
    again = ImagePool(4, 2, 1)
    again.load_state_dict({name: tensors[name] for name in again.state_dict()})
    checkpoint.restore_random_states(tensors)
    assert [numbers(again(numbered(k, 5))) for k in range(10, 60, 5)] == expected


def test_a_capacity_of_0_turns_it_off_and_can_be_saved(tmp_path: Path) -> None:
    pool = ImagePool(0, 2, 1)
    assert numbers(pool(numbered(0, 4))) == [0, 1, 2, 3] and int(pool.count) == 0
    checkpoint.save(tmp_path / "pool.safetensors", pool.state_dict(), {})
    checkpoint.load_weights(ImagePool(0, 2, 1), tmp_path / "pool.safetensors")


@pytest.mark.parametrize("capacity", [0, 2])
def test_no_gradient_goes_through(capacity: int) -> None:
    images = numbered(0, 4).clone().requires_grad_()
    assert not ImagePool(capacity, 2, 1)(images).requires_grad
