"""Frames from arrays against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from writers import DEEP, DRAW, GREY, RGB, rejected, save

from medgen.data.images import read_image, read_images


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((5, 6), [(5, 6, 1)]),
        ((5, 6, 3), [(5, 6, 3)]),
        ((5, 6, 1), [(5, 6, 1)]),
        ((4, 5, 6, 3), [(5, 6, 3)] * 4),
        ((4, 5, 6), [(5, 6, 1)] * 4),
    ],
)
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "fortran.npy"])
def test_arrays_hold_frames(tmp_path: Path, shape: tuple[int, ...], frames: list[tuple[int, ...]], name: str) -> None:
    array = DRAW.integers(0, 256, shape, dtype=np.uint8)
    if name == "a.npz":
        np.savez_compressed(tmp_path / name, array)
    else:
        np.save(tmp_path / name, np.asfortranarray(array) if name == "fortran.npy" else array)
    images = list(read_images(tmp_path / name))
    assert [image.pixels.shape for image in images] == frames
    np.testing.assert_array_equal(np.stack([image.pixels for image in images]).ravel(), array.ravel())
    assert images[-1].source.endswith(f"#{len(frames) - 1}" if len(frames) > 1 else name)


def test_pixels_can_be_written_to(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RGB)
    assert read_image(tmp_path / "a.npy").pixels.flags.writeable
    assert read_image(save(tmp_path / "a.png", RGB)).pixels.flags.writeable


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (DEEP, DEEP / 65535),
        (GREY.astype(np.int64), GREY / 255),
        (GREY > 9, (GREY > 9) * 255),
        (GREY / 255, GREY / 255),
        ((GREY / 255).astype(">f4"), GREY / 255),
    ],
    ids=["uint16", "small int64", "bool", "float64", "big-endian"],
)
def test_array_values_become_8_bit_or_unit_range(tmp_path: Path, array: NDArray[Any], expected: NDArray[Any]) -> None:
    np.save(tmp_path / "a.npy", array)
    pixels = read_image(tmp_path / "a.npy").pixels
    assert pixels.dtype in (np.uint8, np.float32)
    np.testing.assert_allclose(pixels.reshape(expected.shape), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([[0.5, np.nan], [0, np.inf]]), "1 of 4 pixels are infinite"),
        (np.array([[0.0, 255.0]]), "from 0 to 255, and what is black"),
        (np.array([[-1000, 3000]]), "from -1000 to 3000"),
        (np.zeros((3, 8, 9)), "colour first, or three grey frames"),
        (np.zeros((2, 3, 8, 9)), "has shape 2 x 3 x 8 x 9"),
        (np.zeros(7), "has shape 7"),
        (np.zeros((0, 5)), "has no pixels"),
        (np.zeros((2, 2), dtype=complex), "complex128"),
        (np.array([{}, {}]), "never loaded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_are_no_pictures_are_rejected(tmp_path: Path, array: NDArray[Any], reason: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert reason in rejected(tmp_path / "a.npy")


def test_npz_with_labels_beside_the_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=RGB, labels=np.arange(3))
    np.testing.assert_array_equal(read_image(tmp_path / "a.npz").pixels, RGB)
    np.savez(tmp_path / "b.npz", train_images=RGB, val_images=RGB)
    assert "2 arrays (train_images, val_images)" in rejected(tmp_path / "b.npz")
